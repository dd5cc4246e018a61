// A route says what it needs for its type, and nothing that only the other type reads.

import type { DraftRoute } from "../draft.ts";
import { type PlacedTarget, type RuleContext, routeType, targetsOf } from "./rule.ts";

const FILE_KEYS = ["path", "mode", "index"] as const satisfies (keyof DraftRoute)[];
const PROXY_KEYS = [
  "url",
  "upstream",
  "preserve_host",
  "tls_verify",
  "tls_ca_path",
] as const satisfies (keyof DraftRoute)[];

export function checkRouteBackends(context: RuleContext): void {
  for (const placed of targetsOf(context)) {
    const type = routeType(context, placed);
    if (type === "File") checkFileRoute(context, placed);
    if (type === "Proxy") checkProxyRoute(context, placed);
  }
}

function checkFileRoute(context: RuleContext, placed: PlacedTarget): void {
  const foreign = reportForeign(context, placed, PROXY_KEYS, "File", "Proxy");
  const { locator, report, damaged } = context;
  // With a Proxy key in it, the route was most likely meant to be one, which is told already.
  if (foreign || locator.has([...placed.path, "path"]) || damaged(placed.path)) return;
  report.add("route/missing-path", locator.key(placed.path), {});
}

function checkProxyRoute(context: RuleContext, placed: PlacedTarget): void {
  reportForeign(context, placed, FILE_KEYS, "Proxy", "File");
  const { locator, report, damaged } = context;
  const url = [...placed.path, "url"];
  const upstream = [...placed.path, "upstream"];
  if (locator.has(url) && locator.has(upstream)) {
    const labels = [{ span: locator.key(upstream), text: "the other is here" }];
    report.add("route/url-and-upstream", locator.key(url), {}, { labels });
  }
  if (locator.has(url) || locator.has(upstream) || damaged(placed.path)) return;
  report.add("route/no-backend", locator.key(placed.path), {});
}

/** Reports keys of the other type; true when there was one. */
function reportForeign(
  { locator, report }: RuleContext,
  { path }: PlacedTarget,
  keys: readonly string[],
  type: string,
  owner: string,
): boolean {
  const present = keys.filter((key) => locator.has([...path, key]));
  for (const key of present) {
    report.add("route/key-without-effect", locator.key([...path, key]), { key, type, owner });
  }
  return present.length > 0;
}
