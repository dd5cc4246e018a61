// Host patterns in normal form: their kinds, and the order in which they are tried.

import { compareCodeUnits } from "./order.ts";

/** What a pattern takes: one host, every host below a domain, or every host. */
export function hostPatternKind(pattern: string): "exact" | "below" | "any" {
  if (pattern === "*") return "any";
  return pattern.startsWith("*.") ? "below" : "exact";
}

/** The order in which patterns are tried: exact, longer wildcards before shorter ones, "*". */
export function compareHostPatterns(a: string, b: string): number {
  return rank(a) - rank(b) || compareCodeUnits(a, b);
}

function rank(pattern: string): number {
  const kind = hostPatternKind(pattern);
  // No host name is longer than 253 bytes, so a wildcard's rank lies between the two others.
  if (kind === "below") return 100_000 - pattern.length;
  return kind === "exact" ? 0 : 200_000;
}
