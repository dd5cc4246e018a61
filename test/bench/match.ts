// What choosing a route costs, by number of routes: the generated matcher of a configuration, run
// in this process over a seeded mix of requests, after checking that it decides them correctly.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import type { MatchForm } from "../../compiler/4-emit/emit-match.ts";
import { compile } from "../../compiler/compile.ts";
import type { MatchRoute, RouteSettings } from "../../runtime/data/api.ts";
import { Random } from "../lib/random.ts";
import { type BigRoute, bigConfig, bigRoutes, type ConfigShape } from "./big-config.ts";
import type { PackedRequests } from "./match-loop.ts";
import { type Figure, median, type Ratio, type Row, spreadPercent } from "./row.ts";

const SEED = 7;
const REQUESTS = 4_096;
const REPEATS = 100;
const ROUND_SPREAD_PERCENT_MAX = 25;

/** Routes over hosts and prefixes alike; the last two are the extremes of ten thousand. */
const SHAPES: readonly ConfigShape[] = [
  { label: "10 routes", hosts: 5, prefixes: 2 },
  { label: "100 routes", hosts: 10, prefixes: 10 },
  { label: "1000 routes", hosts: 50, prefixes: 20 },
  { label: "10000 routes", hosts: 200, prefixes: 50 },
  { label: "10000 on one host", hosts: 1, prefixes: 10_000 },
  { label: "10000 hosts", hosts: 10_000, prefixes: 1 },
];
const SMOKE_SHAPES = SHAPES.slice(0, 2);

/** Where compares stop being faster than the table; the compiler's limits stand on this. */
const FORM_SHAPES: readonly ConfigShape[] = [4, 8, 16, 24, 32, 48].flatMap((count) => [
  { label: `${count} prefixes`, hosts: 1, prefixes: count },
  { label: `${count} hosts`, hosts: count, prefixes: 1 },
]);
const SMOKE_FORM_SHAPES = FORM_SHAPES.slice(0, 2);

export interface MatchRun {
  readonly rounds: number;
  readonly smoke: boolean;
}

/** The matcher as it is shipped, from few routes to many. */
export async function runMatchCase(run: MatchRun): Promise<Row> {
  const subjects = (run.smoke ? SMOKE_SHAPES : SHAPES).map((shape) => ({
    label: shape.label,
    shape,
    form: "auto" as const,
  }));
  const title = "choosing the route: generated matcher, seeded mix of hits and misses";
  return matchRow("match", title, subjects, run);
}

/** Both forms a matcher can have, side by side. */
export async function runMatchFormCase(run: MatchRun): Promise<Row> {
  const forms = ["compares", "table"] as const;
  const subjects = (run.smoke ? SMOKE_FORM_SHAPES : FORM_SHAPES).flatMap((shape) =>
    forms.map((form) => ({ label: `${shape.label}, ${form}`, shape, form })),
  );
  return matchRow(
    "match-form",
    "compares against the table, where both are possible",
    subjects,
    run,
  );
}

interface Subject {
  readonly label: string;
  readonly shape: ConfigShape;
  readonly form: MatchForm;
}

