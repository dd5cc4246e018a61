// Lists of methods hold methods, each once, and for files only what files answer.

import type { Extra } from "../../diagnostics/report.ts";
import { knownMethod, whyNoMethod } from "../values/method.ts";
import { type PlacedRoute, type RuleContext, routesOf, routeTypes } from "./rule.ts";

/** What a File route answers; to all else it says 405. */
const FILE_METHODS = ["GET", "HEAD"];

export function checkMethods(context: RuleContext): void {
  const { locator, report } = context;
  for (const placed of routesOf(context)) {
    const { route, path } = placed;
    route.security?.allowed_methods?.forEach((method, index) => {
      const reason = whyNoMethod(method);
      if (reason === undefined) return;
      const span = locator.value([...path, "security", "allowed_methods", index]);
      const params = { method: JSON.stringify(method), reason };
      report.add("route/invalid-method", span, params, upperCase(method, span));
    });
    checkRepeated(context, placed);
    const types = routeTypes(context, placed);
    if (types.every((type) => type === "File")) checkFileMethods(context, placed);
  }
}

function checkRepeated({ locator, report }: RuleContext, { route, path }: PlacedRoute): void {
  const list = [...path, "security", "allowed_methods"];
  const earlier = new Map<string, number>();
  route.security?.allowed_methods?.forEach((method, index) => {
    const first = earlier.get(method);
    earlier.set(method, first ?? index);
    if (first === undefined) return;
    const labels = [{ span: locator.value([...list, first]), text: "the first is here" }];
    const params = { method: JSON.stringify(method) };
    report.add("route/duplicate-method", locator.value([...list, index]), params, { labels });
  });
}

function checkFileMethods({ locator, report }: RuleContext, { route, path }: PlacedRoute): void {
  const methods = route.security?.allowed_methods ?? [];
  const list = [...path, "security", "allowed_methods"];
  const usable = methods.some((method) => FILE_METHODS.includes(method));
  // A method that is none has been told about, and may have been meant to be one of the two.
  if (methods.some((method) => whyNoMethod(method) !== undefined)) return;
  if (methods.length > 0 && !usable) return report.add("route/no-method", locator.key(list), {});
  methods.forEach((method, index) => {
    if (FILE_METHODS.includes(method)) return;
    const params = { method: JSON.stringify(method) };
    report.add("route/method-without-effect", locator.value([...list, index]), params);
  });
}

function upperCase(method: string, span: { start: number; end: number }): Extra {
  const known = knownMethod(method);
  if (known === undefined) return {};
  const text = JSON.stringify(known);
  return { hint: `write ${text}`, fix: { label: `replace it by ${text}`, span, text } };
}
