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
import { type PlacedRoute, type RuleContext, routesOf } from "./rule.ts";

/** What `expect.route` says for a request that no route takes. */
export const NO_ROUTE = "none";

/** Where tests are written: in the configuration, or in a file beside it. */
type TestContext = Pick<RuleContext, "config" | "locator" | "report">;

export function checkRouteTests(context: RuleContext): void {
  checkTests(context, context);
}

/** `about`: the configuration that the tests are about; undefined: it is not known. */
export function checkTests(context: TestContext, about: RuleContext | undefined): void {
  const { tests } = context.config;
  if (tests === undefined) return;
  // Once for all tests: there may be thousands of both.
  const routes = new Map((about ? routesOf(about) : []).map((it) => [printKeyPath(it.path), it]));
  tests.forEach((test, index) => {
    checkRequest(context, test, ["tests", index]);
    if (about === undefined) return;
    checkExpected(context, about, routes, test, ["tests", index, "expect"]);
  });
}

/** By key path. */
type Routes = ReadonlyMap<string, PlacedRoute>;

function checkRequest(
  { locator, report }: TestContext,
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

function checkExpected(
  { locator, report }: TestContext,
  about: RuleContext,
  routes: Routes,
  { expect }: Draft<RouteTest>,
  path: KeyPath,
): void {
  const { route, upstream, when } = expect ?? {};
  if (route !== undefined && route !== NO_ROUTE && !routes.has(route)) {
    const span = locator.value([...path, "route"]);
    report.add("test/unknown-route", span, { route }, nearest(route, [...routes.keys()], span));
  }
  if (when !== undefined) {
    const targets = targetNames(routes, route);
    const span = locator.value([...path, "when"]);
    const extra = () => nearest(when, targets, span);
    if (!targets.includes(when)) report.add("test/unknown-when", span, { when }, extra());
  }
  if (upstream !== undefined && !about.locator.has(["upstreams", upstream])) {
    const groups = about.locator.keysOf(["upstreams"]);
    const span = locator.value([...path, "upstream"]);
    report.add("test/unknown-upstream", span, { upstream }, nearest(upstream, groups, span));
  }
}

/** The names of other targets: those of the route when it is named, else of all. */
function targetNames(routes: Routes, route: string | undefined): string[] {
  const one = route === undefined ? undefined : routes.get(route);
  const placed = route === undefined ? [...routes.values()] : one === undefined ? [] : [one];
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