async function matchRow(
  name: string,
  title: string,
  subjects: readonly Subject[],
  run: MatchRun,
): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-bench-match-"));
  try {
    const matchers: { label: string; time: () => number; nanos: number[] }[] = [];
    const invalid: string[] = [];
    for (const [index, { label, shape, form }] of subjects.entries()) {
      const loaded = await loadMatcher(join(folder, String(index)), shape, form);
      const requests = makeRequests(bigRoutes(shape), new Random(SEED));
      invalid.push(...wrongDecisions(label, loaded, requests));
      const packed = packRequests(requests);
      matchers.push({ label, time: () => loaded.time(packed, REPEATS), nanos: [] });
    }
    for (const { time } of matchers) time();
    for (let round = 0; round < run.rounds; round++) {
      for (const { time, nanos } of round % 2 === 0 ? matchers : [...matchers].reverse()) {
        nanos.push(time());
      }
    }
    const figures = matchers.map(({ label, nanos }): Figure => {
      return {
        label,
        metrics: { nanosPerMatch: median(nanos), spreadPercent: spreadPercent(nanos) },
      };
    });
    const noise = figures
      .filter(({ metrics }) => (metrics.spreadPercent ?? 0) > ROUND_SPREAD_PERCENT_MAX)
      .map(
        ({ label, metrics }) =>
          `rounds of ${label} lie ${metrics.spreadPercent?.toFixed(0)} % apart`,
      );
    const raw = matchers.map(({ label, nanos }) => ({ label, nanos }));
    return { name, title, figures, ratios: flatness(figures), noise, invalid, raw };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The cost at ten thousand routes over the cost at ten. */
function flatness(figures: readonly Figure[]): Ratio[] {
  const [few, many] = ["10 routes", "10000 routes"].map(
    (label) => figures.find((figure) => figure.label === label)?.metrics.nanosPerMatch,
  );
  if (few === undefined || many === undefined) return [];
  const [subject, over] = ["10000 routes", "10 routes"];
  return [{ metric: "nanosPerMatch", subject, over, value: many / few }];
}

interface LoadedMatcher {
  readonly time: (requests: PackedRequests, repeats: number) => number;
  readonly matchRoute: MatchRoute;
  readonly routes: readonly RouteSettings[];
}

/** Compiles a configuration and loads its generated modules as the bundle would have them. */
async function loadMatcher(
  folder: string,
  shape: ConfigShape,
  matchForm: MatchForm,
): Promise<LoadedMatcher> {
  const { files, diagnostics } = compile(
    { path: "config.toml", text: bigConfig(shape) },
    { matchForm },
  );
  if (files.length === 0) throw new Error(`the bench's config: ${diagnostics[0]?.message}`);
  for (const { path, text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const entry = join(folder, "entry.ts");
  writeFileSync(
    entry,
    `import { matchRoute } from "./generated/match.ts";
import { timeMatches } from "zproxy/test/bench/match-loop.ts";
export { matchRoute };
export { routes } from "./generated/routes.ts";
export const time = (requests, repeats) => timeMatches(matchRoute, requests, repeats);
`,
  );
  const outfile = join(folder, "matcher.mjs");
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    define: { CHECKS: "false" },
    alias: { zproxy: resolve(".") },
    tsconfigRaw: {},
    logLevel: "error",
  });
  return (await import(pathToFileURL(outfile).href)) as LoadedMatcher;
}

interface MatchRequest {
  readonly host: string;
  readonly path: string;
  /** The route that must be found; undefined for none. */
  readonly route: BigRoute | undefined;
}

/** Seven in ten go below a prefix, one is the prefix itself, one has no route, one no host. */
function makeRequests(routes: readonly BigRoute[], random: Random): MatchRequest[] {
  return Array.from({ length: REQUESTS }, (): MatchRequest => {
    const route = random.pick(routes);
    const { host, prefix } = route;
    const kind = random.below(10);
    if (kind < 7) return { host, path: `${prefix}/items/${random.below(100_000)}`, route };
    if (kind === 7) return { host, path: prefix, route };
    if (kind === 8) return { host, path: `${prefix}x/items`, route: undefined };
    return { host: `other-${random.below(1_000)}.example.org`, path: prefix, route: undefined };
  });
}

function packRequests(requests: readonly MatchRequest[]): PackedRequests {
  const bytes = Buffer.from(requests.map(({ host, path }) => `${host}${path}`).join(""), "latin1");
  const ranges = new Int32Array(requests.length * 4);
  let at = 0;
  for (const [index, { host, path }] of requests.entries()) {
    const pathStart = at + host.length;
    ranges.set([at, pathStart, pathStart, pathStart + path.length], index * 4);
    at = pathStart + path.length;
  }
  return { bytes: new Uint8Array(bytes), ranges };
}

/** Sentences about requests that do not reach their route. */
function wrongDecisions(
  label: string,
  { matchRoute, routes }: LoadedMatcher,
  requests: readonly MatchRequest[],
): string[] {
  const { bytes, ranges } = packRequests(requests);
  const wrong = requests.filter(({ route }, index) => {
    const [hostStart, hostEnd, pathStart, pathEnd] = ranges.subarray(index * 4, index * 4 + 4);
    const found = routes[matchRoute(bytes, hostStart, hostEnd, pathStart, pathEnd)];
    if (route === undefined || found === undefined)
      return route !== undefined || found !== undefined;
    return found.prefix !== route.prefix || !found.key.includes(route.host);
  });
  return wrong.length === 0 ? [] : [`${label}: ${wrong.length} requests got the wrong route`];
}
