// The entry of a compiled server. The same bundle is the main thread and, started again, each
// worker.

import { dirname } from "node:path";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Program } from "../data/api.ts";
import { describe, type Task } from "./bundle.ts";
import { runWorker } from "./worker.ts";

/**
 * Serves `program` until a signal ends it; with --check, only looks at this machine. Called once by
 * the generated entry.
 */
export async function serve(program: Program): Promise<void> {
  const { argv } = process;
  // What only the main thread does is in files of their own, which no worker loads.
  if (!isMainThread) runTask(program, workerData as Task);
  else if (!argv.includes("--check")) {
    const { Supervisor } = await import("./supervisor.ts");
    await new Supervisor(program, __filename).run();
  } else {
    const { checkBundle } = await import("./host-check.ts");
    const asJson = argv.includes("--json");
    process.exitCode = await checkBundle(program, dirname(__filename), asJson);
  }
}

function runTask(program: Program, task: Task): void {
  if ("start" in task) runWorker(program, task.start);
  else parentPort!.postMessage(describe(program, task.describe));
}
