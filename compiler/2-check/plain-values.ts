// Turns what smol-toml read into what JSON Schema can judge.

import { TomlDate, type TomlValue } from "smol-toml";

export type PlainValue = string | number | boolean | null | PlainValue[] | PlainTable;
export interface PlainTable {
  [key: string]: PlainValue;
}

/**
 * Integers become numbers, floats NaN and dates null, which no key of the schema takes: no setting
 * is a float or a date, and 4.0 is not 4 in TOML. An integer too large for a number loses digits,
 * but stays above every maximum of the schema.
 */
export function plainValue(value: TomlValue): PlainValue {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number") return Number.NaN;
  if (value instanceof TomlDate) return null;
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object") return value;
  // Without a prototype, a key named "__proto__" is an ordinary key.
  const table: PlainTable = Object.create(null);
  for (const [key, item] of Object.entries(value)) table[key] = plainValue(item);
  return table;
}

/** What a value is called in a diagnostic. */
export function typeName(value: TomlValue | undefined): string {
  if (typeof value === "string") return "text";
  if (typeof value === "bigint") return "a number";
  if (typeof value === "number") return "a number with a fraction or exponent";
  if (typeof value === "boolean") return String(value);
  if (value instanceof TomlDate) return "a date";
  return Array.isArray(value) ? "an array" : "a table";
}
