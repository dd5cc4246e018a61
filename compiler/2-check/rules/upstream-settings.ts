// Settings of groups that contradict each other or change nothing.

import { healthCheckDefaults } from "../../../schema/config.generated.ts";
import type { RuleContext } from "./rule.ts";

export function checkHealthTimes({ config, locator, report }: RuleContext): void {
  for (const name of locator.keysOf(["upstreams"])) {
    const check = config.upstreams?.[name]?.health_check;
    if (check === undefined) continue;
    const timeout = check.timeout_secs ?? healthCheckDefaults.timeout_secs;
    const interval = check.interval_secs ?? healthCheckDefaults.interval_secs;
    if (timeout <= interval) continue;
    const path = ["upstreams", name, "health_check"];
    const key = check.timeout_secs === undefined ? "interval_secs" : "timeout_secs";
    report.add("upstream/health-timeout", locator.value([...path, key]), { timeout, interval });
  }
}

/** Weights say how servers differ; with all of them equal they say nothing. */
export function checkWeights({ config, locator, report, damaged }: RuleContext): void {
  for (const name of locator.keysOf(["upstreams"])) {
    const servers = config.upstreams?.[name]?.servers ?? [];
    const path = ["upstreams", name, "servers"];
    const weights = servers.map((it) => (typeof it === "string" ? undefined : it.weight));
    const same = weights.every((weight) => weight === weights[0]);
    if (weights[0] === undefined || !same || damaged(path)) continue;
    const reason = weights.length === 1 ? "the group has one server" : "all servers have the same";
    const span = locator.value([...path, 0, "weight"]);
    report.add("upstream/weight-without-effect", span, { reason });
  }
}
