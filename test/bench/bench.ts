// npm run bench: zproxy beside nginx and HAProxy on the same machine in the same minutes. What each
// row means, and how to read it, is in README.md beside this file.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type JudgedBar, judgeBars } from "./bars.ts";
import { type BenchServer, buildProgram } from "./bench-server.ts";
import { runClientsCase } from "./clients.ts";
import { runCompileCase } from "./compile-time.ts";
import { Fleet } from "./fleet.ts";
import { runHandshakeCase } from "./handshakes.ts";
import { HEAP_RUN, runHeapCase } from "./heap.ts";
import { runIdleCase } from "./idle.ts";
import { runLoadCase, type Stage } from "./load.ts";
import { LOAD_CASES } from "./load-cases.ts";
import { cpuUse, machineFacts } from "./machine.ts";
import { runMatchCase, runMatchFormCase } from "./match.ts";
import { type Disturbance, watchMachine } from "./noise.ts";
import { type Options, readOptions, type ServerName, USAGE } from "./options.ts";
import { formatBars, formatMachine, formatRow } from "./report.ts";
import type { Row } from "./row.ts";
import { buildCommand, saveBundle } from "./zproxy.ts";

/** A case that starts what it needs itself. */
type OtherCase = (fleet: Fleet, options: Options) => Promise<Row>;

const SMOKE_IDLE_CONNECTIONS = 200;
const SMOKE_HEAP_RUN = { windowRequests: 1_000, warmupSeconds: 1 };

const OTHER_CASES: ReadonlyMap<string, OtherCase> = new Map([
  ["idle-1000", (fleet: Fleet, options: Options) => idle(fleet, options, "idle-1000", 1_000)],
  ["idle-10000", (fleet: Fleet, options: Options) => idle(fleet, options, "idle-10000", 10_000)],
  ["tls-handshake", runHandshakeCase],
  ["heap", heap],
  ["match", (_: Fleet, options: Options) => runMatchCase(options)],
  ["match-form", (_: Fleet, options: Options) => runMatchFormCase(options)],
  ["clients", (_: Fleet, options: Options) => runClientsCase(options)],
  ["compile", (_: Fleet, options: Options) => runCompileCase(options)],
]);

function idle(fleet: Fleet, options: Options, name: string, count: number): Promise<Row> {
  return runIdleCase(fleet, options.servers, {
    name,
    connections: options.smoke ? SMOKE_IDLE_CONNECTIONS : count,
    repeats: Math.min(options.rounds, 3),
    warmupSeconds: options.warmupSeconds,
  });
}

function heap(fleet: Fleet, options: Options): Promise<Row> {
  const builds = options.servers.filter((name) => name === "zproxy" || name === "before");
  return runHeapCase(fleet, builds, options.smoke ? SMOKE_HEAP_RUN : HEAP_RUN);
}

/** All case names in the order they run, or those chosen. Throws for a name that does not exist. */
function chooseCases(options: Options): string[] {
  const all = [...LOAD_CASES.map(({ name }) => name), ...OTHER_CASES.keys()];
  for (const name of options.cases) {
    if (!all.includes(name)) throw new Error(`no such case: ${name}; there are ${all.join(", ")}`);
  }
  return all.filter((name) => options.cases.length === 0 || options.cases.includes(name));
}

/** Runs the chosen cases one after the other and prints each row as soon as it is there. */
async function runCases(fleet: Fleet, options: Options, names: readonly string[]): Promise<Row[]> {
  const loads = LOAD_CASES.filter(({ name }) => names.includes(name));
  const rows: Row[] = [];
  const keep = (row: Row) => {
    rows.push(row);
    console.log(formatRow(row));
  };
  if (loads.length > 0) {
    const servers = new Map<ServerName, BenchServer>();
    for (const name of options.servers) servers.set(name, await fleet.start(name));
    const secure = new Map<ServerName, BenchServer>();
    if (loads.some((load) => load.secure === true))
      for (const name of ["zproxy", "nginx"] as const)
        if (options.servers.includes(name)) secure.set(name, await fleet.startSecure(name));
    const stage: Stage = {
      ...options,
      secure,
      plan: fleet.plan,
      site: fleet.site,
      servers,
      backend: fleet.backend,
      leanLoad: await buildProgram("lean-load", fleet.folder),
    };
    for (const load of loads) keep(await runLoadCase(stage, load));
    for (const server of [...servers.values(), ...secure.values()]) await fleet.stop(server);
  }
  for (const [name, run] of OTHER_CASES) {
    if (names.includes(name)) keep(await run(fleet, options));
  }
  return rows;
}

/** What the machine does on its own, before anything is started. */
async function watchQuietMachine(fleet: Fleet): Promise<Disturbance & { serverBusy: number }> {
  const before = cpuUse(fleet.plan.server).busy;
  const start = performance.now();
  const { disturbance } = await watchMachine(fleet.plan, [], fleet.backend.pids, () => sleep(1000));
  const seconds = (performance.now() - start) / 1000;
  return { ...disturbance, serverBusy: (cpuUse(fleet.plan.server).busy - before) / seconds };
}

function versions(): Record<string, string> {
  const firstLine = (command: string, flag: string) => {
    const { stdout, stderr } = spawnSync(command, [flag], { encoding: "utf8" });
    return `${stdout ?? ""}${stderr ?? ""}`.split("\n")[0];
  };
  return {
    nginx: firstLine("nginx", "-v"),
    haproxy: firstLine("haproxy", "-v"),
    wrk: firstLine("wrk", "-v"),
  };
}

async function runBench(options: Options): Promise<number> {
  const names = chooseCases(options);
  const fleet = await Fleet.open(options.backend, options.againstDir);
  try {
    const machine = { ...machineFacts(), ...versions() };
    const quiet = await watchQuietMachine(fleet);
    console.log(formatMachine(machine, quiet));
    const rows = await runCases(fleet, options, names);
    // A run of one short round is about answers, not about speed.
    const bars = options.smoke ? [] : judgeBars(rows);
    console.log(formatBars(bars));
    if (options.jsonFile !== undefined) {
      const result = { machine, quiet, options, rows, bars };
      writeFileSync(options.jsonFile, `${JSON.stringify(result, null, 2)}\n`);
    }
    return exitCode(options, rows, bars);
  } finally {
    await fleet.close();
  }
}

/** A row of wrong answers always fails the run; a missed bar does when bars were asked for. */
function exitCode(options: Options, rows: readonly Row[], bars: readonly JudgedBar[]): number {
  const wrong = rows.some(({ invalid }) => invalid.length > 0);
  const missed = bars.some(({ verdict }) => verdict === "MISSED" || verdict === "NOT MEASURED");
  return wrong || (options.bars && missed) ? 1 : 0;
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(args);
    chooseCases(options);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  if (options.list) {
    console.log(chooseCases(options).join("\n"));
    return 0;
  }
  if (options.saveDir !== undefined) {
    await buildCommand();
    await saveBundle(options.saveDir);
    return 0;
  }
  return runBench(options);
}

// Children are stopped by hooks of the "exit" event, which a signal alone would not run.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => process.exit(130));
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
