// What happens in a run, drawn from its seed. Each run switches on a few kinds of trouble: a run
// with everything at once finds less than many runs with two or three kinds each.

import type { BufferCounts } from "zproxy/runtime/data/buffers.ts";
import type { Random } from "../lib/random.ts";
import type { ClientFault, ClientPlan } from "./client-actor.ts";
import {
  type AnswerPlan,
  type ExchangePlan,
  type LocalAnswer,
  patternOf,
  type UpstreamFault,
} from "./exchange.ts";
import { chance, type Faults, NO_FAULTS } from "./faults.ts";
import type { Piecing } from "./messages.ts";
import { MTIME_NANOS, MTIME_SECS } from "./world.ts";

/** What a run draws before anything else. */
export interface RunPlan {
  readonly faults: Faults;
  readonly counts: BufferCounts;
  readonly bufferRingEntries: number;
  readonly sqEntries: number;
  readonly cqEntries: number;
  readonly slotCountMax: number;
  readonly fdMax: number;
  readonly fixedFileCount: number;
  readonly multishot: boolean;
  /** max_concurrent_connections; 0 is none. */
  readonly connectionsMax: number;
  /** What is told about requests. */
  readonly observes: { readonly log: boolean; readonly metrics: boolean };
  /** The first server of each group is found unhealthy. */
  readonly sickServers: boolean;
  /** Why exchanges may fail from the start: memory or slots are few. */
  readonly excuse: string | null;
  readonly latencyUs: number;
  readonly windowBytes: number;
  readonly upstreamPiecing: Piecing;
  readonly idleCloses: number;
  readonly refuses: number;
  readonly hangs: number;
  /** How often the name of some server gets other addresses. */
  readonly addressChanges: number;
  /** The chance that an exchange has an upstream that misbehaves. */
  readonly upstreamFaults: number;
  readonly clientFaults: number;
  readonly clients: number;
  /** The chance that a client is a trusted proxy. */
  readonly trusted: number;
  /** Proxy routes that are asked: one alone makes much use of its pool. */
  readonly routes: readonly string[];
  /** Upstreams keep their connections open. */
  readonly keeps: boolean;
  /** The share of requests that need no upstream. */
  readonly localShare: number;
  /** Microseconds after which the worker is told to drain; infinity: when all is done. */
  readonly drainAfterUs: number;
  /** It is not told to drain then, but to retire: a next generation takes idle clients over. */
  readonly retires: boolean;
  /** Bodies of up to so many bytes are likely. */
  readonly bodyBytesMax: number;
}

const ROUTES = [
  "/p/",
  "/p/",
  "/p/",
  "/q/",
  "/fresh/",
  "/group/",
  "/least/",
  "/hash/",
  "/limited/",
  "/preserved/",
  "/when/",
  "/pages/",
];

const BENIGN = [
  "short",
  "late",
  "reorder",
  "noBuffer",
  "wakeUp",
  "cutSubmission",
  "acceptEnds",
  "receiveEnds",
  "acceptFails",
  "sendfileAgain",
  "openAgain",
] as const;
const HARMFUL = ["socketFails", "openFails", "operationFails", "fileShrinks"] as const;

function drawFaults(random: Random): Faults {
  const faults = { ...NO_FAULTS };
  for (const kind of BENIGN) {
    if (chance(random, 0.3)) faults[kind] = random.pick([0.02, 0.15, 0.5]);
  }
  // Asked again this often it would give up, as it should.
  faults.openAgain = Math.min(faults.openAgain, 0.02);
  for (const kind of HARMFUL) {
    if (chance(random, 0.05)) faults[kind] = random.pick([0.01, 0.1]);
  }
  return faults;
}

