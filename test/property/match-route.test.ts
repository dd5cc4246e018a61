// Random configurations and requests: the generated matcher, in both its forms, decides like the
// reference router. Names come from few short pieces, so that patterns shadow each other, prefixes
// nest, and requests nearly match.

import assert from "node:assert/strict";
import { test } from "node:test";
import { printKeyPath } from "zproxy/compiler/1-read/key-path.ts";
import { parseHostPattern } from "zproxy/compiler/2-check/values/host-name.ts";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import { emit } from "zproxy/compiler/4-emit/emit.ts";
import type { Ir } from "zproxy/compiler/ir/ir.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import type { Config, Route } from "zproxy/schema/config.generated.ts";
import { loadProgram, matchText, routeAllows } from "../lib/generated-program.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { referenceAllowsMethod, referenceRoute } from "../lib/reference-router.ts";

const CONFIGS = 40;
const REQUESTS = 400;
const LABELS = ["a", "b", "ab", "www", "example", "com", "x-1", "route"];
const SEGMENTS = ["a", "b", "ab", "api", "v1", "", "%2F", "users", "x".repeat(40)];
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
/** Some have no bit of their own, and some are as long as one that has. */
const ODD_METHODS = ["get", "X-A", "X_A", "HEAR", "M-SEARCH", "GETS"];
const ALL_METHODS = [...METHODS, ...ODD_METHODS];

function randomHost(random: Random): string {
  return Array.from({ length: random.between(1, 4) }, () => random.pick(LABELS)).join(".");
}

function randomPattern(random: Random): string {
  const kind = random.below(8);
  if (kind === 0) return "*";
  if (kind === 1) return random.pick(["::1", "[2001:db8::1]", "127.0.0.1"]);
  const host = randomHost(random);
  if (kind === 2) return `${host.toUpperCase()}.`;
  return kind < 5 ? `*.${host}` : host;
}

function randomPath(random: Random): string {
  const segments = Array.from({ length: random.below(5) }, () => random.pick(SEGMENTS));
  return `/${segments.join("/")}`;
}

function randomRoute(random: Random): Route {
  if (random.below(2) === 0) return { path: "/srv/www" };
  const methods = Array.from({ length: random.below(5) }, () => random.pick(ALL_METHODS));
  return { type: "Proxy", url: "http://127.0.0.1:1", security: { allowed_methods: methods } };
}

/** A config that the checks would let pass: no two keys with the same normal form. */
function randomConfig(random: Random): Config {
  const patterns = distinct(random.between(0, 12), () => randomPattern(random), normalHost);
  const hostRoutes = patterns.filter(() => random.below(4) === 0);
  // Some hosts are in both tables, which makes their path routes unreachable.
  const pathRoutes = patterns.filter((p) => !hostRoutes.includes(p) || random.below(4) === 0);
  const routesOf = (): Record<string, Route> => {
    const paths = distinct(
      random.between(1, 9),
      () => randomPath(random),
      (path) => path.replace(/\/$/, ""),
    );
    return Object.fromEntries(paths.map((path) => [path, randomRoute(random)]));
  };
  return {
    server: { listen: "127.0.0.1:8080" },
    host_routes: Object.fromEntries(hostRoutes.map((host) => [host, randomRoute(random)])),
    path_routes: Object.fromEntries(pathRoutes.map((host) => [host, routesOf()])),
  };
}

function normalHost(host: string): string {
  const pattern = parseHostPattern(host);
  return pattern.ok ? pattern.value : assert.fail(`${host}: ${pattern.reason}`);
}

function distinct(count: number, make: () => string, normal: (text: string) => string): string[] {
  const byNormal = new Map<string, string>();
  for (let at = 0; at < count; at++) {
    const text = make();
    byNormal.set(normal(text), text);
  }
  return [...byNormal.values()];
}

/** A host and a path at or near something the config names. */
function randomRequest(random: Random, ir: Ir): { host: string; path: string } {
  const host = ir.hosts.length > 0 && random.below(5) > 0 ? random.pick(ir.hosts) : undefined;
  const name = host?.pattern.replace("*", randomHost(random)) ?? randomHost(random);
  const prefix = host ? random.pick(host.routes).prefix : "";
  const below = ["", "/", "x", "/x", randomPath(random), `${randomPath(random)}/`];
  const near = [name, name, name, `.${name}`, `a.${name}`, `a${name}`, name.slice(1)];
  const path = prefix + random.pick(below);
  return { host: random.pick(near), path: path.startsWith("/") ? path : `/${path}` };
}

function expectSame(program: Program, ir: Ir, random: Random): void {
  const { host, path } = randomRequest(random, ir);
  const expected = referenceRoute(ir, host, path);
  for (const junk of ["/", ".", "a"]) {
    const found = program.routes[matchText(program, host, path, junk)];
    assert.equal(found?.key, expected?.key, `${host} ${path}\n${JSON.stringify(ir.hosts)}`);
  }
  if (expected === undefined) return;
  const method = random.pick(ALL_METHODS);
  const index = matchText(program, host, path);
  assert.equal(
    routeAllows(program, index, method),
    referenceAllowsMethod(expected, method),
    method,
  );
}

/** Every route of the config but those of hosts that `host_routes` has taken. */
function reachableRoutes(config: Config): Map<string, string> {
  const taken = Object.keys(config.host_routes ?? {}).map(normalHost);
  const prefixes = new Map(
    Object.keys(config.host_routes ?? {}).map((host) => [printKeyPath(["host_routes", host]), ""]),
  );
  for (const [host, routes] of Object.entries(config.path_routes ?? {})) {
    if (taken.includes(normalHost(host))) continue;
    for (const path of Object.keys(routes)) {
      prefixes.set(printKeyPath(["path_routes", host, path]), path.replace(/\/$/, ""));
    }
  }
  return prefixes;
}

test("lowering keeps exactly the routes that a request can reach", () =>
  withRandom((random) => {
    for (let config = 0; config < CONFIGS * 10; config++) {
      const source = randomConfig(random);
      const { routes, hosts } = lower(source);
      const prefixes = routes.map(({ key, prefix }): [string, string] => [key, prefix]);
      assert.deepEqual(new Map(prefixes), reachableRoutes(source));
      const listed = hosts.flatMap((host) => host.routes);
      assert.deepEqual(new Set(listed), new Set(routes), "every route has a host");
      assert.equal(listed.length, routes.length);
      const symbols = new Set(routes.map(({ symbol }) => symbol.replaceAll("_", "")));
      assert.equal(symbols.size, routes.length, "symbols differ");
    }
  }));

for (const matchForm of ["compares", "table"] as const) {
  test(`the generated matcher (${matchForm}) decides like the reference router`, () =>
    withRandom(async (random) => {
      for (let config = 0; config < CONFIGS; config++) {
        const ir = lower(randomConfig(random));
        const program = await loadProgram(emit(ir, { matchForm }));
        for (let request = 0; request < REQUESTS; request++) expectSame(program, ir, random);
      }
    }));
}
