// One function for each keyword of JSON Schema that the schema uses.

import schema from "../../schema/config.schema.json" with { type: "json" };
import { type SchemaNode, typesOf } from "../../schema/schema-node.ts";
import { printKey, printKeyPath } from "../1-read/key-path.ts";
import type { Locator } from "../1-read/locator.ts";
import type { Extra, Report } from "../diagnostics/report.ts";
import { nearestName } from "../diagnostics/suggestion.ts";
import { typeName } from "./plain-values.ts";
import type { SchemaError } from "./schema-check.ts";
import { unquotedHost } from "./unquoted-host.ts";

type Describe = (error: SchemaError, locator: Locator, report: Report) => void;

const DESCRIBERS: Readonly<Record<string, Describe>> = {
  additionalProperties: describeUnknownKey,
  required: describeMissingKey,
  type: describeType,
  enum: describeWord,
  minimum: describeRange,
  maximum: describeRange,
  minLength: describeEmpty,
  minItems: describeEmpty,
  minProperties: describeEmpty,
  propertyNames: describeEmptyName,
};

/** Adds the diagnostic of one schema error. Asserts that its keyword has words. */
export function describeSchemaError(error: SchemaError, locator: Locator, report: Report): void {
  const describe = DESCRIBERS[error.keyword];
  if (describe === undefined) throw new Error(`no words for the keyword ${error.keyword}`);
  describe(error, locator, report);
}

/** How the table that an error is about is called in a message. */
function tableName({ path, node }: SchemaError): string {
  if (path.length > 0) return printKeyPath(path);
  return isTestFile(node) ? "the test file" : "the configuration";
}

/** Of the two documents that are checked, the one without settings. */
function isTestFile(root: SchemaNode): boolean {
  return !Object.hasOwn(root.properties ?? {}, "server");
}

function describeUnknownKey(error: SchemaError, locator: Locator, report: Report): void {
  const key = String(error.params.additionalProperty);
  const path = [...error.path, key];
  const span = locator.key(path);
  const host = unquotedHost(error, key);
  if (host !== undefined) return report.add("route/unquoted-host", span, host);
  const known = Object.keys(error.node.properties ?? {});
  const near = nearestName(key, known);
  const params = { key: printKey(key), table: tableName(error) };
  if (near === undefined) {
    const home = homeOf(key, error);
    const hint = home ?? `remove it, or use one of ${known.join(", ")}`;
    return report.add("schema/unknown-key", span, params, { hint });
  }
  const taken = locator.has([...error.path, near]);
  const hint = `did you mean ${near}?`;
  const fix = { label: `rename to ${near}`, span, text: near };
  report.add("schema/unknown-key", span, params, taken ? { hint } : { hint, fix });
}

/** A hint for a key that exists, but in another table. */
function homeOf(key: string, { path, node }: SchemaError): string | undefined {
  if (path.length === 0 && isTestFile(node)) {
    return "remove it: the file holds [[tests]] and nothing else";
  }
  const root = schema as SchemaNode;
  const inRoute = path[0] === "host_routes" || path[0] === "path_routes";
  const has = (name: string): boolean =>
    Object.hasOwn(root.definitions?.[name]?.properties ?? {}, key);
  if (inRoute && has("RouteSecurity")) {
    return `${key} belongs into [${printKeyPath([...path, "security"])}]`;
  }
  for (const [section, node] of Object.entries(root.properties ?? {})) {
    if (has(node.$ref?.split("/").at(-1) ?? "")) {
      return `${key} belongs into [${section}]`;
    }
  }
  return undefined;
}

function describeMissingKey(error: SchemaError, locator: Locator, report: Report): void {
  const key = String(error.params.missingProperty);
  const params = { key, table: tableName(error) };
  const span = error.path.length === 0 ? { start: 0, end: 0 } : locator.key(error.path);
  report.add("schema/missing-key", span, params, { hint: exampleOf(key) });
}

