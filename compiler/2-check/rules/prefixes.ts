// Path prefixes are request paths in normal form, and no two of a host mean the same.

import { type KeyPath, printKey } from "../../1-read/key-path.ts";
import { normalPath, parsePath } from "../values/request-path.ts";
import type { RuleContext } from "./rule.ts";

export function checkPrefixes(context: RuleContext): void {
  const { config, locator } = context;
  for (const host of locator.keysOf(["path_routes"])) {
    const earlier = new Map<string, string>();
    for (const prefix of locator.keysOf(["path_routes", host])) {
      if (config.path_routes?.[host]?.[prefix] === undefined) continue;
      checkPrefix(context, ["path_routes", host], prefix, earlier);
    }
  }
}

function checkPrefix(
  { locator, report, damaged }: RuleContext,
  hostPath: KeyPath,
  prefix: string,
  earlier: Map<string, string>,
): void {
  const span = locator.key([...hostPath, prefix]);
  const path = parsePath(prefix);
  if (!path.ok) {
    // A piece of a host name without quotes, which is told already.
    if (/^[\w-]+$/.test(prefix) && damaged([...hostPath, prefix])) return;
    const params = { prefix: JSON.stringify(prefix), reason: path.reason };
    return report.add("route/invalid-prefix", span, params, normalForm(prefix, span));
  }
  if (prefix.includes("*")) {
    const before = JSON.stringify(prefix.replace(/[^/]*\*.*$/, ""));
    const fix = { label: `replace it by ${before}`, span, text: before };
    report.add("route/star-in-prefix", span, { prefix: JSON.stringify(prefix), before }, { fix });
  }
  const normal = prefix === "/" ? prefix : prefix.replace(/\/$/, "");
  const first = earlier.get(normal);
  earlier.set(normal, first ?? prefix);
  if (first === undefined) return;
  const labels = [{ span: locator.key([...hostPath, first]), text: "the first is here" }];
  const params = { prefix: printKey(prefix), earlier: printKey(first) };
  report.add("route/duplicate", span, params, { labels });
}

function normalForm(prefix: string, span: { start: number; end: number }) {
  const path = prefix.replace(/[?#].*$/, "");
  const normal = normalPath(path.startsWith("/") ? path : `/${path}`);
  if (normal === undefined) return {};
  const text = JSON.stringify(normal);
  return { hint: `write ${text}`, fix: { label: `replace it by ${text}`, span, text } };
}
