// The entry of a compiled server. The same bundle is the main thread and, started again, each
// worker.

import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Program } from "../data/api.ts";
import { describe, type Task } from "./bundle.ts";
import { runWorker } from "./worker.ts";

/** What a server does with them is its own: Node would end, or open its inspector. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const;

/**
 * Serves `program` until a signal ends it; with --check, only looks at this machine. Called once by
 * the generated entry.
 */
export async function serve(program: Program): Promise<void> {
  const { argv } = process;
  // What only the main thread does is in files of their own, which no worker loads.
  if (!isMainThread) runTask(program, workerData as Task);
  else if (!argv.includes("--check")) {
    // Of those that come while the rest is loaded none is lost: the supervisor listens to them too,
    // before the first can be delivered.
    for (const signal of SIGNALS) process.on(signal, () => {});
    const { Supervisor } = await import("./supervisor.ts");
    await new Supervisor(program, startedPath()).run();
  } else {
    const { checkBundle } = await import("./host-check.ts");
    const asJson = argv.includes("--json");
    process.exitCode = await checkBundle(program, dirname(__filename), asJson);
  }
}

/** Where this file is as the command has it: a link on the way may lead elsewhere at a reload. */
function startedPath(): string {
  const folder = dirname(resolve(process.argv[1] ?? ""));
  try {
    if (realpathSync(folder) === dirname(__filename)) return join(folder, basename(__filename));
  } catch {
    // Started in another way than by `node server.cjs`.
  }
  return __filename;
}

function runTask(program: Program, task: Task): void {
  if ("start" in task) runWorker(program, task.start);
  else parentPort!.postMessage(describe(program, task.describe));
}
