// Recognises `[host_routes.example.com]`, which TOML reads as tables within tables.

import type { TomlValue } from "smol-toml";
import { printKeyPath } from "../1-read/key-path.ts";
import type { SchemaError } from "./schema-check.ts";

/**
 * For an unknown key in a route: the host name it is a part of, and how the header should read.
 * Undefined when the key does not look like a piece of a host name.
 */
export function unquotedHost(
  error: SchemaError,
  key: string,
): { host: string; key: string } | undefined {
  const [section, ...names] = error.path;
  if (section !== "host_routes" && section !== "path_routes") return undefined;
  const steps: string[] = [...names.map(String), key];
  let value = tableIn(error.value, key);
  if (value === undefined) return undefined;
  // Follow the dots: a table whose only content is another table is one more piece of the name.
  for (let only = onlyTable(value); only !== undefined; only = onlyTable(value)) {
    if (only === "security") break;
    steps.push(only);
    value = tableIn(value, only) ?? {};
  }
  const slash = steps.findIndex((step) => step.startsWith("/"));
  if (steps.slice(0, slash < 0 ? undefined : slash).some((step) => !/^[\w*-]+$/.test(step))) {
    return undefined;
  }
  const host = steps.slice(0, slash < 0 ? undefined : slash).join(".");
  const prefix = section === "path_routes" ? [steps[slash] ?? "/"] : [];
  return { host, key: `[${printKeyPath([section, host, ...prefix])}]` };
}

function tableIn(table: TomlValue | undefined, key: string): TomlValue | undefined {
  if (!isTable(table)) return undefined;
  const value = (table as Record<string, TomlValue>)[key];
  return isTable(value) ? value : undefined;
}

function onlyTable(table: TomlValue): string | undefined {
  const keys = isTable(table) ? Object.keys(table) : [];
  const key = keys.length === 1 ? keys[0] : undefined;
  return key !== undefined && tableIn(table, key) !== undefined ? key : undefined;
}

function isTable(value: TomlValue | undefined): boolean {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}
