// A compiled server as the main thread handles it: read once for a generation, so that a worker
// that is restarted runs the code of its generation and not of one that was put there since.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { ABI_VERSION } from "../../native/abi.ts";
import type { Program, ReuseportProgram } from "../data/api.ts";
import type { WorkerStart } from "./messages.ts";
import { StartError } from "./start-error.ts";

/**
 * Of what main thread and workers say to each other: messages.ts and what it refers to, and memory
 * that they share. test/golden/protocol.test.ts knows the files.
 */
export const PROTOCOL_VERSION = 2;
/** How long a bundle may take to say what it is. */
const DESCRIBE_MS = 20_000;

/** What the main thread has to know of a program; in one from a file, functions are left out. */
export type Facts = Pick<Program, "server" | "upstreams" | "routes">;

/** What a bundle answers when it is asked what it is. */
export interface Description {
  readonly protocol: number;
  readonly abi: number;
  /** What chooses the worker of a connection: rows of a `ReuseportProgram`; null: the kernel. */
  readonly balancing: ReturnType<ReuseportProgram> | null;
  readonly facts: Facts;
}

export interface Bundle {
  readonly path: string;
  readonly text: string;
  readonly addonHash: string;
  /** The manifest beside it, as JSON. */
  readonly manifest: string;
}

/** For so many workers. */
export function describe({ server, upstreams, routes }: Program, workerCount: number): Description {
  return {
    protocol: PROTOCOL_VERSION,
    abi: ABI_VERSION,
    balancing: server.reuseportProgram?.(workerCount) ?? null,
    facts: JSON.parse(JSON.stringify({ server, upstreams, routes })) as Facts,
  };
}

export function addonPathOf(bundlePath: string): string {
  return join(dirname(bundlePath), "zproxy.node");
}

/** Throws a `StartError` when the files are not there. */
export function readBundle(path: string): Bundle {
  try {
    const hash = createHash("sha256").update(readFileSync(addonPathOf(path)));
    const text = readFileSync(path, "utf8");
    return { path, text, addonHash: hash.digest("hex"), manifest: readManifest(dirname(path)) };
  } catch (error) {
    throw new StartError(`can't read the compiled server: ${(error as Error).message}`);
  }
}

/** A bundle that was put together in another way may come without its manifest. */
function readManifest(folder: string): string {
  try {
    return readFileSync(join(folder, "manifest.json"), "utf8");
  } catch {
    return "{}\n";
  }
}

/** What every thread begins with: runs the bundle's text under the name of its file. */
const BEGIN = `
const { text, path } = require("node:worker_threads").workerData.bundle;
const names = ["exports", "require", "module", "__filename", "__dirname"];
const run = require("node:vm").compileFunction(text, names, { filename: path });
const folder = require("node:path").dirname(path);
run({}, require("node:module").createRequire(path), { exports: {} }, path, folder);
`;

/** The `workerData` of a thread: what it is to do, beside the text that it runs. */
export type Task = { readonly describe: number } | { readonly start: WorkerStart };

/** A thread that runs the bundle for one task. */
export function startThread({ path, text }: Bundle, task: Task): Worker {
  return new Worker(BEGIN, { eval: true, workerData: { bundle: { path, text }, ...task } });
}

/**
 * Asks a bundle what it is with so many workers, without serving. Throws a `StartError` when it is
 * none of ours.
 */
export async function askBundle(bundle: Bundle, workerCount: number): Promise<Description> {
  const worker = startThread(bundle, { describe: workerCount });
  const timer = setTimeout(() => void worker.terminate(), DESCRIBE_MS);
  try {
    return await new Promise((done, fail) => {
      worker.once("message", done);
      worker.once("error", (error) => fail(new StartError(`it does not load: ${error.message}`)));
      worker.once("exit", () => fail(new StartError("it does not say what it is")));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

/** Settings that are applied at start and at no other time, of which something has changed. */
export function changesForRestart(before: Facts, after: Facts): string[] {
  const settings = ({ server }: Facts) => ({
    "server.threads": server.threads,
    "security.drop_privileges_user": server.dropPrivileges?.user,
    "security.drop_privileges_group": server.dropPrivileges?.group,
    "performance.io": server.io,
    "logging.file_path": server.logging.filePath,
    "logging.channel_size": server.logging.channelSize,
    "logging.flush_interval_ms": server.logging.flushIntervalMs,
    "logging.max_log_size": server.logging.maxLogSize,
  });
  const now = new Map<string, unknown>(Object.entries(settings(after)));
  return Object.entries(settings(before))
    .filter(([name, value]) => value !== now.get(name))
    .map(([name]) => name);
}
