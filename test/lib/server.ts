// Compiles a configuration with the real command, starts the shipped bundle, and stops it again,
// checking on the way out that the server is exactly as it was at the start: nothing leaked.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { patience } from "./patience.ts";
import { runProcess, TestProcess } from "./process.ts";

/** The command under test, built by test/run.mjs before any test that imports this module. */
export const COMMAND = resolve("build/zproxy.mjs");

const READY_LINE = /^zproxy listening on (https?:\/\/(.*):(\d+))$/gm;
/** How long closed connections may take to disappear from the counters. */
const SETTLE_MS = patience(8_000);
const PINO_ERROR = 50;
const LOOKS = 25;
const LOOK_PAUSE_MS = 20;

/** What the server prints on SIGUSR2 under ZPROXY_TEST_STATS=1. */
export interface ServerStats {
  readonly workers: readonly WorkerStats[];
  readonly openFiles: number;
  /** What OpenSSL holds of connections. */
  readonly tlsConnections: number;
}

export interface WorkerStats {
  readonly connections: number;
  readonly upstreamConnections: number;
  readonly buffersInUse: number;
  readonly slotsInUse: number;
  readonly timers: number;
  readonly tlsSessions: number;
}

export interface ServerOptions {
  /** Listen addresses in the configuration; the start waits for all of them. */
  readonly listeners?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the folder the configuration is in, before the start. */
  readonly prepare?: (folder: string) => void;
  /** Log lines at level error that this test causes on purpose. */
  readonly expectedErrors?: readonly RegExp[];
}

/** Compiles TOML text in a folder of its own. Returns the folder, which holds `dist/`. */
export async function compileConfig(
  toml: string,
  prepare: (folder: string) => void = () => {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-test-"));
  prepare(folder);
  writeFileSync(join(folder, "config.toml"), withEngine(toml));
  const args = [COMMAND, "compile", "config.toml", "-o", "dist"];
  const result = await runProcess(process.execPath, args, { cwd: folder });
  if (!result.ok) {
    rmSync(folder, { recursive: true });
    throw new Error(`compile exited with ${result.code}:\n${result.stdout}${result.stderr}`);
  }
  return folder;
}

/** ZPROXY_TEST_IO=epoll runs every server of the tests on the other engine. */
function withEngine(toml: string): string {
  if (process.env.ZPROXY_TEST_IO !== "epoll" || /^io = /m.test(toml)) return toml;
  const [before, after] = toml.split(/^\[performance\]$/m);
  const table = '\n[performance]\nio = "epoll"';
  return after === undefined ? `${before}${table}\n` : `${before}${table}${after}`;
}

/**
 * Compiles the TOML text and starts its bundle. Listen on "127.0.0.1:0" and read the port off the
 * result. Stop the upstreams before the server, so that its pooled connections are gone as well.
 */
export async function startServer(toml: string, options: ServerOptions = {}): Promise<TestServer> {
  const folder = await compileConfig(toml, options.prepare);
  const child = new TestProcess(process.execPath, ["dist/server.cjs"], {
    cwd: folder,
    env: { ZPROXY_TEST_STATS: "1", ...options.env },
  });
  try {
    const ports = await child.until("the ready line", () => {
      const found = [...child.stdout.matchAll(READY_LINE)].map((match) => Number(match[3]));
      return found.length >= (options.listeners ?? 1) ? found : undefined;
    });
    const server = new TestServer(child, folder, ports, options);
    await server.remember();
    return server;
  } catch (error) {
    if (child.running) await child.stop("SIGKILL");
    rmSync(folder, { recursive: true });
    throw error;
  }
}

export class TestServer {
  readonly process: TestProcess;
  readonly folder: string;
  readonly ports: readonly number[];
  readonly #options: ServerOptions;
  #before: ServerStats | undefined;

  constructor(
    child: TestProcess,
    folder: string,
    ports: readonly number[],
    options: ServerOptions,
  ) {
    this.process = child;
    this.folder = folder;
    this.ports = ports;
    this.#options = options;
  }

  get port(): number {
    return this.ports[0] as number;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Everything logged so far. */
  log(): string {
    return this.process.stderr;
  }

  /** Takes the present counters as the state that `stop()` expects to find again. */
  async remember(): Promise<void> {
    this.#before = await this.stats();
  }

  /**
   * Likewise, where health checks come and go at their own time: the state with the fewest
   * descriptors of a while that is shorter than the time between two checks.
   */
  async rememberLeast(): Promise<void> {
    await this.remember();
    for (let look = 0; look < LOOKS; look++) {
      const now = await this.stats();
      if (now.openFiles < (this.#before?.openFiles ?? 0)) this.#before = now;
      await sleep(LOOK_PAUSE_MS);
    }
  }

  /** The server's own counters, now. */
  async stats(): Promise<ServerStats> {
    const seen = statsLines(this.process.stdout).length;
    this.process.kill("SIGUSR2");
    const line = await this.process.until("a statistics line", () => {
      return statsLines(this.process.stdout)[seen];
    });
    const { workers, openFiles, tlsConnections } = JSON.parse(line) as ServerStats;
    return { workers: workers.map(holdingsOf), openFiles, tlsConnections };
  }

  /** Waits until the counters are what they were at the start; fails with the difference. */
  async settled(): Promise<void> {
    const deadline = Date.now() + SETTLE_MS;
    let now = await this.stats();
    while (!isDeepStrictEqual(now, this.#before) && Date.now() < deadline) {
      await sleep(50);
      now = await this.stats();
    }
    assert.deepEqual(now, this.#before, "the server holds more or less than it did at the start");
  }

  /** Asserts that nothing leaked, stops with SIGTERM, and asserts exit code 0 and a clean log. */
  async stop(): Promise<void> {
    try {
      if (this.process.running) await this.settled();
      const exit = await this.process.stop("SIGTERM");
      assert.deepEqual(exit, { code: 0, signal: null }, `exit of the server; log:\n${this.log()}`);
      assert.deepEqual(this.errors(), [], "errors in the log");
    } finally {
      if (this.process.running) await this.process.stop("SIGKILL");
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  /** Log lines of level error and above, and anything on stderr that is no log line at all. */
  errors(): string[] {
    const expected = this.#options.expectedErrors ?? [];
    return this.log()
      .split("\n")
      .filter((line) => line !== "" && isError(line))
      .filter((line) => !expected.some((pattern) => pattern.test(line)));
  }
}

/** The counters that must return to where they were; the heap, for one, need not. */
function holdingsOf(worker: WorkerStats): WorkerStats {
  const { heapUsed: _, ...holdings } = worker as WorkerStats & { heapUsed: number };
  return holdings;
}

function statsLines(stdout: string): string[] {
  return stdout.split("\n").filter((line) => line.startsWith('{"workers":') && line.endsWith("}"));
}

function isError(line: string): boolean {
  try {
    const record = JSON.parse(line) as { level?: unknown };
    if (typeof record.level === "number") return record.level >= PINO_ERROR;
    return record.level === "error" || record.level === "fatal";
  } catch {
    return true;
  }
}
