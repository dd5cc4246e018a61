// Plain values of the schema as TOML writes them: its defaults and examples.

import { printKey } from "../1-read/key-path.ts";

/** A value in one line. */
export function printTomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printTomlValue).join(", ")}]`;
  if (typeof value === "string") return printText(value);
  if (typeof value !== "object" || value === null) return String(value);
  const pairs = Object.entries(value).map(
    ([key, item]) => `${printKey(key)} = ${printTomlValue(item)}`,
  );
  return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
}

/** Text in double quotes. JSON and TOML agree on the escapes, except for the delete character. */
export function printText(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007F");
}
