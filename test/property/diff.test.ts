// Random pairs of configurations and random requests: what the comparison works out agrees with
// asking both programs. An answer that changes is always inside a reported class, and the witness
// of every reported class changes its answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { includes, parseRange } from "zproxy/compiler/2-check/values/address-range.ts";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import { emit } from "zproxy/compiler/4-emit/emit.ts";
import type { Change, Mark, Witness } from "zproxy/compiler/diff/change.ts";
import { type ComparedSide, compare } from "zproxy/compiler/diff/compare.ts";
import { ask, headOf, sameAnswer } from "zproxy/compiler/diff/replay.ts";
import type { Ir, RouteIr, RouteLimitsIr } from "zproxy/compiler/ir/ir.ts";
import { hasMethod } from "zproxy/compiler/ir/method-set.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import type { Config, Route, RouteSecurity, RouteWhen } from "zproxy/schema/config.generated.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { referenceHolds } from "../lib/reference-condition.ts";
import { referenceRoute } from "../lib/reference-router.ts";

const PAIRS = 15;
const REQUESTS = 1000;

const PATTERNS = ["*", "*.a", "*.b.a", "*.c.b.a", "a", "b.a", "c.b.a", "::1"];
const HOSTS = ["a", "b.a", "x.a", "c.b.a", "x.b.a", "y.c.b.a", "::1", "other", "127.0.0.1"];
const PREFIXES = ["/", "/a", "/a/b", "/a/b/", "/ab", "/b", "//", "/a//b", "/%2F"];
const PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/ab/x", "/b", "//", "/a//b", "/c/%2F/d"];
const METHODS = ["GET", "HEAD", "POST", "PUT", "X-A"];
const BLOCKS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "0.0.0.0/1", "2001:db8::/32", "::/0"];
const CLIENTS = ["10.1.2.3", "10.1.2.4", "10.2.0.0", "9.255.255.255", "192.0.2.1", "2001:db8::1"];
const QUERIES = ["", "", "?v=1", "?v=2&v=1", "?v=%31x", "?w=1", "?v=x1"];
const HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["X-A", "1"],
  ["x-a", "12"],
  ["X-A", "3"],
  ["X-B", ""],
  ["Cookie", "c=1; d=x"],
  ["cookie", "c=21"],
];
const CONDITIONS = [
  ...['header("x-a") == "1"', 'header("x-a") in ["1", "3"]', 'header("x-a") starts_with "1"'],
  ...['header("x-a")', 'header("x-b") == ""', 'cookie("c") == "1"', 'cookie("c") ends_with "1"'],
  ...['cookie("d")', 'query("v") == "1"', 'query("v") starts_with "1"', 'query("v") contains "x"'],
  ...['method == "GET"', 'method in ["POST", "PUT"]', 'client in ["10.0.0.0/8", "::/0"]'],
  ...['client == "10.1.2.3"', 'query("v") != "2"', 'header("x-a") ends_with "2"'],
];
const TRUSTS = [{ tls_verify: false }, { tls_ca_path: "a.pem" }, { tls_ca_path: "b.pem" }];
const BODIES = [0, 5, 10, 11, 20, 21, 10_485_760, 10_485_761];
const HEADS = [0, 256, 257, 512, 513, 8192, 8193];

function some<T>(random: Random, items: readonly T[], oneIn: number): T[] {
  return items.filter(() => random.below(oneIn) === 0);
}

function randomSecurity(random: Random): RouteSecurity {
  return {
    allowed_methods: random.below(2) === 0 ? [] : some(random, METHODS, 2),
    allowed_ips: random.below(2) === 0 ? [] : some(random, BLOCKS, 3),
    denied_ips: random.below(3) === 0 ? some(random, BLOCKS, 3) : [],
    max_request_body_size: random.pick([10, 20, 10_485_760]),
    max_request_header_size: random.pick([256, 512, 8192]),
    ...randomLimits(random),
  };
}

/** Limits that no single request shows. */
function randomLimits(random: Random): RouteSecurity {
  if (random.below(2) === 0) return {};
  return {
    max_chunked_body_size: random.pick([10, 10_485_760]),
    client_header_timeout_secs: random.pick([5, 30]),
    client_body_timeout_secs: random.pick([5, 30]),
    backend_connect_timeout_secs: random.pick([5, 10]),
    rate_limit_requests_per_min: random.pick([0, 60, 120]),
  };
}

function randomCondition(random: Random, depth = 0): string {
  const kind = depth > 2 ? 0 : random.below(6);
  const part = (): string => randomCondition(random, depth + 1);
  if (kind === 3) return `not (${part()})`;
  if (kind === 4) return `(${part()} and ${part()})`;
  if (kind === 5) return `(${part()} or ${part()})`;
  return random.pick(CONDITIONS);
}

