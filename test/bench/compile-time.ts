// How long an author waits: the command as a new process (cold), and the same work repeated in one
// process (warm), as an editor or a reload would do it.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bundle, findAddon } from "../../compiler/bundle.ts";
import { compile } from "../../compiler/compile.ts";
import { runProcess } from "../lib/process.ts";
import { bigConfig, type ConfigShape } from "./big-config.ts";
import { type Figure, median, type Row, spreadPercent } from "./row.ts";
import { buildCommand, COMMAND } from "./zproxy.ts";

const SHAPES: readonly ConfigShape[] = [
  { label: "100 routes", hosts: 10, prefixes: 10 },
  { label: "1000 routes", hosts: 50, prefixes: 20 },
  { label: "10000 routes", hosts: 200, prefixes: 50 },
];
const SMOKE_SHAPES = SHAPES.slice(0, 1);
const WARM_REPEATS = 3;
const SPREAD_PERCENT_MAX = 40;

export interface CompileRun {
  readonly rounds: number;
  readonly smoke: boolean;
}

export async function runCompileCase(run: CompileRun): Promise<Row> {
  await buildCommand();
  const folder = mkdtempSync(join(tmpdir(), "zproxy-bench-compile-"));
  try {
    const figures: Figure[] = [];
    const raw: unknown[] = [];
    for (const shape of run.smoke ? SMOKE_SHAPES : SHAPES) {
      const own = join(folder, `${shape.hosts}-${shape.prefixes}`);
      mkdirSync(own);
      const text = bigConfig(shape);
      writeFileSync(join(own, "config.toml"), text);
      const repeats = Math.min(run.rounds, WARM_REPEATS);
      const cold: number[] = [];
      for (let repeat = 0; repeat < repeats; repeat++) cold.push(await coldSeconds(own));
      const warm: number[] = [];
      // The first one in this process is not warm, and is not kept.
      await warmSeconds(own, text);
      for (let repeat = 0; repeat < repeats; repeat++) warm.push(await warmSeconds(own, text));
      const check: number[] = [];
      for (let repeat = 0; repeat < repeats; repeat++) check.push(await checkSeconds(own));
      const outputKiB = readFileSync(join(own, "dist", "server.cjs")).length / 1024;
      const metrics = {
        coldSeconds: median(cold),
        warmSeconds: median(warm),
        checkSeconds: median(check),
        // Of this process so far, and the shapes grow.
        peakMiB: process.resourceUsage().maxRSS / 1024,
        outputKiB,
        spreadPercent: spreadPercent(warm),
      };
      figures.push({ label: shape.label, metrics });
      raw.push({ label: shape.label, cold, warm });
    }
    const noise = figures
      .filter(({ metrics }) => (metrics.spreadPercent ?? 0) > SPREAD_PERCENT_MAX)
      .map(({ label }) => `warm compiles of ${label} differ too much`);
    const title = "compile and bundle on one CPU: a new process (cold), repeated in one (warm)";
    return { name: "compile", title, figures, ratios: [], noise, invalid: [], raw };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function coldSeconds(folder: string): Promise<number> {
  const start = performance.now();
  await runCommand(folder, ["compile", "config.toml", "-o", "dist"]);
  return (performance.now() - start) / 1000;
}

async function checkSeconds(folder: string): Promise<number> {
  const start = performance.now();
  await runCommand(folder, ["check", "config.toml"]);
  return (performance.now() - start) / 1000;
}

async function runCommand(folder: string, args: readonly string[]): Promise<void> {
  const result = await runProcess(process.execPath, [COMMAND, ...args], { cwd: folder });
  if (!result.ok) throw new Error(`zproxy ${args[0]} failed:\n${result.stdout}${result.stderr}`);
}

async function warmSeconds(folder: string, source: string): Promise<number> {
  const start = performance.now();
  const { files, features, diagnostics } = compile({ path: "config.toml", text: source });
  if (files.length === 0) throw new Error(`the bench's config: ${diagnostics[0]?.message}`);
  const packageRoot = resolve(".");
  const addon = findAddon(packageRoot);
  await bundle({ files, features, source, packageRoot, addon }, join(folder, "dist"));
  return (performance.now() - start) / 1000;
}
