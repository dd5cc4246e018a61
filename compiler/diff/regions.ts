// The requests of two configurations, cut into regions in each of which host and path decide the
// same way everywhere: one for each host pattern and prefix of either. A request is in the region
// of the most specific pattern that takes its host and of the longest prefix that takes its path.

import { takesHost } from "../explain/candidates.ts";
import { compareHostPatterns, hostPatternKind } from "../ir/host-pattern.ts";
import type { HostIr, Ir, RouteIr } from "../ir/ir.ts";

export interface Region {
  readonly pattern: string;
  readonly prefix: string;
  /** Paths that go on after the prefix, or the prefix alone, which loses nothing but itself. */
  readonly below: boolean;
  /** A request in it. */
  readonly host: string;
  readonly path: string;
  /** The route that takes its requests, in each configuration. */
  readonly before: RouteIr | undefined;
  readonly after: RouteIr | undefined;
}

/** A name that stands for all others. */
const OTHER_NAME = "other";

/** Every region in which at least one of the two has a route. */
export function regionsOf(before: Ir, after: Ir): Region[] {
  const hosts = jointPatterns(before, after);
  return hosts.flatMap((pattern) => {
    const host = hostIn(pattern, hosts);
    const old = before.hosts.find((it) => takesHost(it.pattern, host));
    const young = after.hosts.find((it) => takesHost(it.pattern, host));
    return pathRegions(pattern, host, old, young);
  });
}

/** The patterns of both in the order in which they are tried. */
function jointPatterns(before: Ir, after: Ir): string[] {
  const patterns = [...before.hosts, ...after.hosts].map(({ pattern }) => pattern);
  return [...new Set(patterns)].sort(compareHostPatterns);
}

/** A host that no more specific pattern takes. */
function hostIn(pattern: string, patterns: readonly string[]): string {
  if (hostPatternKind(pattern) === "exact") return pattern;
  for (let count = 0; ; count++) {
    const name = count === 0 ? OTHER_NAME : `${OTHER_NAME}${count}`;
    const host = pattern === "*" ? `${name}.invalid` : pattern.replace("*", name);
    if (patterns.find((it) => takesHost(it, host)) === pattern) return host;
  }
}

function pathRegions(
  pattern: string,
  host: string,
  old: HostIr | undefined,
  young: HostIr | undefined,
): Region[] {
  const all = [...(old?.routes ?? []), ...(young?.routes ?? [])].map(({ prefix }) => prefix);
  const prefixes = new Set([...all, ""]);
  const olds = byPrefix(old);
  const youngs = byPrefix(young);
  return [...prefixes].flatMap((prefix) => {
    const before = longest(olds, prefix);
    const after = longest(youngs, prefix);
    if (before === undefined && after === undefined) return [];
    const region = { pattern, prefix, host, before, after };
    const below = pathBelow(prefix, prefixes);
    const found: Region[] = [{ ...region, below: true, path: below }];
    if (prefix !== "") found.unshift({ ...region, below: false, path: prefix });
    return found;
  });
}

function byPrefix(host: HostIr | undefined): ReadonlyMap<string, RouteIr> {
  return new Map((host?.routes ?? []).map((route) => [route.prefix, route]));
}

/** The route with the longest prefix that takes everything `prefix` takes. */
function longest(routes: ReadonlyMap<string, RouteIr>, prefix: string): RouteIr | undefined {
  for (let at = prefix; ; at = at.slice(0, at.lastIndexOf("/"))) {
    const route = routes.get(at);
    if (route !== undefined || at === "") return route;
  }
}

/** A path below the prefix that no longer prefix takes. */
function pathBelow(prefix: string, prefixes: ReadonlySet<string>): string {
  for (let count = 0; ; count++) {
    const path = `${prefix}/${count === 0 ? OTHER_NAME : `${OTHER_NAME}${count}`}`;
    if (!prefixes.has(path)) return path;
  }
}