function randomTargets(random: Random): RouteWhen[] {
  if (random.below(2) === 0) return [];
  return Array.from({ length: random.between(1, 3) }, (_, at) => {
    const target = random.pick([
      { path: "/srv" },
      { path: "/srv/b" },
      { type: "Proxy", url: "http://one" },
      { type: "Proxy", url: "http://three/b" },
      { type: "Proxy", upstream: "group" },
      { type: "Proxy", url: "https://one", tls_verify: random.below(2) === 0 },
    ] as const);
    return { name: `t${at}`, if: randomCondition(random), ...target };
  });
}

function randomRoute(random: Random): Route {
  return { ...randomOwnRoute(random), when: randomTargets(random) };
}

function randomOwnRoute(random: Random): Route {
  const security = random.below(2) === 0 ? {} : { security: randomSecurity(random) };
  if (random.below(3) === 0) {
    return { path: random.pick(["/srv", "/srv/a", "/srv/a/"]), ...security };
  }
  if (random.below(4) === 0) return { type: "Proxy", upstream: "group", ...security };
  const url = random.pick(["http://one", "http://one/a", "http://two/a/", "https://one"]);
  const trust = url.startsWith("https:") ? random.pick([{}, ...TRUSTS]) : {};
  return { type: "Proxy", url, preserve_host: random.below(4) === 0, ...trust, ...security };
}

function randomConfig(random: Random): Config {
  const routes = (): Record<string, Route> => {
    const prefixes = new Map(some(random, PREFIXES, 2).map((it) => [it.replace(/\/$/, ""), it]));
    return Object.fromEntries([...prefixes.values()].map((it) => [it, randomRoute(random)]));
  };
  const servers = random.pick([["http://s1"], ["http://s1", "http://s2"], ["http://s2:81"]]);
  const taken = some(random, PATTERNS, 4);
  return {
    server: { listen: "127.0.0.1:8080" },
    upstreams: { group: { servers } },
    host_routes: Object.fromEntries(taken.map((it) => [it, randomRoute(random)])),
    path_routes: Object.fromEntries(some(random, PATTERNS, 2).map((it) => [it, routes()])),
  };
}

/** A route without the limits that it may have. */
function loosened({ security, ...route }: Route): Route {
  const { rate_limit_requests_per_min: _, max_chunked_body_size: __, ...others } = security ?? {};
  return { ...route, security: others };
}

/** The same configuration with one route changed, which is what a review mostly sees. */
function changed(config: Config, random: Random): Config {
  const tables = Object.entries(config.path_routes ?? {}).filter(([, it]) => it["/a"]);
  if (tables.length === 0) return randomConfig(random);
  const [host, table] = random.pick(tables);
  const route = table["/a"]!;
  if (random.below(4) === 0) {
    const { "/a": _, ...others } = table;
    const moved = { ...others, "/a/": loosened(route) };
    return { ...config, path_routes: { ...config.path_routes, [host]: moved } };
  }
  const next = random.pick([
    randomRoute(random),
    { ...route, security: { ...route.security, ...randomSecurity(random) } },
    { ...route, security: { ...route.security, max_request_body_size: 20 } },
    { ...route, when: randomTargets(random) },
    { ...route, when: (route.when ?? []).toReversed() },
    { ...route, when: (route.when ?? []).slice(1) },
  ]);
  return { ...config, path_routes: { ...config.path_routes, [host]: { ...table, "/a": next } } };
}

async function sideOf(config: Config): Promise<ComparedSide> {
  const ir = lower(config);
  const files = emit(ir);
  return { name: "", ir, probe: await loadProbe(files, process.cwd()), config, files };
}

function randomRequest(random: Random): Witness {
  const headBytes = random.below(3) === 0 ? random.pick(HEADS) : 0;
  const request = {
    method: random.pick(METHODS),
    host: random.pick(HOSTS),
    path: random.pick(PATHS),
    query: random.pick(QUERIES),
    headers: some(random, HEADERS, 3),
    client: random.pick(CLIENTS),
    bodyBytes: random.below(2) === 0 ? random.pick(BODIES) : 0,
  };
  return { ...request, headBytes };
}

/** Whether a change speaks of a request: its routes on both sides, its place and its condition. */
function speaksOf(change: Change, request: Witness, before: ComparedSide, after: ComparedSide) {
  const { clients, methods, bodyBytes, headBytes, when } = change.condition;
  const size = headOf(request).length + 4;
  const between = (range: typeof bodyBytes, value: number): boolean =>
    range === undefined || (range.from < value && value <= range.to);
  const old = referenceRoute(before.ir, request.host, request.path);
  const young = referenceRoute(after.ir, request.host, request.path);
  const inRegion = change.regions.some(
    (region) =>
      region.before?.key === old?.key &&
      region.after?.key === young?.key &&
      (region.below
        ? request.path.startsWith(`${region.prefix}/`)
        : request.path === region.prefix),
  );
  return (
    (change.regions.length === 0 || inRegion) &&
    (clients === undefined || includes(clients, parseRange(request.client)!)) &&
    (when === undefined ||
      when.some(({ conditions }) => conditions.every((it) => referenceHolds(it, request)))) &&
    (methods === undefined || hasMethod(methods, request.method)) &&
    between(bodyBytes, request.bodyBytes) &&
    between(headBytes, size)
  );
}

