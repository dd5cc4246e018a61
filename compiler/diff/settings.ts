// Settings that no single request shows, of the server and of groups of servers; those of routes
// are in `route-settings.ts`. Compared as they hold, with defaults filled in.

import type { Config } from "../../schema/config.generated.ts";
import schema from "../../schema/config.schema.json" with { type: "json" };
import { resolveNode, type SchemaNode } from "../../schema/schema-node.ts";
import { printKeyPath } from "../1-read/key-path.ts";
import type { SettingChange } from "./change.ts";
import { markOf, takesRestart } from "./setting-marks.ts";
import { requestsOf } from "./setting-requests.ts";

const ROOT = schema as SchemaNode;
/** The tables that every configuration has one of at most; the others hold names. */
const SECTIONS = Object.entries(ROOT.properties ?? {})
  .filter(([, node]) => node.$ref !== undefined)
  .map(([name]) => name as keyof Config);

type Values = Readonly<Record<string, unknown>>;

export function settingChanges(before: Config, after: Config): SettingChange[] {
  const sections = SECTIONS.flatMap((name) =>
    compareTables([name], nodeOf(name), before[name] as Values, after[name] as Values),
  );
  return [...sections, ...upstreamChanges(before, after)];
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
  // A group's own name is no key, whatever it is.
  const requests = path.length > 2 ? requestsOf(path.at(-1)!, old, young) : undefined;
  const about = requests === undefined ? {} : { requests };
  return [{ key, mark: "neutral", before: text(old), after: text(young), ...about }];
}

/** The keys of a table that hold plain values; tables in it are compared by their own call. */
function compareTables(
  path: readonly string[],
  node: SchemaNode,
  before: Values | undefined,
  after: Values | undefined,
): SettingChange[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    if (resolveNode(ROOT, child).type === "object") return [];
    const place = printKeyPath(path);
    const [old, young] = [before, after].map((table) => table?.[key] ?? child.default);
    return settingChange([place, place], key, old, young);
  });
}

/** A key of two tables, when it holds something else. */
export function settingChange(
  [was, is]: readonly [before: string, after: string],
  name: string,
  old: unknown,
  young: unknown,
): SettingChange[] {
  if (JSON.stringify(old) === JSON.stringify(young)) return [];
  const requests = requestsOf(name, old, young);
  const key = `${is}.${name}`;
  return [
    {
      key,
      ...(was === is ? {} : { was: `${was}.${name}` }),
      mark: markOf(name, old, young),
      before: show(old),
      after: show(young),
      ...(requests === undefined ? {} : { requests }),
      ...(takesRestart(key) ? { takesRestart: true } : {}),
    },
  ];
}

function show(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value);
}

function union(a: object | undefined, b: object | undefined): string[] {
  return [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].sort();
}
