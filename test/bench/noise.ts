// How much the machine itself moved while a server was being measured, and what that means in
// words. A run that was disturbed is repeated, within a limit; a row whose figures still cannot be
// trusted says so.

import { setTimeout as sleep } from "node:timers/promises";
import {
  type CpuPlan,
  cpuUse,
  endedChildrenSeconds,
  ownSeconds,
  processTime,
  runDelaySeconds,
  spinMillis,
} from "./machine.ts";
import { spreadPercent } from "./row.ts";

/** Shares of the time of one run, 0 to 1, except the spin. */
export interface Disturbance {
  /** Taken by the hypervisor from either CPU. */
  readonly steal: number;
  /** The server was ready to run and something else ran on its CPU. */
  readonly delayed: number;
  /** Other programs on the load's CPU: they slow wrk and the backend down. */
  readonly foreign: number;
  /** Milliseconds of a fixed piece of arithmetic on the server's CPU, just before the run. */
  readonly spinMs: number;
}

const STEAL_MAX = 0.02;
const DELAYED_MAX = 0.04;
const FOREIGN_MAX = 0.15;
const SPIN_SPREAD_PERCENT_MAX = 10;
/** Rounds of one server may lie this far apart before their median means little. */
const CPU_SPREAD_PERCENT_MAX = 12;
const P99_SPREAD_PERCENT_MAX = 50;

/** Runs `work` and tells how the machine was meanwhile. `serverPids` are running on plan.server. */
export async function watchMachine<T>(
  plan: CpuPlan,
  serverPids: readonly number[],
  backendPids: readonly number[],
  work: () => Promise<T>,
): Promise<{ result: T; disturbance: Disturbance }> {
  const spinMs = spinMillis(plan, plan.server);
  const before = readCounters(plan, serverPids, backendPids);
  const start = performance.now();
  const result = await work();
  const after = readCounters(plan, serverPids, backendPids);
  const seconds = (performance.now() - start) / 1000;
  const known = after.own - before.own;
  return {
    result,
    disturbance: {
      steal: (after.steal - before.steal) / seconds,
      delayed: (after.delay - before.delay) / seconds,
      foreign: Math.max(0, (after.loadBusy - before.loadBusy - known) / seconds),
      spinMs,
    },
  };
}

function readCounters(plan: CpuPlan, server: readonly number[], backend: readonly number[]) {
  const serverCpu = cpuUse(plan.server);
  const loadCpu = cpuUse(plan.load);
  const backendTime = processTime(backend);
  return {
    steal: serverCpu.steal + loadCpu.steal,
    delay: runDelaySeconds(server),
    loadBusy: loadCpu.busy,
    own: ownSeconds() + endedChildrenSeconds() + backendTime.user + backendTime.kernel,
  };
}

const QUIET_LOOK_MS = 200;
const QUIET_BUSY_MAX = 0.15;

/**
 * Waits until neither CPU has much to do (the servers idle meanwhile), at most `patienceMs`: what
 * passes on its own, a build or a test run, need not cost a round. Returns the milliseconds waited.
 */
export async function untilQuiet(plan: CpuPlan, patienceMs: number): Promise<number> {
  const start = performance.now();
  while (performance.now() - start < patienceMs) {
    if ((await busyShare(plan)) < QUIET_BUSY_MAX) break;
  }
  return performance.now() - start;
}

/** How busy the busier of the two CPUs is during a short look. */
async function busyShare({ server, load }: CpuPlan): Promise<number> {
  const before = [server, load].map((cpu) => cpuUse(cpu).busy);
  const start = performance.now();
  await sleep(QUIET_LOOK_MS);
  const seconds = (performance.now() - start) / 1000;
  return Math.max(...[server, load].map((cpu, at) => (cpuUse(cpu).busy - before[at]) / seconds));
}

/** Whether a run was disturbed so much that its round should be repeated. */
export function isDisturbed(disturbance: Disturbance): boolean {
  const { steal, delayed, foreign } = disturbance;
  return steal > STEAL_MAX || delayed > DELAYED_MAX || foreign > FOREIGN_MAX;
}

export interface LabelledRun {
  readonly label: string;
  readonly cpuMicros: number;
  readonly p99Micros: number;
  readonly disturbance: Disturbance;
}

/**
 * Sentences about a row that cannot be trusted; none when it can. `runs` are those kept. The tail
 * latency of a row is only judged where it is what the row is about.
 */
export function judgeNoise(runs: readonly LabelledRun[], isAboutLatency: boolean): string[] {
  const sentences: string[] = [];
  const worst = (part: (it: Disturbance) => number) =>
    Math.max(...runs.map((run) => part(run.disturbance)));
  const say = (share: number, limit: number, what: string) => {
    if (share > limit) sentences.push(`${what} for up to ${(share * 100).toFixed(0)} % of a run`);
  };
  say(
    worst((it) => it.steal),
    STEAL_MAX,
    "the hypervisor took a CPU away",
  );
  say(
    worst((it) => it.delayed),
    DELAYED_MAX,
    "other programs held the server's CPU",
  );
  say(
    worst((it) => it.foreign),
    FOREIGN_MAX,
    "other programs held the load's CPU",
  );
  const spin = spreadPercent(runs.map((run) => run.disturbance.spinMs));
  if (spin > SPIN_SPREAD_PERCENT_MAX) {
    sentences.push(`the CPU's own speed moved by ${spin.toFixed(0)} %`);
  }
  for (const label of new Set(runs.map((run) => run.label))) {
    const own = runs.filter((run) => run.label === label);
    const cpu = spreadPercent(own.map((run) => run.cpuMicros));
    const p99 = spreadPercent(own.map((run) => run.p99Micros));
    const apart = (percent: number) => `of ${label} lie ${percent.toFixed(0)} % apart`;
    if (cpu > CPU_SPREAD_PERCENT_MAX) sentences.push(`rounds ${apart(cpu)}`);
    if (isAboutLatency && p99 > P99_SPREAD_PERCENT_MAX) sentences.push(`p99s ${apart(p99)}`);
  }
  return sentences;
}