export function drawRun(random: Random): RunPlan {
  const fewBuffers = chance(random, 0.12);
  const fewSlots = chance(random, 0.05);
  const connectionsMax = chance(random, 0.05) ? random.between(1, 3) : 0;
  const scarce = { "few buffers": fewBuffers, "few slots": fewSlots, limit: connectionsMax > 0 };
  const excuse = Object.entries(scarce).find(([, isScarce]) => isScarce)?.[0] ?? null;
  return {
    faults: drawFaults(random),
    counts: fewBuffers
      ? { small: 12, large: 5, multishot: 3 }
      : { small: 64, large: 32, multishot: random.pick([2, 8, 32]) },
    bufferRingEntries: fewBuffers ? 2 : random.pick([2, 4, 8]),
    sqEntries: random.pick([4, 16, 64]),
    cqEntries: random.pick([4, 32, 128]),
    slotCountMax: fewSlots ? random.between(2, 6) : 64,
    connectionsMax,
    observes: { log: chance(random, 0.6), metrics: chance(random, 0.6) },
    sickServers: chance(random, 0.1),
    fixedFileCount: random.pick([0, 64, 64, 3]),
    multishot: chance(random, 0.8),
    fdMax: chance(random, 0.1) ? random.between(12, 20) : 128,
    excuse,
    latencyUs: random.pick([10, 300, 5000, 40_000]),
    windowBytes: random.pick([600, 5000, 65_536, 1 << 20]),
    upstreamPiecing: drawPiecing(random),
    idleCloses: chance(random, 0.25) ? 0.5 : 0,
    refuses: chance(random, 0.1) ? 0.4 : 0,
    hangs: chance(random, 0.05) ? 0.3 : 0,
    addressChanges: chance(random, 0.2) ? random.between(1, 12) : 0,
    upstreamFaults: chance(random, 0.4) ? 0.3 : 0,
    clientFaults: chance(random, 0.3) ? 0.4 : 0,
    clients: random.between(1, 5),
    trusted: random.pick([0, 0, 0.5]),
    routes: chance(random, 0.5) ? [random.pick(ROUTES)] : ROUTES,
    keeps: chance(random, 0.3),
    localShare: random.pick([0.2, 0.2, 0.2, 0.8]),
    drainAfterUs: chance(random, 0.1) ? random.below(300_000) : Number.POSITIVE_INFINITY,
    retires: chance(random, 0.3),
    bodyBytesMax: random.pick([50, 2000, 2000, 20_000, 150_000]),
  };
}

function drawPiecing(random: Random): Piecing {
  const pauseUs = random.pick([0, 200, 3000, 20_000]);
  return { bytesMax: random.pick([0, 0, 1, 20, 900, 9000]), pauseUs };
}

export function drawClient(random: Random, run: RunPlan): ClientPlan {
  const hasFault = chance(random, run.clientFaults);
  const faults: ClientFault[] = ["reset", "end-inside", "stop-sending", "stop-reading"];
  const reads = random.pick([0, 0, 700, 5000]);
  return {
    pipelines: chance(random, 0.4),
    sending: drawPiecing(random),
    readBytesMax: reads === 0 ? 0 : Math.max(reads, run.bodyBytesMax >> 5),
    readPauseUs: random.pick([0, 1000, 30_000]),
    fault: hasFault ? random.pick(faults) : "none",
    faultAfterUs: random.below(random.pick([2000, 100_000, 1_000_000])),
    afterwards: random.pick(["stay", "stay", "end-early", "close", "reset"]),
  };
}

function drawBytes(random: Random, most: number): number {
  return random.pick([0, 1, random.below(100), random.below(most), random.below(most)]);
}

const UPSTREAM_FAULTS: readonly UpstreamFault[] = [
  "reset-before",
  "close-before",
  "stall-before",
  "cut-close",
  "cut-reset",
  "stall-inside",
  "malformed",
];

function drawAnswer(random: Random, run: RunPlan): AnswerPlan {
  const minor = chance(random, 0.1) ? 0 : 1;
  let framing = random.pick(["length", "length", "chunked", "close"] as const);
  if (minor === 0 && framing === "chunked") framing = "length";
  const fault = chance(random, run.upstreamFaults) ? random.pick(UPSTREAM_FAULTS) : "none";
  return {
    status: random.pick([200, 200, 200, 200, 404, 503, 204, 304]),
    framing,
    bodyBytes: drawBytes(random, run.bodyBytesMax),
    interim: chance(random, 0.1) ? random.between(1, 3) : 0,
    padBytes: chance(random, 0.15) ? random.pick([10, 3000, 4100, 7000]) : 0,
    minor,
    early: chance(random, 0.1),
    afterwards: run.keeps
      ? "keep"
      : random.pick(["keep", "keep", "keep", "close", "announced-close"]),
    // Without a length a cut looks like the end.
    fault: framing === "close" && fault === "cut-close" ? "cut-reset" : fault,
    cutAt: random.next() / 2 ** 32,
    faultRepeats: chance(random, 0.5),
  };
}

/** Taken by all routes of the configuration but those below. */
const METHODS = ["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE"];

