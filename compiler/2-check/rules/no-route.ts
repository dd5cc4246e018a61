// A configuration without routes answers nothing.

import type { RuleContext } from "./rule.ts";

export function checkAnyRoute({ locator, report }: RuleContext): void {
  const hosts = [...locator.keysOf(["host_routes"]), ...locator.keysOf(["path_routes"])];
  if (hosts.length > 0) return;
  const section = locator.has(["path_routes"]) ? "path_routes" : "host_routes";
  const span = locator.has([section]) ? locator.key([section]) : { start: 0, end: 0 };
  report.add("config/no-route", span, {});
}
