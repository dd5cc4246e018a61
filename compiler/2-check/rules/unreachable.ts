// A host in both sections: its path routes are never looked at.

import { parseHostPattern } from "../values/host-name.ts";
import type { RuleContext } from "./rule.ts";

export function checkUnreachable({ locator, report }: RuleContext): void {
  const takers = new Map<string, string>();
  for (const host of locator.keysOf(["host_routes"])) takers.set(normalHost(host), host);
  for (const host of locator.keysOf(["path_routes"])) {
    const taker = takers.get(normalHost(host));
    if (taker === undefined) continue;
    const label = { span: locator.key(["host_routes", taker]), text: "this takes every request" };
    const span = locator.key(["path_routes", host]);
    report.add("route/unreachable", span, { host }, { labels: [label] });
  }
}

function normalHost(host: string): string {
  const pattern = parseHostPattern(host);
  return pattern.ok ? pattern.value : host;
}
