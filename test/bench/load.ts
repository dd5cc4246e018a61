// Runs one load case: checks the answers, warms every server up, then measures them in turn, in
// one order and then in the other, so that a machine that slows down slows all of them down.

import { type BenchServer, wrongAnswers } from "./bench-server.ts";
import type { LoadCase, Target } from "./load-cases.ts";
import { type CpuPlan, endedChildrenSeconds, processTime, residentBytes } from "./machine.ts";
import {
  type Disturbance,
  isDisturbed,
  judgeNoise,
  type LabelledRun,
  untilQuiet,
  watchMachine,
} from "./noise.ts";
import type { ServerName } from "./options.ts";
import { type Figure, median, type Ratio, type Row, spreadPercent } from "./row.ts";
import { bodyOf, type Site } from "./site.ts";
import { runWrk, type WrkResult, wrkProblems } from "./wrk.ts";

/** How long all rounds of a case together wait for other programs to finish. */
const QUIET_PATIENCE_MS = 30_000;

/** How often one disturbed run is tried; all runs of a case together may double its time. */
const TRIES_MAX = 4;

/** Everything that stays the same from case to case. */
export interface Stage {
  readonly plan: CpuPlan;
  readonly site: Site;
  readonly servers: ReadonlyMap<ServerName, BenchServer>;
  /** Those that speak TLS. */
  readonly secure: ReadonlyMap<ServerName, BenchServer>;
  readonly backend: BenchServer;
  /** The program of lean-load.c. */
  readonly leanLoad: string;
  /** Ask with wrk all the same. */
  readonly wrk: boolean;
  readonly rounds: number;
  readonly seconds: number;
  /** 0: no warm-up (smoke). */
  readonly warmupSeconds: number;
}

/** One timed run of one server. */
export interface Sample {
  readonly label: string;
  readonly round: number;
  readonly wrk: WrkResult;
  /** Seconds of CPU time the server used. */
  readonly user: number;
  readonly kernel: number;
  /** Seconds of CPU time that wrk used. */
  readonly load: number;
  readonly wallSeconds: number;
  readonly rssBytes: number;
  readonly disturbance: Disturbance;
}

/** Head bytes that an answer may add to its body before its size looks wrong. */
const HEAD_BYTES_MAX = 1024;
/** The same offered load may be served at rates this far apart. */
const PACED_RATE_SPREAD_PERCENT_MAX = 5;

export async function runLoadCase(stage: Stage, it: LoadCase): Promise<Row> {
  const targets = presentTargets(stage, it);
  const invalid: string[] = [];
  for (const target of targets) {
    invalid.push(
      ...(await wrongAnswers(serverOf(stage, it, target), stage.site, pathsOf(it, target))),
    );
  }
  const empty = { name: it.name, title: it.title, figures: [], ratios: [], noise: [], raw: [] };
  if (invalid.length > 0) return { ...empty, invalid };

  const mode = await chooseMode(stage, it, targets);
  for (const target of targets) {
    const seconds = it.warmupSeconds ?? stage.warmupSeconds;
    if (stage.warmupSeconds > 0) await load(stage, it, target, mode, seconds);
  }
  const { kept, samples } = await runRounds(stage, it, targets, mode);
  for (const sample of samples) {
    invalid.push(...sampleProblems(stage, it, targets, sample));
  }
  const isPaced = it.pacedShare !== undefined;
  const noise = judgeNoise(kept.map(labelledRun), isPaced);
  if (isPaced) noise.push(...unequalRates(kept));
  return {
    ...empty,
    figures: targets.map((target) => figureOf(kept, target.label, hasLatency(it))),
    ratios: ratiosOf(kept, targets, it),
    noise,
    invalid: [...new Set(invalid)],
    raw: samples,
  };
}

/** Targets whose server takes part; other builds are measured wherever zproxy is. */
function presentTargets(stage: Stage, it: LoadCase): Target[] {
  return it.targets.flatMap((target) => {
    const others = target.server === "zproxy" ? (["epoll", "before"] as const) : [];
    const all = [target, ...others.map((server) => ({ ...target, label: server, server }))];
    return all.filter(({ server }) => serversOf(stage, it).has(server));
  });
}

