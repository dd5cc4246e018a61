// Tables for people. Everything printed here is also in the JSON file, with more digits.

import type { JudgedBar } from "./bars.ts";
import type { Disturbance } from "./noise.ts";
import { METRICS, type Metric, type Ratio, type Row } from "./row.ts";

const ALL_METRICS = Object.keys(METRICS) as Metric[];

/** The head of a report: on what, and how quiet it was there before anything started. */
export function formatMachine(
  facts: Readonly<Record<string, string | number>>,
  quiet: Disturbance & { readonly serverBusy: number },
): string {
  const lines = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  lines.push(
    `before the start: server's CPU ${percent(quiet.serverBusy)} busy, load's CPU ` +
      `${percent(quiet.foreign)} busy, ${percent(quiet.steal)} stolen, ` +
      `spin ${quiet.spinMs.toFixed(2)} ms`,
  );
  return `${lines.join("\n")}\n`;
}

/** One row of the bench as a small table with its ratios and the doubts about it. */
export function formatRow(row: Row): string {
  const lines = [`${row.name}: ${row.title}`];
  const columns = ALL_METRICS.filter((metric) =>
    row.figures.some((figure) => figure.metrics[metric] !== undefined),
  );
  const cells = row.figures.map((figure) => [
    figure.label,
    ...columns.map((metric) => formatMetric(metric, figure.metrics[metric])),
  ]);
  if (cells.length > 0) {
    lines.push(...alignTable([["", ...columns.map((metric) => METRICS[metric].title)], ...cells]));
  }
  for (const ratio of row.ratios) lines.push(`  ${formatRatio(ratio)}`);
  for (const problem of row.invalid) lines.push(`  INVALID: ${problem}`);
  if (row.noise.length > 0) lines.push(`  noisy, do not trust: ${row.noise.join("; ")}`);
  return `${lines.join("\n")}\n`;
}

function formatMetric(metric: Metric, value: number | undefined): string {
  return value === undefined ? "-" : value.toFixed(METRICS[metric].digits);
}

function formatRatio({ metric, subject, over, value }: Ratio): string {
  return `${METRICS[metric].title}: ${subject} / ${over} = ${value.toFixed(2)}`;
}

/** The bars with their verdicts. */
export function formatBars(bars: readonly JudgedBar[]): string {
  if (bars.length === 0) return "";
  const cells = bars.map((bar) => [
    bar.row,
    `${METRICS[bar.metric].title} ${bar.of}${bar.over === undefined ? "" : ` / ${bar.over}`}`,
    bar.value === undefined ? "-" : formatLimit(bar.value),
    formatLimit(bar.mustBe),
    formatLimit(bar.aim),
    `${bar.verdict}${bar.noisy ? ", but noisy" : ""}`,
  ]);
  const head = ["bar", "of", "is", "must be", "aim", ""];
  return `${["bars", ...alignTable([head, ...cells])].join("\n")}\n`;
}

function formatLimit(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

/** First column to the left, the others to the right when they hold numbers. */
function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  const isNumber = rows[0].map((_, at) => rows.slice(1).every((row) => /^-?[\d.]*$/.test(row[at])));
  return rows.map((row) => {
    const cells = row.map((cell, at) =>
      isNumber[at] ? cell.padStart(widths[at]) : cell.padEnd(widths[at]),
    );
    return `  ${cells.join("  ")}`.trimEnd();
  });
}
