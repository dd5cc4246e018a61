// Settings that no single request shows: of the server, of groups of servers, and the limits of
// routes that are about time and rates. Compared as they hold, with defaults filled in.

import type { Config, Route } from "../../schema/config.generated.ts";
import schema from "../../schema/config.schema.json" with { type: "json" };
import { resolveNode, type SchemaNode } from "../../schema/schema-node.ts";
import { printKeyPath } from "../1-read/key-path.ts";
import type { SettingChange } from "./change.ts";
import { markOf } from "./setting-marks.ts";
import { requestsOf } from "./setting-requests.ts";

const ROOT = schema as SchemaNode;
/** The tables that every configuration has one of at most; the others hold names. */
const SECTIONS = Object.entries(ROOT.properties ?? {})
  .filter(([, node]) => node.$ref !== undefined)
  .map(([name]) => name as keyof Config);

/** What requests show by themselves, and is compared with them. */
const SHOWN_BY_REQUESTS = new Set([
  ...["type", "path", "index", "url", "upstream", "preserve_host", "security"],
  ...["max_request_body_size", "max_request_header_size", "allowed_methods"],
  ...["allowed_ips", "denied_ips", "when", "name", "if"],
]);

type Values = Readonly<Record<string, unknown>>;

export function settingChanges(before: Config, after: Config): SettingChange[] {
  const sections = SECTIONS.flatMap((name) =>
    compareTables([name], nodeOf(name), before[name] as Values, after[name] as Values),
  );
  return [...sections, ...upstreamChanges(before, after), ...routeChanges(before, after)];
}

function nodeOf(section: string): SchemaNode {
  return resolveNode(ROOT, ROOT.properties![section]!);
}

function definition(name: string): SchemaNode {
  return ROOT.definitions![name]!;
}

function upstreamChanges(before: Config, after: Config): SettingChange[] {
  const names = union(before.upstreams, after.upstreams);
  return names.flatMap((name) => {
    const old = before.upstreams?.[name] as Values | undefined;
    const young = after.upstreams?.[name] as Values | undefined;
    const path = ["upstreams", name];
    const whole = [present(path, old, young)].flat();
    if (whole.length > 0 || old === undefined || young === undefined) return whole;
    const servers = compareTables(path, definition("Upstream"), old, young);
    const check = [...path, "health_check"];
    const [oldCheck, youngCheck] = [old.health_check as Values, young.health_check as Values];
    const checks = present(check, oldCheck, youngCheck);
    if (checks.length > 0) return [...servers, ...checks];
    return [...servers, ...compareTables(check, definition("HealthCheck"), oldCheck, youngCheck)];
  });
}

function present(path: readonly string[], old: unknown, young: unknown): SettingChange[] {
  if ((old === undefined) === (young === undefined)) return [];
  const text = (value: unknown): string => (value === undefined ? "absent" : "present");
  const key = printKeyPath(path);
  const requests = requestsOf(path.at(-1)!, old, young);
  const about = path.length > 2 && requests !== undefined ? { requests } : {};
  return [{ key, mark: "neutral", before: text(old), after: text(young), ...about }];
}

function routeChanges(before: Config, after: Config): SettingChange[] {
  const olds = routesByKey(before);
  const youngs = routesByKey(after);
  return [...youngs].flatMap(([key, { path, route }]) => {
    const old = olds.get(key)?.route;
    if (old === undefined) return [];
    return [
      ...compareTables(path, definition("Route"), old as Values, route as Values),
      ...targetChanges(path, old, route),
      ...compareTables(
        [...path, "security"],
        definition("RouteSecurity"),
        old.security as Values,
        route.security as Values,
      ),
    ];
  });
}

/** Other targets that are in both, by name. */
function targetChanges(path: readonly string[], old: Route, young: Route): SettingChange[] {
  return (young.when ?? []).flatMap((target) => {
    const before = old.when?.find(({ name }) => name === target.name);
    if (before === undefined) return [];
    const node = definition("RouteWhen");
    const place = [...path, "when", target.name];
    return compareTables(place, node, before as unknown as Values, target as unknown as Values);
  });
}

function routesByKey({ host_routes = {}, path_routes = {} }: Config) {
  const routes = new Map<string, { path: readonly string[]; route: Route }>();
  const add = (path: readonly string[], route: Route): void => {
    routes.set(printKeyPath(path), { path, route });
  };
  for (const [host, route] of Object.entries(host_routes)) add(["host_routes", host], route);
  for (const [host, table] of Object.entries(path_routes)) {
    for (const [prefix, route] of Object.entries(table)) add(["path_routes", host, prefix], route);
  }
  return routes;
}

/** The keys of a table that hold plain values; tables in it are compared by their own call. */
function compareTables(
  path: readonly string[],
  node: SchemaNode,
  before: Values | undefined,
  after: Values | undefined,
): SettingChange[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const isTable = resolveNode(ROOT, child).type === "object";
    if (SHOWN_BY_REQUESTS.has(key) || isTable) return [];
    const old = before?.[key] ?? child.default;
    const young = after?.[key] ?? child.default;
    if (JSON.stringify(old) === JSON.stringify(young)) return [];
    const name = printKeyPath([...path, key]);
    const requests = requestsOf(key, old, young);
    const values = { before: show(old), after: show(young) };
    const about = requests === undefined ? {} : { requests };
    return [{ key: name, mark: markOf(key, old, young), ...values, ...about }];
  });
}

function show(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value);
}

function union(a: object | undefined, b: object | undefined): string[] {
  return [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].sort();
}
