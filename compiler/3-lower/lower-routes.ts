// The two route tables, brought into one list of routes and one list of host patterns in matching
// order: a host route is the only route of its host; a path route is one of several prefixes.

import assert from "node:assert/strict";
import {
  type Config,
  type Route,
  type RouteWhen,
  routeDefaults,
  routeSecurityDefaults,
} from "../../schema/config.generated.ts";
import { printKey, printKeyPath } from "../1-read/key-path.ts";
import { parseHostPattern } from "../2-check/values/host-name.ts";
import { compareHostPatterns } from "../ir/host-pattern.ts";
import type {
  FileIr,
  HostIr,
  MethodIr,
  ProxyIr,
  RouteIr,
  RouteLimitsIr,
  TargetIr,
  WhenIr,
} from "../ir/ir.ts";
import { compareCodeUnits } from "../ir/order.ts";
import { lowerAddresses } from "./lower-addresses.ts";
import {
  type ConditionWords,
  conditionOf,
  conditionWords,
  lowerCondition,
  methodsIn,
} from "./lower-conditions.ts";
import type { Target, Upstreams } from "./lower-upstreams.ts";
import { assignSymbols } from "./symbols.ts";

/** A route with the pattern and prefix it is found by, before it has a symbol. */
export interface PlacedRoute {
  readonly hostKey: string;
  readonly key: string;
  readonly table: "host_routes" | "path_routes";
  readonly pattern: string;
  readonly prefix: string;
  readonly route: Route;
}

/**
 * Every route a request can reach, sorted by table, host and prefix. Path routes of a host that has
 * a host route are left out: the checks have warned about them.
 */
export function placeRoutes(config: Config): PlacedRoute[] {
  const hostRoutes = Object.entries(config.host_routes ?? {}).map(([host, route]) => ({
    key: printKeyPath(["host_routes", host]),
    hostKey: printKeyPath(["host_routes", host]),
    table: "host_routes" as const,
    pattern: normalHostPattern(host),
    prefix: "",
    route,
  }));
  const taken = new Set(hostRoutes.map(({ pattern }) => pattern));
  const pathRoutes = Object.entries(config.path_routes ?? {})
    .filter(([host]) => !taken.has(normalHostPattern(host)))
    .flatMap(([host, routes]) =>
      Object.entries(routes).map(([path, route]) => placePathRoute(host, path, route)),
    );
  return [...hostRoutes, ...pathRoutes].sort(
    (a, b) =>
      compareCodeUnits(a.table, b.table) ||
      compareCodeUnits(a.pattern, b.pattern) ||
      compareCodeUnits(a.prefix, b.prefix),
  );
}

function placePathRoute(host: string, path: string, route: Route): PlacedRoute {
  return {
    key: printKeyPath(["path_routes", host, path]),
    hostKey: printKeyPath(["path_routes", host]),
    table: "path_routes",
    pattern: normalHostPattern(host),
    // Checked paths are in normal form but for this: a trailing slash makes no difference.
    prefix: path.replace(/\/$/, ""),
    route,
  };
}

function normalHostPattern(host: string): string {
  const pattern = parseHostPattern(host);
  assert(pattern.ok, `checked config has a host that is none: ${host}`);
  return pattern.value;
}

/** The routes in the order they are given, and the host patterns in matching order. */
export function lowerRoutes(
  placed: readonly PlacedRoute[],
  upstreams: Upstreams,
): { routes: RouteIr[]; hosts: HostIr[] } {
  const symbols = assignSymbols(placed.flatMap(symbolWords));
  const conditions = placed.flatMap(({ route }) => (route.when ?? []).map(conditionOf));
  const allowed = placed.flatMap(({ route }) => route.security?.allowed_methods ?? []);
  const methods = lowerMethods([...allowed, ...conditions.flatMap(methodsIn)]);
  const context: RouteContext = {
    symbols,
    upstreams,
    methods,
    words: conditionWords(conditions, methods),
  };
  const byPattern = new Map<string, { hostKey: string; routes: RouteIr[] }>();
  const routes = placed.map((place) => {
    const route = lowerRoute(place, context);
    const host = byPattern.get(place.pattern);
    if (host) host.routes.push(route);
    else byPattern.set(place.pattern, { hostKey: place.hostKey, routes: [route] });
    return route;
  });
  return { routes, hosts: lowerHosts(byPattern) };
}

interface RouteContext {
  /** By key path. */
  readonly symbols: ReadonlyMap<string, string>;
  readonly upstreams: Upstreams;
  readonly methods: ReadonlyMap<string, MethodIr>;
  readonly words: ConditionWords;
}

