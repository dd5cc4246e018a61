// Reports keys of unsupported-keys.ts whose value would switch the feature on.

import { type KeyPath, printKeyPath } from "../../1-read/key-path.ts";
import type { RuleContext } from "./rule.ts";
import { type UnsupportedKey, unsupportedKeys } from "./unsupported-keys.ts";

export function checkSupport(context: RuleContext): void {
  for (const row of unsupportedKeys) visit(context, row, [], context.config);
}

/** Follows the pattern of a row through the configuration; `value` is what stands at `path`. */
function visit(context: RuleContext, row: UnsupportedKey, path: KeyPath, value: unknown): void {
  const step = row.path[path.length];
  if (step === undefined) return checkValue(context, row, path, value);
  if (typeof value !== "object" || value === null) return;
  const keys = step === "*" ? Object.keys(value) : [step];
  for (const key of keys) {
    const item = (value as Readonly<Record<string, unknown>>)[key];
    const next = Array.isArray(value) ? Number(key) : key;
    if (item !== undefined) visit(context, row, [...path, next], item);
  }
}

function checkValue(
  { locator, report }: RuleContext,
  { off }: UnsupportedKey,
  path: KeyPath,
  value: unknown,
): void {
  const span = locator.key(path);
  const text = JSON.stringify(value);
  if (off?.some((it) => JSON.stringify(it) === text)) return;
  const values = (off ?? []).filter((it) => typeof it !== "object").map((it) => JSON.stringify(it));
  const what = printKeyPath(path);
  const shown = typeof value === "object" ? what : `${what} = ${text}`;
  const remedy =
    values.length === 0 ? `remove ${what}` : `remove it, or write ${values.join(" or ")}`;
  report.add("config/not-supported-yet", span, { what: shown }, { hint: remedy });
}
