// A host with routes of its own hides the wildcards that would take it: a path that none of its
// prefixes takes is answered 404, whatever they say.

import { printKeyPath } from "../../1-read/key-path.ts";
import { compareHostPatterns, hostPatternKind } from "../../ir/host-pattern.ts";
import { parseHostPattern } from "../values/host-name.ts";
import type { RuleContext } from "./rule.ts";

const SECTIONS = ["host_routes", "path_routes"] as const;

export function checkHiddenWildcards(context: RuleContext): void {
  const { locator, report } = context;
  const wildcards = wildcardsOf(context);
  if (wildcards.length === 0) return;
  const taken = new Set(locator.keysOf(["host_routes"]).map(normalHost));
  for (const host of locator.keysOf(["path_routes"])) {
    const normal = normalHost(host);
    const prefixes = locator.keysOf(["path_routes", host]);
    if (normal === undefined || taken.has(normal) || prefixes.includes("/")) continue;
    const hidden = wildcards.find(({ pattern }) => takes(pattern, normal));
    if (hidden === undefined) continue;
    const labels = [{ span: locator.key(hidden.path), text: "this is not asked" }];
    const params = { host, wildcard: JSON.stringify(hidden.pattern) };
    const hint = `add [${printKeyPath(["path_routes", host, "/"])}] if it should take them`;
    const span = locator.key(["path_routes", host]);
    report.add("route/hides-wildcard", span, params, { labels, hint });
  }
}

/** The wildcards of both sections in the order in which they are tried. */
function wildcardsOf({ locator }: RuleContext) {
  return SECTIONS.flatMap((section) =>
    locator.keysOf([section]).flatMap((host) => {
      const pattern = normalHost(host);
      if (pattern === undefined || hostPatternKind(pattern) === "exact") return [];
      return [{ pattern, path: [section, host] }];
    }),
  ).sort((a, b) => compareHostPatterns(a.pattern, b.pattern));
}

/** Whether a wildcard takes every host of another, narrower pattern. */
function takes(wildcard: string, pattern: string): boolean {
  if (wildcard === pattern) return false;
  if (wildcard === "*") return true;
  return pattern.replace(/^\*/, "").endsWith(wildcard.slice(1));
}

function normalHost(host: string): string | undefined {
  const pattern = parseHostPattern(host);
  return pattern.ok ? pattern.value : undefined;
}