/** What the symbols of a route and of its other targets are made from. */
function symbolWords({ key, pattern, prefix, route }: PlacedRoute) {
  const own = words(pattern) + prefix;
  const others = (route.when ?? []).map(({ name }) => ({
    id: whenKey(key, name),
    words: `${own}/when/${name}`,
  }));
  return [{ id: key, words: own }, ...others];
}

function whenKey(routeKey: string, name: string): string {
  return `${routeKey}.when.${printKey(name)}`;
}

function lowerHosts(
  byPattern: ReadonlyMap<string, { hostKey: string; routes: readonly RouteIr[] }>,
): HostIr[] {
  const patterns = [...byPattern.keys()].sort(compareHostPatterns);
  const symbols = assignSymbols(
    patterns.map((pattern) => ({ id: pattern, words: words(pattern) })),
    // The matcher of a host would be `matchRoute`, which is the one of all hosts.
    { reserved: ["ROUTE"] },
  );
  return patterns.map((pattern) => {
    const { hostKey, routes } = byPattern.get(pattern)!;
    return {
      symbol: symbols.get(pattern)!,
      key: hostKey,
      pattern,
      routes: [...routes].sort(
        (a, b) => b.prefix.length - a.prefix.length || compareCodeUnits(a.prefix, b.prefix),
      ),
    };
  });
}

function words(pattern: string): string {
  return pattern.replace("*", "any");
}

/** Every method that is named somewhere, by its text. */
function lowerMethods(texts: readonly string[]): Map<string, MethodIr> {
  const symbols = assignSymbols(
    [...new Set(texts)].map((text) => ({ id: text, words: text })),
    // The method would be called like the runtime's `methodEquals`.
    { reserved: ["EQUALS"] },
  );
  return new Map([...symbols].map(([text, symbol]) => [text, { symbol, text }]));
}

function lowerRoute({ key, prefix, route }: PlacedRoute, context: RouteContext): RouteIr {
  const { symbols, upstreams, methods } = context;
  const allowed = [...new Set(route.security?.allowed_methods)].sort(compareCodeUnits);
  return {
    symbol: symbols.get(key)!,
    key,
    prefix,
    target: lowerTarget(route, upstreams),
    when: (route.when ?? []).map((other) => lowerWhen(key, other, context)),
    limits: lowerLimits(route),
    deniedClients: lowerAddresses(route.security?.denied_ips),
    allowedClients: lowerAddresses(route.security?.allowed_ips),
    allowedMethods: allowed.map((text) => methods.get(text)!),
  };
}

function lowerWhen(routeKey: string, other: RouteWhen, context: RouteContext): WhenIr {
  const key = whenKey(routeKey, other.name);
  return {
    symbol: context.symbols.get(key)!,
    name: other.name,
    key,
    condition: lowerCondition(conditionOf(other), context.words),
    target: lowerTarget(other, context.upstreams),
  };
}

function lowerTarget(target: Target, upstreams: Upstreams): TargetIr {
  const type = target.type ?? routeDefaults.type;
  return type === "Proxy" ? lowerProxy(target, upstreams) : lowerFile(target);
}

function lowerProxy(route: Target, upstreams: Upstreams): ProxyIr {
  return {
    kind: "proxy",
    ...upstreams.target(route),
    preserveHost: route.preserve_host ?? routeDefaults.preserve_host,
  };
}

function lowerFile(route: Target): FileIr {
  assert(route.path !== undefined, "checked file route has no path");
  return {
    kind: "file",
    path: route.path,
    mode: route.mode ?? routeDefaults.mode,
    index: route.index ?? routeDefaults.index,
  };
}

function lowerLimits({ security }: Pick<Route, "security">): RouteLimitsIr {
  const limits = { ...routeSecurityDefaults, ...security };
  return {
    maxRequestBodySize: limits.max_request_body_size,
    maxChunkedBodySize: limits.max_chunked_body_size,
    maxRequestHeaderSize: limits.max_request_header_size,
    clientHeaderTimeoutSecs: limits.client_header_timeout_secs,
    clientBodyTimeoutSecs: limits.client_body_timeout_secs,
    backendConnectTimeoutSecs: limits.backend_connect_timeout_secs,
    maxIdleConnectionsPerHost: limits.max_idle_connections_per_host,
    idleConnectionTimeoutSecs: limits.idle_connection_timeout_secs,
    rateLimitRequestsPerMin: limits.rate_limit_requests_per_min,
  };
}

/** The limits of a route that sets none. */
export function defaultLimits(): RouteLimitsIr {
  return lowerLimits({});
}
