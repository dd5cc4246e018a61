// The entry of a compiled server. The same bundle is the main thread and, started again, each
// worker.

import { isMainThread } from "node:worker_threads";
import type { Program } from "../data/api.ts";
import { Supervisor } from "./supervisor.ts";
import { runWorker } from "./worker.ts";

/** Serves `program` until a signal ends it. Called once by the generated entry. */
export async function serve(program: Program): Promise<void> {
  if (isMainThread) await new Supervisor(program, __filename).run();
  else runWorker(program);
}
