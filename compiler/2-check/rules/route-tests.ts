// Requests of `[[tests]]` can be asked, and what they expect can come true.

import type { RouteTest } from "../../../schema/config.generated.ts";
import { type KeyPath, printKeyPath } from "../../1-read/key-path.ts";
import type { Extra } from "../../diagnostics/report.ts";
import type { Span } from "../../diagnostics/span.ts";
import { nearestName } from "../../diagnostics/suggestion.ts";
import type { Draft } from "../draft.ts";
import { parseIp } from "../values/ip-address.ts";
import { parseRequestLine, whyNoHeader } from "../values/request-line.ts";
import { OWN_TARGET } from "./conditions.ts";
import { type RuleContext, routesOf } from "./rule.ts";

/** What `expect.route` says for a request that no route takes. */
export const NO_ROUTE = "none";

export function checkRouteTests(context: RuleContext): void {
  context.config.tests?.forEach((test, index) => {
    checkRequest(context, test, ["tests", index]);
    checkExpected(context, test, ["tests", index, "expect"]);
  });
}

function checkRequest(
  { locator, report }: RuleContext,
  { request, client_ip, headers }: Draft<RouteTest>,
  path: KeyPath,
): void {
  if (request !== undefined) {
    const line = parseRequestLine(request);
    const params = { request: JSON.stringify(request), reason: line.ok ? "" : line.reason };
    if (!line.ok) report.add("test/invalid-request", locator.value([...path, "request"]), params);
  }
  if (client_ip !== undefined) {
    const address = parseIp(client_ip);
    const params = { value: JSON.stringify(client_ip), reason: address.ok ? "" : address.reason };
    if (!address.ok)
      report.add("test/invalid-client", locator.value([...path, "client_ip"]), params);
  }
  for (const [name, value] of Object.entries(headers ?? {})) {
    const reason = value === undefined ? undefined : whyNoHeader(name, value);
    if (reason === undefined) continue;
    report.add("test/invalid-header", locator.key([...path, "headers", name]), { name, reason });
  }
}

function checkExpected(context: RuleContext, { expect }: Draft<RouteTest>, path: KeyPath): void {
  const { locator, report } = context;
  const { route, upstream, when } = expect ?? {};
  const routes = routesOf(context).map((it) => printKeyPath(it.path));
  if (route !== undefined && route !== NO_ROUTE && !routes.includes(route)) {
    const span = locator.value([...path, "route"]);
    report.add("test/unknown-route", span, { route }, nearest(route, routes, span));
  }
  const targets = targetNames(context, route);
  if (when !== undefined && !targets.includes(when)) {
    const span = locator.value([...path, "when"]);
    report.add("test/unknown-when", span, { when }, nearest(when, targets, span));
  }
  const groups = locator.keysOf(["upstreams"]);
  if (upstream !== undefined && !groups.includes(upstream)) {
    const span = locator.value([...path, "upstream"]);
    report.add("test/unknown-upstream", span, { upstream }, nearest(upstream, groups, span));
  }
}

/** The names of other targets: those of the route when it is named, else of all. */
function targetNames(context: RuleContext, route: string | undefined): string[] {
  const placed = routesOf(context).filter(
    ({ path }) => route === undefined || printKeyPath(path) === route,
  );
  const names = placed.flatMap((it) =>
    [...(it.route.when ?? [])].map((other) => other?.name ?? ""),
  );
  return [...names, OWN_TARGET];
}

function nearest(name: string, names: readonly string[], span: Span): Extra {
  const near = nearestName(name, names);
  if (near === undefined) return {};
  // A key path has double quotes of its own, which single ones need not escape.
  const text = near.includes("'") ? JSON.stringify(near) : `'${near}'`;
  return { hint: `did you mean ${near}?`, fix: { label: `replace it by ${near}`, span, text } };
}