function serversOf(stage: Stage, it: LoadCase): ReadonlyMap<ServerName, BenchServer> {
  return it.secure === true ? stage.secure : stage.servers;
}

function serverOf(stage: Stage, it: LoadCase, target: Target): BenchServer {
  const server = serversOf(stage, it).get(target.server);
  if (server === undefined) throw new Error(`${target.server} is not running`);
  return server;
}

function pathsOf(it: LoadCase, target: Target): readonly string[] {
  return target.path === undefined ? it.paths : [target.path];
}

/** Each round measures every target once; every second one goes backwards. */
async function runRounds(
  stage: Stage,
  it: LoadCase,
  targets: readonly Target[],
  mode: readonly string[],
): Promise<{ kept: Sample[]; samples: Sample[] }> {
  const kept: Sample[] = [];
  const samples: Sample[] = [];
  const canWait = stage.rounds > 1;
  // Runs of a single round promise to be short, so only real runs get second chances.
  let repeats = canWait ? stage.rounds * targets.length : 0;
  let patienceMs = canWait ? QUIET_PATIENCE_MS : 0;
  for (let round = 0; round < stage.rounds; round++) {
    for (const target of round % 2 === 0 ? targets : [...targets].reverse()) {
      const tries: Sample[] = [];
      do {
        patienceMs -= await untilQuiet(stage.plan, patienceMs);
        tries.push(await measure(stage, it, target, mode, round));
      } while (tries.every(wasDisturbed) && tries.length < TRIES_MAX && repeats-- > 0);
      samples.push(...tries);
      kept.push(tries.find((sample) => !wasDisturbed(sample)) ?? leastDelayed(tries));
    }
  }
  return { kept, samples };
}

function wasDisturbed({ disturbance }: Sample): boolean {
  return isDisturbed(disturbance);
}

function leastDelayed(tries: readonly Sample[]): Sample {
  return tries.reduce((best, it) =>
    it.disturbance.delayed < best.disturbance.delayed ? it : best,
  );
}

async function measure(
  stage: Stage,
  it: LoadCase,
  target: Target,
  mode: readonly string[],
  round: number,
): Promise<Sample> {
  const { pids } = serverOf(stage, it, target);
  const watched = await watchMachine(stage.plan, pids, stage.backend.pids, async () => {
    const before = processTime(pids);
    const loadBefore = endedChildrenSeconds();
    const start = performance.now();
    const wrk = await load(stage, it, target, mode, stage.seconds);
    const after = processTime(pids);
    return {
      wrk,
      user: after.user - before.user,
      kernel: after.kernel - before.kernel,
      load: endedChildrenSeconds() - loadBefore,
      wallSeconds: (performance.now() - start) / 1000,
      rssBytes: residentBytes(pids),
    };
  });
  return { label: target.label, round, ...watched.result, disturbance: watched.disturbance };
}

function load(
  stage: Stage,
  it: LoadCase,
  target: Target,
  mode: readonly string[],
  seconds: number,
): Promise<WrkResult> {
  const { connections } = it;
  const url = `${serverOf(stage, it, target).origin}${pathsOf(it, target)[0]}`;
  const leanLoad = it.isLean === true && !stage.wrk ? stage.leanLoad : undefined;
  return runWrk(stage.plan.load, { url, connections, seconds, mode, leanLoad });
}

/** wrk.lua's mode. A paced case first finds out what the slowest target can do at all. */
async function chooseMode(
  stage: Stage,
  it: LoadCase,
  targets: readonly Target[],
): Promise<readonly string[]> {
  if (it.paths.length > 1) return ["paths", ...it.paths];
  if (it.pipeline !== undefined) return ["pipeline", String(it.pipeline)];
  if (it.pacedShare === undefined) return ["fixed"];
  const rates: number[] = [];
  for (const target of targets) {
    // A fresh server has not been optimised yet; only the second look counts.
    if (stage.warmupSeconds > 0) await load(stage, it, target, ["fixed"], stage.warmupSeconds);
    rates.push(rateOf(await load(stage, it, target, ["fixed"], 1)));
  }
  const rate = Math.min(...rates) * it.pacedShare;
  return ["paced", String(Math.round((it.connections / rate) * 1000)), "1"];
}

function rateOf(wrk: WrkResult): number {
  return wrk.requests / (wrk.micros / 1e6);
}

