// Routes refer to groups that exist, and every group is referred to.

import { printKey } from "../../1-read/key-path.ts";
import type { Extra } from "../../diagnostics/report.ts";
import { nearestName } from "../../diagnostics/suggestion.ts";
import { type RuleContext, targetsOf } from "./rule.ts";

export function checkRouteUpstreams(context: RuleContext): void {
  const { locator, report } = context;
  const names = locator.keysOf(["upstreams"]);
  for (const { route, path } of targetsOf(context)) {
    const name = route.upstream;
    if (name === undefined || locator.has(["upstreams", name])) continue;
    const span = locator.value([...path, "upstream"]);
    report.add("upstream/not-found", span, { name }, notFoundExtra(name, names, span));
  }
}

function notFoundExtra(
  name: string,
  names: readonly string[],
  span: { start: number; end: number },
): Extra {
  const near = nearestName(name, names);
  if (near === undefined) return { hint: `add [upstreams.${printKey(name)}] with servers` };
  const text = JSON.stringify(near);
  return { hint: `did you mean ${text}?`, fix: { label: `replace it by ${text}`, span, text } };
}

export function checkUnusedUpstreams(context: RuleContext): void {
  const { config, locator, report, damaged } = context;
  // A route that lost a key may be the one that refers to the group.
  if (damaged(["host_routes"]) || damaged(["path_routes"])) return;
  const used = new Set(targetsOf(context).map(({ route }) => route.upstream));
  const missing = [...used].filter(
    (name) => name !== undefined && !locator.has(["upstreams", name]),
  );
  for (const name of locator.keysOf(["upstreams"])) {
    if (used.has(name) || config.upstreams?.[name] === undefined) continue;
    // A misspelt reference is told already, and the unused group is the one that was meant.
    if (missing.some((it) => nearestName(it ?? "", [name]) !== undefined)) continue;
    report.add("upstream/unused", locator.key(["upstreams", name]), { name });
  }
}
