// Limits of routes that contradict each other, or that nothing reads.

import { type RouteSecurity, routeSecurityDefaults } from "../../../schema/config.generated.ts";
import { type PlacedRoute, type RuleContext, routesOf, routeTypes } from "./rule.ts";

/** Read before the route is known, so that the largest value of any route holds until then. */
const READ_EARLY = ["max_request_header_size", "client_header_timeout_secs"] as const;

/** What only a route that passes requests on reads. */
const PROXY_LIMITS = [
  "backend_connect_timeout_secs",
  "max_idle_connections_per_host",
  "idle_connection_timeout_secs",
] as const satisfies (keyof RouteSecurity)[];

export function checkRouteLimits(context: RuleContext): void {
  const routes = routesOf(context);
  for (const placed of routes) {
    const types = routeTypes(context, placed);
    if (types.includes("Proxy")) checkChunked(context, placed);
    if (types.every((type) => type === "File")) checkFileLimits(context, placed);
  }
  for (const key of READ_EARLY) checkReadEarly(context, routes, key);
}

/** A client that sends its body in chunks must not get more through than one that says its size. */
function checkChunked({ locator, report }: RuleContext, { route, path }: PlacedRoute): void {
  const body = route.security?.max_request_body_size;
  if (body === undefined) return;
  const chunked = route.security?.max_chunked_body_size;
  const actual = chunked ?? routeSecurityDefaults.max_chunked_body_size;
  if (actual <= body) return;
  const security = [...path, "security"];
  const bodyKey = locator.key([...security, "max_request_body_size"]);
  const params = { body, chunked: actual };
  if (chunked === undefined) {
    const hint = `add max_chunked_body_size = ${body}; its default is ${actual}`;
    return report.add("route/chunked-above-body", bodyKey, params, { hint });
  }
  const span = locator.value([...security, "max_chunked_body_size"]);
  const labels = [{ span: bodyKey, text: "the limit of other bodies" }];
  const fix = { label: `write ${body}`, span, text: String(body) };
  report.add("route/chunked-above-body", span, params, { labels, fix });
}

function checkFileLimits({ locator, report }: RuleContext, { path }: PlacedRoute): void {
  for (const key of PROXY_LIMITS) {
    const place = [...path, "security", key];
    if (locator.has(place)) report.add("route/limit-without-effect", locator.key(place), { key });
  }
}

function checkReadEarly(
  { locator, report }: RuleContext,
  routes: readonly PlacedRoute[],
  key: (typeof READ_EARLY)[number],
): void {
  const limitOf = ({ route }: PlacedRoute): number =>
    route.security?.[key] ?? routeSecurityDefaults[key];
  const largest = routes.reduce<PlacedRoute | undefined>(
    (best, it) => (best === undefined || limitOf(it) > limitOf(best) ? it : best),
    undefined,
  );
  if (largest === undefined) return;
  const largestPath = [...largest.path, "security", key];
  const declared = locator.has(largestPath);
  const labels = [
    declared
      ? { span: locator.value(largestPath), text: "the largest of all routes" }
      : { span: locator.key(largest.path), text: `here the default is ${limitOf(largest)}` },
  ];
  for (const placed of routes) {
    const value = placed.route.security?.[key];
    if (value === undefined || value >= limitOf(largest)) continue;
    const span = locator.value([...placed.path, "security", key]);
    report.add(
      "route/limit-applies-late",
      span,
      { key, value, largest: limitOf(largest) },
      { labels },
    );
  }
}