function cpuMicros(sample: Sample): number {
  return ((sample.user + sample.kernel) * 1e6) / sample.wrk.requests;
}

function bothMicros(sample: Sample): number {
  return cpuMicros(sample) + (sample.load * 1e6) / sample.wrk.requests;
}

function labelledRun(sample: Sample): LabelledRun {
  const { label, wrk, disturbance } = sample;
  return { label, cpuMicros: cpuMicros(sample), p99Micros: wrk.p99Micros, disturbance };
}

function sampleProblems(
  stage: Stage,
  it: LoadCase,
  targets: readonly Target[],
  sample: Sample,
): string[] {
  const problems = wrkProblems(sample.wrk).map((problem) => `${sample.label}: ${problem}`);
  const target = targets.find(({ label }) => label === sample.label);
  const sizes = (target === undefined ? it.paths : pathsOf(it, target)).map(
    (path) => bodyOf(stage.site, path).length,
  );
  // wrk counts bytes of answers under way when it stopped, so only complete ones set a lower limit.
  const each = sample.wrk.bytes / sample.wrk.requests;
  const tail = (it.connections * Math.max(...sizes)) / sample.wrk.requests;
  if (each < Math.min(...sizes) || each > Math.max(...sizes) + HEAD_BYTES_MAX + tail) {
    problems.push(`${sample.label}: ${each.toFixed(0)} bytes an answer is not the right size`);
  }
  return problems;
}

function unequalRates(samples: readonly Sample[]): string[] {
  const labels = [...new Set(samples.map(({ label }) => label))];
  const rates = labels.map((label) => median(ofLabel(samples, label).map((it) => rateOf(it.wrk))));
  const spread = spreadPercent(rates);
  return spread > PACED_RATE_SPREAD_PERCENT_MAX
    ? [`the offered load was not the same for all: ${spread.toFixed(0)} % apart`]
    : [];
}

function ofLabel(samples: readonly Sample[], label: string): Sample[] {
  return samples.filter((sample) => sample.label === label);
}

/** wrk works out percentiles for one request at a time; pipelined ones come out as nonsense. */
function hasLatency(it: LoadCase): boolean {
  return it.pipeline === undefined;
}

function figureOf(samples: readonly Sample[], label: string, withLatency: boolean): Figure {
  const own = ofLabel(samples, label);
  const middle = (value: (sample: Sample) => number) => median(own.map(value));
  return {
    label,
    metrics: {
      cpuMicros: middle(cpuMicros),
      userMicros: middle((it) => (it.user * 1e6) / it.wrk.requests),
      kernelMicros: middle((it) => (it.kernel * 1e6) / it.wrk.requests),
      bothMicros: middle(bothMicros),
      requestsPerSecond: middle((it) => rateOf(it.wrk)),
      ...(withLatency && {
        p50Millis: middle((it) => it.wrk.p50Micros / 1000),
        p99Millis: middle((it) => it.wrk.p99Micros / 1000),
      }),
      busyPercent: middle((it) => ((it.user + it.kernel) / it.wallSeconds) * 100),
      rssMiB: middle((it) => it.rssBytes / 1024 / 1024),
      spreadPercent: spreadPercent(own.map(cpuMicros)),
    },
  };
}

/** Ratios of the first target to each other one: the median of the ratios within each round. */
function ratiosOf(samples: readonly Sample[], targets: readonly Target[], it: LoadCase): Ratio[] {
  const [subject, ...others] = targets;
  if (subject === undefined) return [];
  const ratios = [
    ratio("cpuMicros", cpuMicros),
    ...(it.isBulk === true ? [ratio("bothMicros", bothMicros)] : []),
    ...(hasLatency(it) ? [ratio("p99Millis", (sample) => sample.wrk.p99Micros)] : []),
  ];
  return others.flatMap((other) => ratios.map((of) => of(samples, subject.label, other.label)));
}

function ratio(metric: Ratio["metric"], value: (sample: Sample) => number) {
  return (samples: readonly Sample[], subject: string, over: string): Ratio => {
    const others = ofLabel(samples, over);
    const values = ofLabel(samples, subject).map((own, index) => value(own) / value(others[index]));
    return { metric, subject, over, value: median(values) };
  };
}
