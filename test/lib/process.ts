// Child processes of tests: their output is kept, and each one is stopped by its own pid.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { patience } from "./patience.ts";

const PATIENCE_MS = patience(20_000);

// The runner ends a test file that takes too long with SIGTERM; without a handler the "exit"
// listeners below would not run, and the file's servers would be left behind.
process.once("SIGTERM", () => process.exit(143));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Descriptors that the child has from 3 on. */
  readonly passed?: readonly number[];
}

/** A running child with its output so far. It never outlives the test process. */
export class TestProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;
  readonly #onProcessExit: () => void;
  #running = true;
  #wakers: (() => void)[] = [];
  stdout = "";
  stderr = "";

  constructor(command: string, args: readonly string[], options: ProcessOptions = {}) {
    const child = spawn(command, args, {
      cwd: options.cwd ?? process.cwd(),
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe", ...(options.passed ?? [])],
    });
    this.#child = child;
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.#onProcessExit = () => child.kill("SIGKILL");
    process.once("exit", this.#onProcessExit);
    this.#exit = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#running = false;
        process.removeListener("exit", this.#onProcessExit);
        resolve({ code, signal });
        this.#wake();
      });
    });
    // Nobody may be waiting yet when the program cannot be started; `exited()` still rejects.
    this.#exit.catch(() => this.#wake());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Everything printed so far, for failure messages. */
  get output(): string {
    return `${this.stdout}${this.stderr}`;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** How the process ended; waits for it. */
  exited(): Promise<Exit> {
    return this.#exit;
  }

  /** Sends the signal and waits; a process that ignores it is killed and that is an error. */
  async stop(signal: NodeJS.Signals = "SIGTERM", patienceMs = PATIENCE_MS): Promise<Exit> {
    if (this.#running) this.kill(signal);
    let stuck = false;
    const timer = setTimeout(() => {
      stuck = true;
      this.kill("SIGKILL");
    }, patienceMs);
    const exit = await this.#exit;
    clearTimeout(timer);
    if (stuck) throw new Error(`still running ${patienceMs} ms after ${signal}:\n${this.output}`);
    return exit;
  }

  /** Waits until `found()` gives a value; fails when the process ends or patience does. */
  async until<T>(what: string, found: () => T | undefined): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = found();
      if (value !== undefined) return value;
      const left = deadline - Date.now();
      if (!this.#running || left <= 0) {
        const state = this.#running ? `${PATIENCE_MS} ms passed` : "the process ended";
        throw new Error(`${state} without ${what}; it printed:\n${this.output}`);
      }
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wakers.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}

/** Resident memory of a process. */
export function residentKib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

/** Runs a program to its end; `ok` is exit code 0. */
export async function runProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<{ ok: boolean; code: number | null; stdout: string; stderr: string }> {
  const child = new TestProcess(command, args, options);
  const { code } = await child.exited();
  return { ok: code === 0, code, stdout: child.stdout, stderr: child.stderr };
}
