// Full TLS 1.3 handshakes (P-256 certificate), one connection each: CPU time of the server for one.
// Several clients of openssl keep it busy; they never resume, which wrk would.

import { runProcess } from "../lib/process.ts";
import { type BenchServer, needTool } from "./bench-server.ts";
import type { Fleet } from "./fleet.ts";
import { type CpuPlan, pinned, processTime } from "./machine.ts";
import { judgeNoise, type LabelledRun, watchMachine } from "./noise.ts";
import type { Options } from "./options.ts";
import { type Figure, median, type Ratio, type Row, spreadPercent } from "./row.ts";

const CLIENTS = 4;
/** Two lines of openssl's: by its own CPU time, and by the clock. */
const COUNT = /^(\d+) connections in \d+ real seconds/m;

interface Sample extends LabelledRun {
  readonly handshakes: number;
  readonly seconds: number;
  readonly busyPercent: number;
  readonly userMicros: number;
}

export async function runHandshakeCase(fleet: Fleet, options: Options): Promise<Row> {
  const names = (["zproxy", "nginx"] as const).filter((name) => options.servers.includes(name));
  const servers: BenchServer[] = [];
  for (const name of names) servers.push(await fleet.startSecure(name));
  const samples: Sample[] = [];
  if (options.warmupSeconds > 0)
    for (const server of servers) await connections(fleet.plan, server, options.warmupSeconds);
  for (let round = 0; round < options.rounds; round++)
    for (const server of round % 2 === 0 ? servers : [...servers].reverse())
      samples.push(await measure(fleet, server, options.seconds));
  for (const server of servers) await fleet.stop(server);
  const short = samples.filter(({ handshakes }) => handshakes === 0);
  return {
    name: "tls-handshake",
    title: `full TLS 1.3 handshakes, P-256, ${CLIENTS} clients`,
    figures: names.map((name) => figureOf(samples, name)),
    ratios: ratioOf(samples),
    noise: judgeNoise(samples, false),
    invalid: short.map(({ label }) => `${label}: no handshake was completed`),
    raw: samples,
  };
}

async function measure(fleet: Fleet, server: BenchServer, seconds: number): Promise<Sample> {
  const { pids, name } = server;
  const { result, disturbance } = await watchMachine(fleet.plan, pids, [], async () => {
    const before = processTime(pids);
    const start = performance.now();
    const handshakes = await connections(fleet.plan, server, seconds);
    const after = processTime(pids);
    const wallSeconds = (performance.now() - start) / 1000;
    const user = after.user - before.user;
    return { handshakes, wallSeconds, user, all: user + after.kernel - before.kernel };
  });
  const { handshakes, wallSeconds, user, all } = result;
  return {
    label: name,
    handshakes,
    seconds: wallSeconds,
    cpuMicros: (all * 1e6) / handshakes,
    userMicros: (user * 1e6) / handshakes,
    busyPercent: (all / wallSeconds) * 100,
    p99Micros: 0,
    disturbance,
  };
}

/** Connects again and again; returns how many handshakes were completed. */
async function connections(plan: CpuPlan, server: BenchServer, seconds: number): Promise<number> {
  const target = ["-connect", server.origin.replace("https://", ""), "-new"];
  const [command, ...prefix] = [...pinned(plan.load), needTool("openssl")];
  const args = [...prefix, "s_time", ...target, "-time", String(seconds)];
  const one = async () => {
    const { ok, stdout, stderr } = await runProcess(command!, args);
    const count = COUNT.exec(stdout)?.[1];
    if (!ok || count === undefined) throw new Error(`openssl s_time failed:\n${stdout}${stderr}`);
    return Number(count);
  };
  const counts = await Promise.all(Array.from({ length: CLIENTS }, one));
  return counts.reduce((sum, count) => sum + count, 0);
}

function figureOf(samples: readonly Sample[], label: string): Figure {
  const own = samples.filter((it) => it.label === label);
  const middle = (value: (sample: Sample) => number) => median(own.map(value));
  const cpuMicros = middle((it) => it.cpuMicros);
  const userMicros = middle((it) => it.userMicros);
  return {
    label,
    metrics: {
      cpuMicros,
      userMicros,
      kernelMicros: cpuMicros - userMicros,
      requestsPerSecond: middle((it) => it.handshakes / it.seconds),
      busyPercent: middle((it) => it.busyPercent),
      spreadPercent: spreadPercent(own.map((it) => it.cpuMicros)),
    },
  };
}

function ratioOf(samples: readonly Sample[]): Ratio[] {
  const others = samples.filter(({ label }) => label === "nginx");
  const own = samples.filter(({ label }) => label === "zproxy");
  if (own.length === 0 || others.length === 0) return [];
  const values = own.map((it, index) => it.cpuMicros / others[index]!.cpuMicros);
  return [{ metric: "cpuMicros", subject: "zproxy", over: "nginx", value: median(values) }];
}
