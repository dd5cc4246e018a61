// Settings that no single request shows: of the server, of groups of servers, and the limits of
// routes that are about time and rates. Compared as they hold, with defaults filled in.

import type { Config, Route } from "../../schema/config.generated.ts";
import schema from "../../schema/config.schema.json" with { type: "json" };
import { resolveNode, type SchemaNode } from "../../schema/schema-node.ts";
import { printKeyPath } from "../1-read/key-path.ts";
import type { Mark, SettingChange } from "./change.ts";

const ROOT = schema as SchemaNode;
/** The tables that every configuration has one of at most; the others hold names. */
const SECTIONS = Object.entries(ROOT.properties ?? {})
  .filter(([, node]) => node.$ref !== undefined)
  .map(([name]) => name as keyof Config);

/** What requests show by themselves, and is compared with them. */
const SHOWN_BY_REQUESTS = new Set([
  ...["type", "path", "index", "url", "upstream", "preserve_host", "security"],
  ...["max_request_body_size", "max_request_header_size", "allowed_methods"],
  ...["allowed_ips", "denied_ips"],
]);

/** Keys of which a larger value lets more through; 0 is no limit where the flag says so. */
const LARGER_IS_WIDER: ReadonlyMap<string, { readonly zeroIsNone: boolean }> = new Map([
  ["max_chunked_body_size", { zeroIsNone: false }],
  ["client_header_timeout_secs", { zeroIsNone: false }],
  ["client_body_timeout_secs", { zeroIsNone: false }],
  ["rate_limit_requests_per_min", { zeroIsNone: true }],
  ["max_concurrent_connections", { zeroIsNone: true }],
]);

/** Lists of which a further entry lets more in. */
const MORE_IS_WIDER = new Set(["listen", "trusted_proxies"]);
/** Keys whose absence is the weaker choice. */
const ABSENT_IS_WIDER = new Set(["drop_privileges_user", "cert_path", "key_path"]);

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
    const health = definition("HealthCheck");
    return [
      ...compareTables(path, definition("Upstream"), old, young),
      ...compareTables(
        [...path, "health_check"],
        health,
        old.health_check as Values,
        young.health_check as Values,
      ),
    ];
  });
}

function present(path: readonly string[], old: unknown, young: unknown): SettingChange[] {
  if ((old === undefined) === (young === undefined)) return [];
  const text = (value: unknown): string => (value === undefined ? "absent" : "present");
  const key = printKeyPath(path);
  return [{ key, mark: "neutral", before: text(old), after: text(young) }];
}

function routeChanges(before: Config, after: Config): SettingChange[] {
  const olds = routesByKey(before);
  const youngs = routesByKey(after);
  return [...youngs].flatMap(([key, { path, route }]) => {
    const old = olds.get(key)?.route;
    if (old === undefined) return [];
    return [
      ...compareTables(path, definition("Route"), old as Values, route as Values),
      ...compareTables(
        [...path, "security"],
        definition("RouteSecurity"),
        old.security as Values,
        route.security as Values,
      ),
    ];
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
    return [{ key: name, mark: markOf(key, old, young), before: show(old), after: show(young) }];
  });
}

function show(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value);
}

function markOf(key: string, old: unknown, young: unknown): Mark {
  const rule = LARGER_IS_WIDER.get(key);
  if (rule !== undefined) {
    const size = (value: unknown): number =>
      rule.zeroIsNone && value === 0 ? Number.POSITIVE_INFINITY : Number(value);
    return size(young) > size(old) ? "wider" : "narrower";
  }
  if (MORE_IS_WIDER.has(key)) {
    const more = asList(young).some((item) => !asList(old).includes(item));
    return more ? "wider" : "narrower";
  }
  if (ABSENT_IS_WIDER.has(key)) {
    if (young === undefined) return "wider";
    return old === undefined ? "narrower" : "neutral";
  }
  if (key === "min_version") return String(young) < String(old) ? "wider" : "narrower";
  if (key === "tls_verify") return young === false ? "wider" : "narrower";
  return "neutral";
}

function asList(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function union(a: object | undefined, b: object | undefined): string[] {
  return [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].sort();
}
