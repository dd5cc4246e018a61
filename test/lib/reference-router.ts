// Routing said as plainly as possible, over the IR and with strings, to hold the generated matchers
// against. It follows the rules of "Routing" in the reference of configuration keys and shares
// nothing with the matchers, not even their order of patterns.

import type { HostIr, Ir, RouteIr } from "zproxy/compiler/ir/ir.ts";

/** The route of a request whose host and path are in normal form, or undefined (404). */
export function referenceRoute(ir: Ir, host: string, path: string): RouteIr | undefined {
  const best = mostSpecific(ir.hosts.filter(({ pattern }) => takesHost(pattern, host)));
  const routes = (best?.routes ?? []).filter(({ prefix }) => takesPath(prefix, path));
  // Longest prefix: two that take the same path and are equally long would be the same.
  return routes.reduce<RouteIr | undefined>(
    (longest, route) =>
      longest === undefined || route.prefix.length > longest.prefix.length ? route : longest,
    undefined,
  );
}

function takesHost(pattern: string, host: string): boolean {
  if (pattern === "*") return true;
  if (!pattern.startsWith("*.")) return host === pattern;
  const domain = pattern.slice("*".length);
  return host.endsWith(domain) && host.length > domain.length;
}

/** Exact beats wildcard, longer wildcard beats shorter, "*" is last. */
function mostSpecific(hosts: readonly HostIr[]): HostIr | undefined {
  const exact = hosts.find(({ pattern }) => !pattern.startsWith("*"));
  if (exact) return exact;
  let longest: HostIr | undefined;
  for (const host of hosts) {
    if (longest === undefined || host.pattern.length > longest.pattern.length) longest = host;
  }
  return longest;
}

/** A prefix takes itself and what is below its slash boundary; "" takes everything. */
function takesPath(prefix: string, path: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

export function referenceAllowsMethod(route: RouteIr, method: string): boolean {
  const allowed = route.allowedMethods.map(({ text }) => text);
  return allowed.length === 0 || allowed.includes(method);
}
