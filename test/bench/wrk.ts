// Runs wrk, or lean-load where that is too slow, and reads the one JSON line that both print.

import { resolve } from "node:path";
import { runProcess } from "../lib/process.ts";
import { findTool } from "../lib/tools.ts";
import { pinned } from "./machine.ts";

const SCRIPT = resolve("test/bench/wrk.lua");

export interface WrkRun {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** MODE and its arguments, as wrk.lua describes them. */
  readonly mode: readonly string[];
  /** The program of lean-load.c, to ask with that, which knows the mode "fixed" alone. */
  readonly leanLoad?: string | undefined;
}

export interface WrkResult {
  readonly requests: number;
  readonly micros: number;
  readonly bytes: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly connectErrors: number;
  readonly readErrors: number;
  readonly writeErrors: number;
  readonly timeouts: number;
  readonly statusErrors: number;
}

/** One run of wrk with one thread on `cpu`. Throws when wrk itself fails; errors are counted. */
export async function runWrk(cpu: number, run: WrkRun): Promise<WrkResult> {
  const wrk = findTool("wrk");
  if (wrk === undefined) throw new Error("wrk is missing; install the package wrk");
  if (run.leanLoad !== undefined) return runLean(cpu, run, run.leanLoad);
  const load = ["-t1", `-c${run.connections}`, `-d${run.seconds}s`];
  const [command, ...prefix] = [...pinned(cpu), wrk];
  const args = [...prefix, ...load, "-s", SCRIPT, run.url, "--", ...run.mode];
  return readResult(await runProcess(command, args));
}

function runLean(cpu: number, run: WrkRun, program: string): Promise<WrkResult> {
  const { port, pathname } = new URL(run.url);
  const numbers = [String(run.connections), String(run.seconds)];
  const [command, ...args] = [...pinned(cpu), program, port, pathname, ...numbers];
  return runProcess(command, args).then(readResult);
}

function readResult(result: { ok: boolean; stdout: string; stderr: string }): WrkResult {
  const line = result.stdout.split("\n").find((text) => text.startsWith("{"));
  if (!result.ok || line === undefined) {
    throw new Error(`the load generator failed:\n${result.stdout}${result.stderr}`);
  }
  return JSON.parse(line) as WrkResult;
}

/** Sentences about what went wrong in a run: any of them makes its row invalid. */
export function wrkProblems(result: WrkResult): string[] {
  const counts: [number, string][] = [
    [result.statusErrors, "answers with an error status"],
    [result.connectErrors, "connections that failed"],
    [result.readErrors, "reads that failed"],
    [result.writeErrors, "writes that failed"],
    [result.timeouts, "requests that timed out"],
    [result.requests === 0 ? 1 : 0, "run without a single answer"],
  ];
  return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}