export function drawExchange(random: Random, run: RunPlan, id: number): ExchangePlan {
  const answer = drawAnswer(random, run);
  const minor = chance(random, 0.08) ? 0 : 1;
  const pad = chance(random, 0.15) ? random.pick([10, 3700, 3900, 6000]) : 0;
  const forwarded = chance(random, 0.3) ? random.pick(FORWARDED) : [];
  const base = {
    id,
    minor,
    fields: forwardedFields(forwarded) + (pad > 0 ? `x-pad: ${"q".repeat(pad)}\r\n` : ""),
    forwardedFor: forwarded.join(", "),
    bodyBytes: 0,
    framing: "none",
    expectsContinue: false,
    answer,
    local: null,
    tunnelBytes: [0, 0],
  } as const;
  if (chance(random, run.localShare)) return drawLocal(random, base);
  if (chance(random, 0.06) && minor === 1 && answer.fault === "none")
    return drawTunnel(random, run, base);
  const method = random.pick(METHODS);
  const hasBody = minor === 1 && (method === "POST" || method === "PUT");
  const framing = hasBody ? random.pick(["length", "chunked"] as const) : "none";
  const bodyBytes = hasBody ? drawBytes(random, run.bodyBytesMax) : 0;
  const says = minor === 0 ? (chance(random, 0.5) ? "keep-alive" : "") : drawClose(random);
  const route = random.pick(run.routes);
  // Without it, `/pages/` are files.
  const api = route === "/pages/" || (route === "/when/" && chance(random, 0.4));
  const others = api ? `${base.fields}X-Api: 1\r\n` : base.fields;
  return {
    ...base,
    kind: "proxy",
    method,
    target: `${route}x${id}`,
    fields: says === "" ? others : `${others}Connection: ${says}\r\n`,
    bodyBytes,
    framing,
    expectsContinue: bodyBytes > 0 && chance(random, 0.1),
    answer: { ...answer, early: answer.early && bodyBytes > 0 },
  };
}

/** Values of X-Forwarded-For: whom a trusted proxy names, or somebody who wants to be one. */
const FORWARDED = [
  ["192.0.2.7"],
  ["10.9.1.1, 192.0.2.8"],
  ["nonsense", "192.0.2.7"],
  ["192.0.2.8, _hidden"],
];

function forwardedFields(values: readonly string[]): string {
  if (values.length === 0) return "";
  const lines = values.map((value) => `X-Forwarded-For: ${value}`);
  lines.push("X-Forwarded-Proto: https", "Forwarded: for=_hidden", "X_Forwarded_For: 192.0.2.9");
  return lines.map((line) => `${line}\r\n`).join("");
}

function drawClose(random: Random): string {
  return chance(random, 0.05) ? "close" : "";
}

type Base = Omit<ExchangePlan, "kind" | "method" | "target">;

function drawTunnel(random: Random, run: RunPlan, base: Base): ExchangePlan {
  const tunnelBytes = [
    drawBytes(random, run.bodyBytesMax),
    drawBytes(random, run.bodyBytesMax),
  ] as const;
  const fields = `${base.fields}Connection: upgrade\r\nUpgrade: simulated\r\n`;
  const target = `/p/x${base.id}`;
  return { ...base, kind: "tunnel", method: "GET", target, fields, tunnelBytes };
}

/** Files of the disk: path to size. Around what fits one buffer, one read, one sendfile. */
const FILE_SIZES: ReadonlyMap<string, number> = new Map([
  ["site/empty.txt", 0],
  ["site/a.txt", 100],
  ["site/b.bin", 3000],
  ["site/sub/index.html", 5000],
  ["site/c.bin", 32_768],
  ["site/d.bin", 32_769],
  ["site/e.bin", 150_000],
  ["stored/m.txt", 50],
  ["stored/n.bin", 6000],
]);

export const FILES: ReadonlyMap<string, Uint8Array> = new Map(
  [...FILE_SIZES].map(([path, size], index) => [path, patternOf(100_003 + index, size)]),
);

const OWN_ANSWER: LocalAnswer = { status: 0, body: null, parts: [], fields: {} };

function drawLocal(random: Random, base: Base): ExchangePlan {
  // Who looks for a request in the log knows it by its end.
  const refusals: [string, string, number][] = [
    ["GET", `/nowhere?x${base.id}`, 404],
    ["POST", `/readonly/x${base.id}`, 405],
    ["GET", `/files/missing.txt?x${base.id}`, 404],
    ["DELETE", `/files/a.txt?x${base.id}`, 405],
    ["PUT", `/pages/a.txt?x${base.id}`, 405],
    ["GET", "/p/%zz", 400],
  ];
  if (chance(random, 0.25)) {
    const [method, target, status] = random.pick(refusals);
    return { ...base, kind: "local", method, target, local: { ...OWN_ANSWER, status } };
  }
  if (chance(random, 0.1)) {
    const local = { ...OWN_ANSWER, status: 413 };
    const framing = random.pick(["length", "chunked"] as const);
    const target = `/small/x${base.id}`;
    const bodyBytes = 1001 + random.below(5000);
    if (framing === "length" || base.minor === 0)
      return {
        ...base,
        kind: "local",
        method: "POST",
        target,
        local,
        framing: "length",
        bodyBytes,
      };
  }
  return drawFile(random, base);
}

