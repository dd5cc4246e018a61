// Heap growth of zproxy's worker. Two instances answer two questions: what stays after a collection
// (a leak), and what is allocated on the way (work for the collector, seen as p99 latency later).

import type { BenchServer } from "./bench-server.ts";
import type { Fleet } from "./fleet.ts";
import type { ServerName } from "./options.ts";
import { type Figure, median, type Row } from "./row.ts";
import { PATHS } from "./site.ts";
import { runWrk, wrkProblems } from "./wrk.ts";

const STATS_LINE = /^\{"workers":.*\}$/gm;
const WINDOWS = 5;
/** Optimising and dropping code moves the heap by hundreds of KiB until it has settled. */
const WARMUP_WINDOWS = 4;
/** A young generation large enough that nothing is collected within one window. */
const LARGE_YOUNG = "--max-semi-space-size=256";

export interface HeapRun {
  /** Requests before the first look and between looks; smoke shortens it. */
  readonly windowRequests: number;
  readonly warmupSeconds: number;
}

export const HEAP_RUN: HeapRun = { windowRequests: 100_000, warmupSeconds: 4 };

interface Window {
  readonly requests: number;
  readonly bytes: number;
}

/** One figure for each build of zproxy that takes part. */
export async function runHeapCase(
  fleet: Fleet,
  labels: readonly ServerName[],
  run: HeapRun,
): Promise<Row> {
  const invalid: string[] = [];
  const noise: string[] = [];
  const figures: Figure[] = [];
  const raw: unknown[] = [];
  for (const label of labels) {
    const kept = await windowsOf(fleet, label, ["--expose-gc"], run, invalid);
    const allocated = await windowsOf(fleet, label, [LARGE_YOUNG], run, invalid);
    raw.push({ label, kept, allocated });
    if (kept.length === 0 || allocated.length === 0) continue;
    const keptBytes = median(kept.map(({ requests, bytes }) => (bytes * 100_000) / requests));
    const allocatedBytes = median(allocated.map(({ requests, bytes }) => bytes / requests));
    figures.push({ label, metrics: { keptBytes, allocatedBytes } });
    if (allocated.some(({ bytes }) => bytes < 0)) {
      noise.push(`${label}: a collection ran in a window, so the allocated bytes are too low`);
    }
  }
  const title = `worker heap, ${WINDOWS} windows of ${run.windowRequests} proxied requests or more`;
  return { name: "heap", title, figures, ratios: [], noise, invalid, raw };
}

async function windowsOf(
  fleet: Fleet,
  label: ServerName,
  nodeArgs: readonly string[],
  run: HeapRun,
  invalid: string[],
): Promise<Window[]> {
  const server = await fleet.start(label, { nodeArgs, env: { ZPROXY_TEST_STATS: "1" } });
  try {
    await request(fleet, server, run.windowRequests * WARMUP_WINDOWS, run.warmupSeconds);
    const windows: Window[] = [];
    let before = await heapUsed(server);
    for (let window = 0; window < WINDOWS; window++) {
      const requests = await request(fleet, server, run.windowRequests, 1);
      const after = await heapUsed(server);
      windows.push({ requests, bytes: after - before });
      before = after;
    }
    return windows;
  } catch (error) {
    invalid.push(`${label}: ${(error as Error).message}`);
    return [];
  } finally {
    await fleet.stop(server);
  }
}

/** At least so many requests and seconds; returns how many requests there were. */
async function request(
  fleet: Fleet,
  server: BenchServer,
  requestsMin: number,
  secondsMin: number,
): Promise<number> {
  let requests = 0;
  let seconds = 0;
  while (requests < requestsMin || seconds < secondsMin) {
    const url = `${server.origin}${PATHS.proxySmall}`;
    const one = { url, connections: 64, seconds: 1, mode: ["fixed"] };
    const result = await runWrk(fleet.plan.load, one);
    const problems = wrkProblems(result);
    if (problems.length > 0) throw new Error(problems.join(", "));
    requests += result.requests;
    seconds++;
  }
  return requests;
}

/** Bytes on the heaps of all workers, from the line the server prints on SIGUSR2. */
async function heapUsed(server: BenchServer): Promise<number> {
  const seen = statsLines(server).length;
  server.process.kill("SIGUSR2");
  const line = await server.process.until("statistics", () => statsLines(server)[seen]);
  const { workers } = JSON.parse(line) as { workers: { heapUsed?: number }[] };
  return workers.reduce((sum, { heapUsed: bytes }) => {
    if (bytes === undefined) throw new Error("the server's statistics have no heapUsed");
    return sum + bytes;
  }, 0);
}

function statsLines(server: BenchServer): string[] {
  return server.process.stdout.match(STATS_LINE) ?? [];
}
