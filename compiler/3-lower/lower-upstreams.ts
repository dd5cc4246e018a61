// Groups of servers: the named ones, and a group of one behind each origin that a route's `url`
// names. Routes with the same origin share its group, and with it the pool of connections.

import assert from "node:assert/strict";
import {
  type Config,
  type HealthCheck,
  healthCheckDefaults,
  type Route,
  type Upstream,
  type UpstreamServer,
  upstreamDefaults,
  upstreamServerDefaults,
} from "../../schema/config.generated.ts";
import { printKeyPath } from "../1-read/key-path.ts";
import { type ProxyUrl, parseProxyUrl } from "../2-check/values/proxy-url.ts";
import { compareCodeUnits } from "../ir/host-pattern.ts";
import type { HealthCheckIr, UpstreamIr, UpstreamServerIr } from "../ir/ir.ts";
import { assignSymbols } from "./symbols.ts";

/** The groups of a configuration, and the way from a route to its group. */
export interface Upstreams {
  readonly all: readonly UpstreamIr[];
  /** The group of a proxy route, and the path of its `url`. */
  target(route: Route): { upstream: UpstreamIr; basePath: string };
}

/** `routes` are the proxy routes that a request can reach. */
export function lowerUpstreams(config: Config, routes: readonly Route[]): Upstreams {
  const named = Object.entries(config.upstreams ?? {}).map(([name, upstream]) =>
    lowerNamed(name, upstream),
  );
  const urls = routes.flatMap(({ url }) => (url === undefined ? [] : [readUrl(url)]));
  const origins = new Map(urls.map((url) => [originOf(url), lowerOrigin(url)]));
  const groups = [...named, ...origins.values()].sort((a, b) => compareCodeUnits(a.id, b.id));
  const symbols = assignSymbols(groups.map(({ id, name }) => ({ id, words: name })));
  const all = groups.map((group) => ({ ...group, symbol: symbols.get(group.id)! }));
  const byId = new Map(all.map((upstream) => [upstream.id, upstream]));
  const find = (id: string): UpstreamIr => {
    const upstream = byId.get(id);
    assert(upstream, `checked config refers to no upstream: ${id}`);
    return upstream;
  };
  return {
    all,
    target({ url, upstream }) {
      if (upstream !== undefined) return { upstream: find(namedId(upstream)), basePath: "" };
      assert(url !== undefined, "checked proxy route has neither url nor upstream");
      const read = readUrl(url);
      return { upstream: find(originId(originOf(read))), basePath: read.path.replace(/\/+$/, "") };
    },
  };
}

type UnnamedUpstream = Omit<UpstreamIr, "symbol">;

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
    algorithm: upstream.algorithm ?? upstreamDefaults.algorithm,
    servers: upstream.servers.map(lowerServer),
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
    algorithm: upstreamDefaults.algorithm,
    servers: [lowerUrl(url, upstreamServerDefaults.weight)],
    healthCheck: undefined,
  };
}

function lowerServer(server: UpstreamServer): UpstreamServerIr {
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
