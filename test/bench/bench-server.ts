// A server under measurement as the cases see it, whichever program it is: where it answers, which
// processes do its work, how to stop it. Nothing outlives the bench, however the bench ends.

import { once } from "node:events";
import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Certificate } from "../lib/certificates.ts";
import { runProcess, TestProcess } from "../lib/process.ts";
import { findTool, type Tool } from "../lib/tools.ts";
import { childPids } from "./machine.ts";
import type { ServerName } from "./options.ts";
import { bodyOf, type Site } from "./site.ts";

const START_PATIENCE_MS = 10_000;
const START_POLL_MS = 20;

export interface BenchServer {
  readonly name: ServerName | "backend";
  /** "http://127.0.0.1:port", or https */
  readonly origin: string;
  /** The processes whose CPU time and memory count. */
  readonly pids: readonly number[];
  readonly process: TestProcess;
  stop(): Promise<void>;
}

/** Where a case finds the address of the backend and room for temporary files. */
export interface Surroundings {
  readonly site: Site;
  readonly backendPort: number;
  /** An existing empty folder of the server's own. */
  readonly folder: string;
  readonly cpu: number;
  /** Set: the server speaks TLS, and nothing else. */
  readonly certificate?: Certificate | undefined;
}

/** `count` different ports that nobody listens on at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const holders = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(holders.map((holder) => once(holder, "listening")));
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port);
  await Promise.all(holders.map((holder) => once(holder.close(), "close")));
  return ports;
}

/** Waits until a connection to the port succeeds; fails when the process ends before. */
export async function untilListening(child: TestProcess, port: number): Promise<void> {
  const deadline = Date.now() + START_PATIENCE_MS;
  while (child.running && Date.now() < deadline) {
    if (await canConnect(port)) return;
    await sleep(START_POLL_MS);
  }
  throw new Error(`nothing listens on port ${port}; the server printed:\n${child.output}`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Compiles test/bench/NAME.c, a program of the bench's own, into `folder`. Returns its path. */
export async function buildProgram(name: string, folder: string): Promise<string> {
  const source = resolve("test/bench", `${name}.c`);
  const program = join(folder, name);
  const built = await runProcess("cc", ["-O2", "-Wall", "-Werror", source, "-o", program]);
  if (!built.ok) throw new Error(`${source} does not compile:\n${built.stderr}`);
  return program;
}

/** The program's path; a missing one is the user's to install. */
export function needTool(tool: Tool): string {
  const path = findTool(tool);
  if (path === undefined) throw new Error(`${tool} is missing; install Debian's package`);
  return path;
}

/**
 * Runs a program as the leader of a process group that dies as a whole with the bench: killing a
 * master alone would leave its workers behind.
 */
export function startGroup(command: string, args: readonly string[]): TestProcess {
  const child = new TestProcess("setsid", [command, ...args]);
  const killGroup = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  process.once("exit", killGroup);
  void child.exited().then(() => process.removeListener("exit", killGroup));
  return child;
}

/** The one worker of a master. A master binds its ports before it forks, so this may wait. */
export async function onlyWorker(child: TestProcess): Promise<number> {
  const deadline = Date.now() + START_PATIENCE_MS;
  while (child.running && Date.now() < deadline) {
    const worker = childPids(child.pid)[0];
    if (worker !== undefined) return worker;
    await sleep(START_POLL_MS);
  }
  throw new Error(`no worker was started; output:\n${child.output}`);
}

/** Sentences about answers that are not status 200 with exactly the site's bytes. */
export async function wrongAnswers(
  server: BenchServer,
  site: Site,
  paths: readonly string[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const path of paths) {
    const { status, body } = await fetchOnce(`${server.origin}${path}`);
    const right = bodyOf(site, path);
    if (status !== 200) problems.push(`${server.name} answers ${path} with status ${status}`);
    else if (!right.equals(body)) {
      problems.push(`${server.name} answers ${path} with ${body.length} wrong bytes`);
    }
  }
  return problems;
}

function fetchOnce(url: string): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const get = url.startsWith("https:") ? getSecure : getPlain;
    // The certificate is the bench's own.
    const request = get(url, { agent: false, rejectUnauthorized: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part)).once("error", reject);
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) });
      });
    });
    request.setTimeout(START_PATIENCE_MS, () => request.destroy(new Error(`${url}: no answer`)));
    request.once("error", reject);
  });
}
