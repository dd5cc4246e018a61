// What the kernel says about CPUs and processes (proc(5)), and pinning. All figures are read before
// and after a run and subtracted; nothing here samples while a run is going on.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { arch, cpus, release } from "node:os";

/** USER_HZ: the unit of /proc/stat and /proc/PID/stat, fixed at 100 on x86-64 and arm64. */
const TICKS_PER_SECOND = 100;

/** The server runs alone on one CPU; load generator, backend and the bench share the other. */
export interface CpuPlan {
  readonly server: number;
  readonly load: number;
}

/** The first two CPUs this process may use. Throws when there is only one. */
export function planCpus(): CpuPlan {
  const [server, load] = allowedCpus();
  if (server === undefined || load === undefined) {
    throw new Error("the bench needs two CPUs: one for the server, one for the load");
  }
  return { server, load };
}

function allowedCpus(): number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "0";
  return list.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Command line prefix that pins a program to one CPU; the pid stays that of the program. */
export function pinned(cpu: number): string[] {
  return ["taskset", "-c", String(cpu)];
}

/** Moves every thread of a running process to one CPU. */
export function pinProcess(pid: number, cpu: number): void {
  const result = spawnSync("taskset", ["-acp", String(cpu), String(pid)]);
  if (result.status !== 0) throw new Error(`taskset failed: ${result.stderr}`);
}

/** Seconds of CPU time; `user + kernel` is exact, the split between them is sampled by the tick. */
export interface CpuTime {
  readonly user: number;
  readonly kernel: number;
}

/** Time all threads of these processes have used so far. */
export function processTime(pids: readonly number[]): CpuTime {
  let user = 0;
  let kernel = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    user += Number(fields[11]) / TICKS_PER_SECOND;
    kernel += Number(fields[12]) / TICKS_PER_SECOND;
  }
  return { user, kernel };
}

/** Seconds of CPU time used by this process. */
export function ownSeconds(): number {
  const { user, kernel } = processTime([process.pid]);
  return user + kernel;
}

/** Seconds of CPU time used by those children of this process that have ended, such as wrk. */
export function endedChildrenSeconds(): number {
  const fields = statFields(process.pid);
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** The fields of /proc/PID/stat after the command name, which may itself hold spaces. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** Seconds in which threads of these processes were ready to run but something else ran. */
export function runDelaySeconds(pids: readonly number[]): number {
  let nanos = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      nanos += Number(text.split(" ")[1]);
    }
  }
  return nanos / 1e9;
}

/** Resident memory (VmRSS) of these processes together, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    bytes += Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

/** Seconds one CPU has been busy, and seconds the hypervisor gave to others, since boot. */
export interface CpuUse {
  readonly busy: number;
  readonly steal: number;
}

export function cpuUse(cpu: number): CpuUse {
  const line = new RegExp(`^cpu${cpu} (.*)$`, "m").exec(readFileSync("/proc/stat", "utf8"))?.[1];
  if (line === undefined) throw new Error(`no cpu${cpu} in /proc/stat`);
  const [user, nice, system, , , irq, softirq, steal] = line.split(" ").map(Number);
  return {
    busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    steal: steal / TICKS_PER_SECOND,
  };
}

/** The limit that a server can raise its number of open files to. */
export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === "unlimited" ? 1_048_576 : Number(hard ?? 1024);
}

/** Direct children of a process, for a server whose work is done by a worker it forks. */
export function childPids(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

const SPIN_STEPS = 4_000_000;
const SPIN_REPEATS = 4;

/**
 * Milliseconds that a fixed piece of arithmetic takes on `cpu`, best of a few. It moves when the
 * machine's clock does, or when a neighbour on the same silicon wakes up.
 */
export function spinMillis(plan: CpuPlan, cpu: number): number {
  pinProcess(process.pid, cpu);
  let best = Number.POSITIVE_INFINITY;
  const expected = spin();
  for (let repeat = 0; repeat < SPIN_REPEATS; repeat++) {
    const start = process.hrtime.bigint();
    // Looking at the result keeps an optimiser from dropping the loop.
    if (spin() !== expected) throw new Error("this CPU cannot calculate");
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e6);
  }
  if (cpu !== plan.load) pinProcess(process.pid, plan.load);
  return best;
}

function spin(): number {
  let state = 1;
  for (let step = 0; step < SPIN_STEPS; step++) state = (Math.imul(state, 48271) + step) | 0;
  return state;
}

/** What the figures depend on. */
export function machineFacts(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cpus: cpus().length,
    kernel: `${release()} ${arch()}`,
    node: process.version,
  };
}
