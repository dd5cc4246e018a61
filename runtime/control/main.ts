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

const HELP = `node server.cjs [--check [--json]]

Serves until SIGTERM or SIGINT. SIGHUP reloads, SIGUSR1 reopens the log file.

  --check   only look whether this machine is fit for it, beside a running server as well
  --json    the same for programs
`;
const EXIT_USAGE = 2;

/** Serves `program` until a signal ends it, or does what else is asked; the generated entry's. */
export async function serve(program: Program): Promise<void> {
  // What only the main thread does is in files of their own, which no worker loads.
  if (!isMainThread) return runTask(program, workerData as Task);
  const args = process.argv.slice(2);
  if (args.length > 0) return answer(program, args);
  // Of those that come while the rest is loaded none is lost: the supervisor listens to them too,
  // before the first can be delivered.
  for (const signal of SIGNALS) process.on(signal, () => {});
  const { Supervisor } = await import("./supervisor.ts");
  await new Supervisor(program, startedPath()).run();
}

/** A command line with arguments: whoever misspells --check does not want a server. */
async function answer(program: Program, args: readonly string[]): Promise<void> {
  if (args.includes("--check") && args.every((arg) => arg === "--check" || arg === "--json")) {
    const { checkBundle } = await import("./host-check.ts");
    process.exitCode = await checkBundle(program, dirname(__filename), args.includes("--json"));
  } else if (args.length === 1 && (args[0] === "--help" || args[0] === "-h")) {
    process.stdout.write(HELP);
  } else {
    const sentence = `${args.join(" ")} is not understood; --help says what is`;
    process.stderr.write(`zproxy: ${sentence}\n`);
    process.exitCode = EXIT_USAGE;
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
