// What a case of the bench yields, whatever it measures: figures with names, ratios between them,
// and the reasons not to believe them. Reports, bars and the JSON file all read this one shape.

/** Every figure the bench knows, with its unit in the name. The report's columns come from here. */
export const METRICS = {
  cpuMicros: { title: "CPU µs/req", digits: 2 },
  userMicros: { title: "user", digits: 2 },
  kernelMicros: { title: "kernel", digits: 2 },
  bothMicros: { title: "with wrk", digits: 2 },
  requestsPerSecond: { title: "req/s", digits: 0 },
  p50Millis: { title: "p50 ms", digits: 2 },
  p99Millis: { title: "p99 ms", digits: 2 },
  busyPercent: { title: "busy %", digits: 0 },
  rssMiB: { title: "RSS MiB", digits: 1 },
  bytesPerConnection: { title: "RSS B/conn", digits: 0 },
  keptBytes: { title: "kept B/100k", digits: 0 },
  allocatedBytes: { title: "alloc B/req", digits: 1 },
  nanosPerMatch: { title: "ns/match", digits: 1 },
  coldSeconds: { title: "cold s", digits: 3 },
  warmSeconds: { title: "warm s", digits: 3 },
  checkSeconds: { title: "check s", digits: 3 },
  peakMiB: { title: "peak MiB", digits: 0 },
  outputKiB: { title: "output KiB", digits: 0 },
  spreadPercent: { title: "spread %", digits: 1 },
} as const;

export type Metric = keyof typeof METRICS;

export interface Figure {
  /** A server ("nginx") or a size ("1000 routes"). */
  readonly label: string;
  readonly metrics: Partial<Record<Metric, number>>;
}

/** `value` is subject / over: below 1 the subject is cheaper. */
export interface Ratio {
  readonly metric: Metric;
  readonly subject: string;
  readonly over: string;
  readonly value: number;
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  /** Sentences saying why these figures are too noisy to trust; empty is quiet. */
  readonly noise: readonly string[];
  /** Sentences saying why these figures mean nothing at all (a wrong answer was timed). */
  readonly invalid: readonly string[];
  /** Every single measurement behind the figures, for the JSON file. */
  readonly raw: unknown;
}

/** The middle value (mean of the two middle ones); the list must not be empty. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** (max - min) / median, in percent: how far rounds of the same thing lie apart. */
export function spreadPercent(values: readonly number[]): number {
  return ((Math.max(...values) - Math.min(...values)) / median(values)) * 100;
}
