// The bars of the design: what must hold, and what is aimed at. A bar is either a figure of one
// row or a ratio inside one row; nothing is compared across runs.

import type { Metric, Row } from "./row.ts";

export interface Bar {
  readonly row: string;
  readonly metric: Metric;
  /** The figure's label. */
  readonly of: string;
  /** Set for a ratio: the label of the figure below the line. */
  readonly over?: string;
  readonly mustBe: number;
  readonly aim: number;
}

/**
 * "No growth" of a heap, as far as it can be measured: V8's own housekeeping moves it by some KiB,
 * while one forgotten object in a hundred requests would be at least this much in 100,000.
 */
const HEAP_GRAIN_BYTES = 16_000;

const BARS: readonly Bar[] = [
  ...ratioBars("proxy-small-128", "cpuMicros", { nginx: [0.8, 0.7], haproxy: [0.7, 0.6] }),
  ...figureBars("proxy-small-128", "userMicros", { zproxy: [2.5, 1.5] }),
  ...ratioBars("proxy-64k", "cpuMicros", { nginx: [0.7, 0.55], haproxy: [1, 0.85] }),
  ...ratioBars("file-small", "cpuMicros", { nginx: [0.85, 0.7] }),
  // With the client's time: over loopback the kernel sends on behalf of whoever acknowledges, so a
  // server that waits for its client is charged for less of the same work.
  ...ratioBars("file-10m", "bothMicros", { nginx: [1.05, 1] }),
  ...ratioBars("memory", "cpuMicros", { nginx: [0.85, 0.7] }),
  ...ratioBars("tls-small-128", "cpuMicros", { nginx: [0.9, 0.8] }),
  ...ratioBars("tls-handshake", "cpuMicros", { nginx: [1.05, 0.95] }),
  ...ratioBars("paced", "p99Millis", { nginx: [1, 0.8] }),
  ...figureBars("heap", "keptBytes", { zproxy: [HEAP_GRAIN_BYTES, HEAP_GRAIN_BYTES] }),
  ...figureBars("idle-10000", "bytesPerConnection", { zproxy: [2048, 512] }),
  ...figureBars("match", "nanosPerMatch", { "10000 routes": [400, 150] }),
  {
    row: "match",
    metric: "nanosPerMatch",
    of: "10000 routes",
    over: "10 routes",
    mustBe: 3,
    aim: 3,
  },
  ...figureBars("compile", "warmSeconds", { "1000 routes": [1, 0.4], "10000 routes": [6, 3] }),
  ...figureBars("compile", "checkSeconds", { "10000 routes": [1.5, 1.5] }),
];

type Limits = Readonly<Record<string, readonly [mustBe: number, aim: number]>>;

function ratioBars(row: string, metric: Metric, limits: Limits): Bar[] {
  return Object.entries(limits).map(([over, [mustBe, aim]]) => {
    return { row, metric, of: "zproxy", over, mustBe, aim };
  });
}

function figureBars(row: string, metric: Metric, limits: Limits): Bar[] {
  return Object.entries(limits).map(([of, [mustBe, aim]]) => ({ row, metric, of, mustBe, aim }));
}

export type Verdict = "aim reached" | "held" | "MISSED" | "NOT MEASURED";

export interface JudgedBar extends Bar {
  readonly value?: number;
  readonly verdict: Verdict;
  /** The row it stands on is marked as noisy. */
  readonly noisy: boolean;
}

/** Judges the bars of those rows that were asked for. A row with wrong answers measures nothing. */
export function judgeBars(rows: readonly Row[]): JudgedBar[] {
  return BARS.filter((bar) => rows.some(({ name }) => name === bar.row)).map((bar) => {
    const row = rows.find(({ name }) => name === bar.row);
    const value = row === undefined || row.invalid.length > 0 ? undefined : valueIn(bar, row);
    const noisy = (row?.noise.length ?? 0) > 0;
    if (value === undefined) return { ...bar, verdict: "NOT MEASURED", noisy };
    const held = value <= bar.mustBe ? "held" : "MISSED";
    return { ...bar, value, verdict: value <= bar.aim ? "aim reached" : held, noisy };
  });
}

function valueIn(bar: Bar, row: Row): number | undefined {
  if (bar.over === undefined) {
    return row.figures.find(({ label }) => label === bar.of)?.metrics[bar.metric];
  }
  return row.ratios.find(
    ({ metric, subject, over }) => metric === bar.metric && subject === bar.of && over === bar.over,
  )?.value;
}