function drawFile(random: Random, base: Base): ExchangePlan {
  const path = random.pick([...FILES.keys()]);
  const body = FILES.get(path)!;
  const name = path
    .replace(/^site\//, random.pick(["/files/", "/files/", "/pages/", "/limited-files/"]))
    .replace(/^stored\//, "/stored/")
    .replace(/index\.html$/, random.pick(["index.html", ""]));
  const target = `${name}?x${base.id}`;
  const method = chance(random, 0.15) ? "HEAD" : "GET";
  const plan = { ...base, kind: "local", method, target } as const;
  const whole: LocalAnswer = { status: 200, body, parts: [], fields: validatorsOf(body.length) };
  if (chance(random, 0.3)) {
    const [fields, changes] = random.pick(conditionsOf(whole, method));
    return { ...plan, fields: base.fields + fields, local: { ...whole, ...changes } };
  }
  if (method === "HEAD" || body.length < 10 || chance(random, 0.6))
    return { ...plan, local: whole };
  const parts = Array.from({ length: random.pick([1, 1, 2, 3]) }, (_, index) => {
    const step = Math.floor(body.length / 3);
    const start = index * step + random.below(step);
    return [start, start + random.between(1, step - (start - index * step))] as const;
  });
  const ranges = parts.map(([start, end]) => `${start}-${end - 1}`).join(",");
  const local: LocalAnswer = { ...whole, status: 206, parts };
  return { ...plan, fields: `${base.fields}Range: bytes=${ranges}\r\n`, local };
}

const MODIFIED = new Date(MTIME_SECS * 1000).toUTCString();
const BEFORE = new Date(MTIME_SECS * 1000 - 1000).toUTCString();

function tagOf(size: number): string {
  return `"${MTIME_SECS.toString(16)}-${MTIME_NANOS.toString(16)}-${size.toString(16)}"`;
}

function validatorsOf(size: number): Readonly<Record<string, string>> {
  return { etag: tagOf(size), "last-modified": MODIFIED };
}

/** Conditions (RFC 9110 §13) and ranges, each with what it makes of the answer. */
function conditionsOf(
  whole: LocalAnswer,
  method: string,
): readonly (readonly [string, Partial<LocalAnswer>])[] {
  const body = whole.body!;
  const tag = tagOf(body.length);
  const notModified = { status: 304, body: null };
  const failed = { ...OWN_ANSWER, status: 412 };
  const conditions: [string, Partial<LocalAnswer>][] = [
    [`If-None-Match: ${tag}\r\n`, notModified],
    [`If-None-Match: "x", W/${tag}\r\n`, notModified],
    ["If-None-Match: *\r\n", notModified],
    [`If-None-Match: "x"\r\nIf-Modified-Since: ${MODIFIED}\r\n`, {}],
    [`If-Modified-Since: ${MODIFIED}\r\n`, notModified],
    [`If-Modified-Since: ${BEFORE}\r\n`, {}],
    [`If-Match: ${tag}\r\n`, {}],
    [`If-Match: W/${tag}\r\n`, failed],
    ['If-Match: "x"\r\nIf-None-Match: *\r\n', failed],
    [`If-Unmodified-Since: ${BEFORE}\r\n`, failed],
    [`If-Unmodified-Since: ${MODIFIED}\r\n`, {}],
    ["Range: lines=0-1\r\n", {}],
    ['Range: bytes=0-0\r\nIf-Range: "x"\r\n', {}],
  ];
  if (method === "HEAD") return conditions;
  const size = { "content-range": `bytes */${body.length}` };
  conditions.push([
    `Range: bytes=${body.length}-\r\n`,
    { ...OWN_ANSWER, status: 416, fields: size },
  ]);
  if (body.length < 10) return conditions;
  const first = { status: 206, parts: [[0, 1]] } as const;
  const last = { status: 206, parts: [[body.length - 3, body.length]] } as const;
  conditions.push(
    [`Range: bytes=0-0\r\nIf-Range: ${tag}\r\n`, first],
    [`Range: bytes=0-0\r\nIf-Range: ${MODIFIED}\r\n`, first],
    ["Range: bytes=-3\r\n", last],
    [`If-None-Match: ${tag}\r\nRange: bytes=-3\r\n`, notModified],
  );
  return conditions;
}
