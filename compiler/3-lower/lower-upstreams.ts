// Groups of servers: the named ones, and a group of one behind each origin that a route's `url`
// names. Routes with the same origin share its group, and with it the pool of connections.

import assert from "node:assert/strict";
import {
  type Config,
  type HealthCheck,
  healthCheckDefaults,
  type Route,
  type RouteWhen,
  routeDefaults,
  type Upstream,
  type UpstreamServer,
  upstreamDefaults,
  upstreamServerDefaults,
} from "../../schema/config.generated.ts";
import { printKeyPath } from "../1-read/key-path.ts";
import { type ProxyUrl, parseProxyUrl } from "../2-check/values/proxy-url.ts";
import type { HealthCheckIr, UpstreamIr, UpstreamServerIr } from "../ir/ir.ts";
import { compareCodeUnits } from "../ir/order.ts";
import { assignSymbols } from "./symbols.ts";

/** What says where requests go: a route, or another target of one. */
export type Target = Route | RouteWhen;

/** The groups of a configuration, and the way from a route to its group. */
export interface Upstreams {
  readonly all: readonly UpstreamIr[];
  /** The group of a proxy route, and the path of its `url`. */
  target(route: Target): { upstream: UpstreamIr; basePath: string };
}

/** `routes` are the proxy routes and targets that a request can reach. */
export function lowerUpstreams(config: Config, routes: readonly Target[]): Upstreams {
  const named = Object.entries(config.upstreams ?? {}).flatMap(([name, upstream]) => {
    const group = lowerNamed(name, upstream);
    const users = routes.filter((route) => route.upstream === name);
    return users.length === 0 ? [group] : users.map((route) => withTrust(group, route));
  });
  const origins = routes.flatMap((route) =>
    route.url === undefined ? [] : [withTrust(lowerOrigin(readUrl(route.url)), route)],
  );
  const distinct = new Map([...named, ...origins].map((group) => [group.id, group]));
  const groups = [...distinct.values()].sort((a, b) => compareCodeUnits(a.id, b.id));
  const symbols = assignSymbols(groups.map((group) => ({ id: group.id, words: wordsOf(group) })));
  const all = groups.map((group) => ({ ...group, symbol: symbols.get(group.id)! }));
  const byId = new Map(all.map((upstream) => [upstream.id, upstream]));
  const find = (id: string): UpstreamIr => {
    const upstream = byId.get(id);
    assert(upstream, `checked config refers to no upstream: ${id}`);
    return upstream;
  };
  return {
    all,
    target(route) {
      const { url, upstream } = route;
      if (upstream !== undefined) {
        const group = lowerNamed(upstream, config.upstreams![upstream]!);
        return { upstream: find(withTrust(group, route).id), basePath: "" };
      }
      assert(url !== undefined, "checked proxy route has neither url nor upstream");
      const read = readUrl(url);
      const { id } = withTrust(lowerOrigin(read), route);
      return { upstream: find(id), basePath: read.path.replace(/\/+$/, "") };
    },
  };
}

type UnnamedUpstream = Omit<UpstreamIr, "symbol">;

/** What the symbol is made of: groups that differ in trust alone differ in it too. */
function wordsOf({ name, tlsVerify, tlsCaPath }: UnnamedUpstream): string {
  if (!tlsVerify) return `${name} unverified`;
  return tlsCaPath === undefined ? name : `${name} ${tlsCaPath}`;
}

/**
 * The group for a route: verification is the route's affair, and a connection that was verified
 * otherwise must never be shared. Routes that agree have one group.
 */
function withTrust(group: UnnamedUpstream, route: Target): UnnamedUpstream {
  const tlsVerify = route.tls_verify ?? routeDefaults.tls_verify;
  const tlsCaPath = tlsVerify ? route.tls_ca_path : undefined;
  const plain = group.servers.every(({ tls }) => !tls);
  if (plain || (tlsVerify && tlsCaPath === undefined)) return group;
  const trust = tlsVerify
    ? `tls_ca_path = ${JSON.stringify(tlsCaPath)}`
    : `tls_verify = ${tlsVerify}`;
  return { ...group, id: `${group.id}, ${trust}`, tlsVerify, tlsCaPath };
}

function namedId(name: string): string {
  return printKeyPath(["upstreams", name]);
}

function originId(origin: string): string {
  return `url ${JSON.stringify(origin)}`;
}

function lowerNamed(name: string, upstream: Upstream): UnnamedUpstream {
  return {
    id: namedId(name),
    name,
    origin: false,
    algorithm: upstream.algorithm ?? upstreamDefaults.algorithm,
    tlsVerify: true,
    tlsCaPath: undefined,
    servers: upstream.servers.map(lowerUpstreamServer),
    healthCheck: upstream.health_check && lowerHealthCheck(upstream.health_check),
  };
}

function lowerHealthCheck(healthCheck: HealthCheck): HealthCheckIr {
  const check = { ...healthCheckDefaults, ...healthCheck };
  return {
    intervalSecs: check.interval_secs,
    path: check.path,
    timeoutSecs: check.timeout_secs,
    healthyStatuses: [...new Set(check.healthy_statuses)].sort((a, b) => a - b),
    unhealthyThreshold: check.unhealthy_threshold,
    healthyThreshold: check.healthy_threshold,
  };
}

function lowerOrigin(url: ProxyUrl): UnnamedUpstream {
  return {
    id: originId(originOf(url)),
    name: originOf(url),
    origin: true,
    algorithm: upstreamDefaults.algorithm,
    tlsVerify: true,
    tlsCaPath: undefined,
    servers: [lowerUrl(url, upstreamServerDefaults.weight)],
    healthCheck: undefined,
  };
}

export function lowerUpstreamServer(server: UpstreamServer): UpstreamServerIr {
  if (typeof server === "string") return lowerUrl(readUrl(server), upstreamServerDefaults.weight);
  return lowerUrl(readUrl(server.url), server.weight ?? upstreamServerDefaults.weight);
}

function lowerUrl({ tls, host, port, authority }: ProxyUrl, weight: number): UpstreamServerIr {
  return { tls, host, port, authority, weight };
}

function readUrl(text: string): ProxyUrl {
  const url = parseProxyUrl(text);
  assert(url.ok, `checked config has a URL that is none: ${text}`);
  return url.value;
}

function originOf({ tls, authority }: ProxyUrl): string {
  return `${tls ? "https" : "http"}://${authority}`;
}