type Sized = (limits: RouteLimitsIr) => number;

/** Limits that more is wider of. */
const LIMITS: readonly (readonly [name: string, sized: Sized])[] = [
  ["max_chunked_body_size", (it) => it.maxChunkedBodySize],
  ["client_header_timeout_secs", (it) => it.clientHeaderTimeoutSecs],
  ["client_body_timeout_secs", (it) => it.clientBodyTimeoutSecs],
  ["backend_connect_timeout_secs", (it) => it.backendConnectTimeoutSecs],
  ["rate_limit_requests_per_min", (it) => it.rateLimitRequestsPerMin || Number.MAX_VALUE],
];

/** A setting that must be told; any mark will do where it is undefined. */
interface Expected {
  readonly name: string;
  readonly was: string;
  readonly key: string;
  readonly mark: Mark | undefined;
}

/** What must be said of a request's limits and of how its server is verified. */
function expectedSettings(request: Witness, before: Ir, after: Ir): Expected[] {
  const old = referenceRoute(before, request.host, request.path);
  const young = referenceRoute(after, request.host, request.path);
  if (old === undefined || young === undefined) return [];
  const limits = LIMITS.flatMap(([name, sized]) => {
    const [from, to] = [sized(old.limits), sized(young.limits)];
    if (from === to) return [];
    const place = (key: string): string => `${key}.security.${name}`;
    const mark: Mark = to > from ? "wider" : "narrower";
    return [{ name, was: place(old.key), key: place(young.key), mark }];
  });
  const [from, to] = [trustOf(old, request), trustOf(young, request)];
  if (from === undefined || to === undefined) return limits;
  const trust = (name: string, mark: Mark | undefined): Expected => {
    return { name, was: `${from.key}.${name}`, key: `${to.key}.${name}`, mark };
  };
  return [
    ...limits,
    ...(from.verify === to.verify ? [] : [trust("tls_verify", to.verify ? "narrower" : "wider")]),
    ...(from.ca === to.ca ? [] : [trust("tls_ca_path", undefined)]),
  ];
}

/** How the server of a request is verified; undefined: it is asked in plain text, or none is. */
function trustOf({ key, target, when }: RouteIr, request: Witness) {
  const other = when.find(({ condition }) => referenceHolds(condition, request));
  const taken = other?.target ?? target;
  if (taken.kind === "file" || !taken.upstream.servers.some(({ tls }) => tls)) return undefined;
  const { tlsVerify, tlsCaPath } = taken.upstream;
  return { key: other?.key ?? key, verify: tlsVerify, ca: tlsCaPath };
}

test("a changed answer is inside a reported class, whose witness changes too", () =>
  withRandom(async (random) => {
    const kinds = new Set<string>();
    const limits = new Set<string>();
    let differences = 0;
    for (let pair = 0; pair < PAIRS; pair++) {
      const config = randomConfig(random);
      const other = random.below(2) === 0 ? randomConfig(random) : changed(config, random);
      const before = await sideOf(config);
      const after = await sideOf(other);
      const { changes, settings } = compare(before, after);
      assert.ok(!settings.some((it) => it.after.includes("too many")));
      for (const change of changes) {
        kinds.add(change.condition.when === undefined ? change.kind : `${change.kind} when`);
        const { witness } = change;
        const told = `${change.text} ${JSON.stringify(witness)}`;
        assert.ok(!sameAnswer(ask(witness, before), ask(witness, after)), told);
        assert.ok(change.regions.length === 0 || speaksOf(change, witness, before, after), told);
      }
      for (let count = 0; count < REQUESTS; count++) {
        const request = randomRequest(random);
        for (const { name, was, key, mark } of expectedSettings(request, before.ir, after.ir)) {
          const told = settings.find((it) => it.key === key && (it.was ?? it.key) === was);
          assert.ok(told, `${was} ${key} ${JSON.stringify([request, config, other])}`);
          if (mark !== undefined) assert.equal(told.mark, mark, key);
          limits.add(name);
        }
        const old = ask(request, before);
        const young = ask(request, after);
        if (sameAnswer(old, young)) continue;
        differences++;
        const told = changes.some((change) => speaksOf(change, request, before, after));
        assert.ok(told, JSON.stringify([request, config, other]));
      }
    }
    assert.ok(differences > 0);
    for (const [name] of LIMITS) assert.ok(limits.has(name), name);
    assert.deepEqual([...kinds].sort(), [
      ...["body size", "clients", "head size", "methods", "methods when", "route", "target"],
      "target when",
    ]);
  }));

test("a configuration compared with itself has no changes", () =>
  withRandom(async (random) => {
    for (let count = 0; count < 5; count++) {
      const side = await sideOf(randomConfig(random));
      const { changes, settings, generated } = compare(side, side);
      assert.deepEqual(
        { changes, settings, generated },
        { changes: [], settings: [], generated: "" },
      );
    }
  }));
