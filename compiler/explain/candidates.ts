// Every host pattern and prefix that might have taken a request, and why each did or did not. The
// generated matcher decides; this only finds the words, and `decision.ts` holds the two together.

import { hostPatternKind } from "../ir/host-pattern.ts";
import type { HostIr, Ir, RouteIr } from "../ir/ir.ts";

export interface Candidate {
  /** The TOML key path. */
  readonly key: string;
  readonly taken: boolean;
  readonly reason: string;
}

/** Host patterns in the order in which they are tried. */
export function hostCandidates(ir: Ir, host: string): Candidate[] {
  const winner = winningHost(ir, host);
  return ir.hosts.map((it) => ({
    key: it.key,
    taken: it === winner,
    reason: hostReason(it, host, winner),
  }));
}

export function winningHost(ir: Ir, host: string): HostIr | undefined {
  return ir.hosts.find(({ pattern }) => takesHost(pattern, host));
}

export function takesHost(pattern: string, host: string): boolean {
  switch (hostPatternKind(pattern)) {
    case "any":
      return true;
    case "exact":
      return pattern === host;
    case "below":
      return host.length >= pattern.length && host.endsWith(pattern.slice(1));
  }
}

function hostReason(it: HostIr, host: string, winner: HostIr | undefined): string {
  const { pattern } = it;
  const kind = hostPatternKind(pattern);
  if (it === winner) {
    if (kind === "any") return "takes every host";
    return kind === "exact" ? "is this host" : `is above ${host}`;
  }
  if (takesHost(pattern, host)) return `${winner?.pattern} is more specific and was asked first`;
  if (kind === "exact") return "is another host";
  if (host === pattern.slice(2)) return "takes what is below it, not the name itself";
  return `${host} is not below it`;
}

/** The routes of the host that took the request, longest prefix first. */
export function pathCandidates({ routes }: HostIr, path: string): Candidate[] {
  const winner = routes.find((route) => takesPath(route.prefix, path));
  return routes.map((route) => ({
    key: route.key,
    taken: route === winner,
    reason: pathReason(route, path, winner),
  }));
}

export function takesPath(prefix: string, path: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

function pathReason({ prefix }: RouteIr, path: string, winner: RouteIr | undefined): string {
  if (prefix === winner?.prefix) {
    return prefix === "" ? "takes every path" : `is the longest prefix of ${path}`;
  }
  if (takesPath(prefix, path)) return `${winner?.prefix} is longer`;
  if (path.startsWith(prefix)) return `${path} goes on after ${prefix} without a slash`;
  return `${path} does not begin with ${prefix}`;
}