/** What to add when a required key is missing; the schema has few of them. */
function exampleOf(key: string): string {
  const examples: Readonly<Record<string, string>> = {
    server: 'add [server] with listen = "0.0.0.0:8080"',
    listen: 'add listen = "0.0.0.0:8080"',
    servers: 'add servers = ["http://host:port"]',
    url: 'add url = "http://host:port"',
    tests: 'add [[tests]] with request = "GET http://host/path"',
  };
  return examples[key] ?? `add ${key}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: "a table",
  array: "an array",
  string: 'text in "quotes"',
  integer: "a whole number",
  boolean: "true or false",
};

function describeType(error: SchemaError, locator: Locator, report: Report): void {
  const { path, node, value } = error;
  const types = typesOf(node);
  const expected = types.map((type) => TYPE_NAMES[type]).join(" or ");
  const params = { key: printKeyPath(path), expected, actual: typeName(value) };
  report.add("schema/wrong-type", locator.value(path), params, typeExtra(error, locator));
}

function typeExtra(error: SchemaError, locator: Locator): Extra {
  const { path, node, value } = error;
  const types = typesOf(node);
  const span = locator.value(path);
  if (types.includes("object") && path[0] === "path_routes" && path.length <= 3) {
    return { hint: 'a path route is written [path_routes."example.com"."/prefix"]' };
  }
  if (types.includes("object") && path[0] === "host_routes" && path.length === 2) {
    return { hint: 'a host route is written [host_routes."example.com"]' };
  }
  if (typeof value === "string" && types.includes("integer") && /^\d{1,15}$/.test(value)) {
    const fix = { label: "remove the quotes", span, text: String(Number(value)) };
    return { hint: `write ${Number(value)} without quotes`, fix };
  }
  if (typeof value === "string" && types.includes("boolean")) {
    const word = value.toLowerCase();
    if (word !== "true" && word !== "false") return {};
    return {
      hint: `write ${word} without quotes`,
      fix: { label: "remove the quotes", span, text: word },
    };
  }
  if (typeof value === "string" && types.includes("array")) {
    const text = `[${JSON.stringify(value)}]`;
    return { hint: `write ${text}`, fix: { label: "make it an array", span, text } };
  }
  return {};
}

function describeWord(error: SchemaError, locator: Locator, report: Report): void {
  const { path, node } = error;
  const value = String(error.value);
  const words = node.enum ?? [];
  const allowed = words.map((word) => JSON.stringify(word)).join(", ");
  const span = locator.value(path);
  const near = nearestName(value, words);
  const params = { key: printKeyPath(path), value: JSON.stringify(value), allowed };
  if (near === undefined) return report.add("schema/unknown-value", span, params);
  const text = JSON.stringify(near);
  const fix = { label: `replace it by ${text}`, span, text };
  const hint = `did you mean ${text}? It is one of ${allowed}`;
  report.add("schema/unknown-value", span, params, { hint, fix });
}

function describeRange(error: SchemaError, locator: Locator, report: Report): void {
  const { path, node, value } = error;
  const minimum = node.minimum ?? 0;
  const maximum = node.maximum ?? Number.MAX_SAFE_INTEGER;
  const key = printKeyPath(path);
  const params = { key, value: String(value), minimum, maximum };
  const zero = value === 0n ? zeroHint(String(path.at(-1))) : undefined;
  const hint = `${zero}; choose a number from ${minimum} to ${maximum}`;
  const extra = zero === undefined ? {} : { hint };
  report.add("schema/out-of-range", locator.value(path), params, extra);
}

/** What people mean by a zero that is not allowed. */
function zeroHint(key: string): string | undefined {
  if (key.includes("timeout_")) return "0 is no way to wait for ever, it would wait for nothing";
  if (key === "weight") return "to send a server nothing, take it out of the list";
  return undefined;
}

function describeEmpty(error: SchemaError, locator: Locator, report: Report): void {
  report.add("schema/empty", locator.value(error.path), { key: printKeyPath(error.path) });
}

function describeEmptyName(error: SchemaError, locator: Locator, report: Report): void {
  const path = [...error.path, String(error.params.propertyName)];
  report.add(
    "schema/empty",
    locator.key(path),
    { key: `the name in ${printKeyPath(path)}` },
    { hint: "give it a name" },
  );
}
