// Validates against the schema with ajv, and says what ajv found in our own words.

import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { TomlTable, TomlValue } from "smol-toml";
import schema from "../../schema/config.schema.json" with { type: "json" };
import { EDITOR_KEYWORDS, type SchemaNode } from "../../schema/schema-node.ts";
import type { KeyPath } from "../1-read/key-path.ts";
import type { Locator } from "../1-read/locator.ts";
import type { Report } from "../diagnostics/report.ts";
import { nearestName } from "../diagnostics/suggestion.ts";
import type { DraftConfig } from "./draft.ts";
import { type PlainTable, type PlainValue, plainValue } from "./plain-values.ts";
import { describeSchemaError } from "./schema-words.ts";

/** An error of ajv with what is needed to describe it. */
export interface SchemaError {
  readonly keyword: string;
  /** Where the value stands that ajv refused. */
  readonly path: KeyPath;
  readonly params: Readonly<Record<string, unknown>>;
  /** The schema the value should have fitted. */
  readonly node: SchemaNode;
  readonly value: TomlValue | undefined;
  /** Set when it is a key that was refused, and not its value. */
  readonly keyName?: string;
}

export interface SchemaResult {
  /** The configuration without the parts that were refused. */
  readonly draft: DraftConfig;
  /** Paths of tables and values that lost something. */
  readonly refused: readonly KeyPath[];
}

const validators = new Map<SchemaNode, ValidateFunction>();

function validate(node: SchemaNode, values: PlainTable): ErrorObject[] {
  const known = validators.get(node);
  const validator =
    known ??
    new Ajv({
      strict: true,
      allErrors: true,
      verbose: true,
      allowUnionTypes: true,
      keywords: EDITOR_KEYWORDS,
    }).compile(node);
  if (known === undefined) validators.set(node, validator);
  return validator(values) ? [] : (validator.errors ?? []);
}

const CONFIG_SCHEMA = schema as SchemaNode;

/** Reports what the schema refuses, and returns the rest for the rules. */
export function checkSchema(values: TomlTable, locator: Locator, report: Report): SchemaResult {
  return checkAgainst(CONFIG_SCHEMA, values, locator, report);
}

/** The same for a schema that is a part of a configuration's. */
export function checkAgainst(
  node: SchemaNode,
  values: TomlTable,
  locator: Locator,
  report: Report,
): SchemaResult {
  const plain = plainValue(values) as PlainTable;
  const errors = validate(node, plain).map((error) => schemaError(error, values));
  const told = explained(errors);
  for (const error of told) describeSchemaError(error, locator, report);
  const refused = told.map(culprit);
  for (const path of refused) remove(plain, path);
  return { draft: plain as DraftConfig, refused };
}

function schemaError(error: ErrorObject, values: TomlTable): SchemaError {
  const path = pathOf(error.instancePath, values);
  return {
    keyword: error.keyword,
    path,
    params: error.params as Readonly<Record<string, unknown>>,
    node: (error.parentSchema ?? {}) as SchemaNode,
    value: valueAt(values, path),
    ...(error.propertyName === undefined ? {} : { keyName: error.propertyName }),
  };
}

/** A JSON pointer as a key path: steps into arrays become numbers. */
function pathOf(pointer: string, values: TomlTable): KeyPath {
  const path: (string | number)[] = [];
  let value: TomlValue | undefined = values;
  for (const step of pointer.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(value) ? Number(key) : key);
    value = valueAt(value, path.slice(-1));
  }
  return path;
}

function valueAt(root: TomlValue | undefined, path: KeyPath): TomlValue | undefined {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object") return undefined;
    value = (value as Record<string | number, TomlValue>)[step];
  }
  return value;
}

/**
 * Leaves out errors that another one explains: a value of the wrong type also fails its list of
 * words, a bad name of a key is told once, and a misspelt key is not missing as well.
 */
function explained(errors: readonly SchemaError[]): SchemaError[] {
  const wrongType = new Set(
    errors.filter(({ keyword }) => keyword === "type").map(({ path }) => JSON.stringify(path)),
  );
  const isMisspelt = (table: KeyPath, key: string): boolean =>
    errors.some(
      ({ keyword, path, params }) =>
        keyword === "additionalProperties" &&
        JSON.stringify(path) === JSON.stringify(table) &&
        nearestName(String(params.additionalProperty), [key]) !== undefined,
    );
  return errors.filter(({ keyword, path, keyName, params }) => {
    if (keyword === "type" || keyword === "propertyNames") return true;
    if (keyName !== undefined) return false;
    if (keyword === "required" && isMisspelt(path, String(params.missingProperty))) return false;
    return !wrongType.has(JSON.stringify(path));
  });
}

/** The path of what has to go so that the rest fits the schema. */
function culprit({ keyword, path, params }: SchemaError): KeyPath {
  if (keyword === "additionalProperties") return [...path, String(params.additionalProperty)];
  if (keyword === "propertyNames") return [...path, String(params.propertyName)];
  if (keyword === "required") return [...path, String(params.missingProperty)];
  return path;
}

function remove(plain: PlainTable, path: KeyPath): void {
  let parent: PlainValue | undefined = plain;
  for (const step of path.slice(0, -1)) {
    if (typeof parent !== "object" || parent === null) return;
    parent = (parent as Record<string | number, PlainValue>)[step];
  }
  const last = path.at(-1);
  if (typeof parent !== "object" || parent === null || last === undefined) return;
  delete (parent as Record<string | number, PlainValue>)[last];
}
