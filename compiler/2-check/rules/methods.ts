// Methods are tokens. Any token may be a method of somebody's own, but "get" is a mistake for GET.

import type { Extra } from "../../diagnostics/report.ts";
import { type PlacedRoute, type RuleContext, routesOf, routeType } from "./rule.ts";

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The methods of RFC 9110, PATCH (RFC 5789) and those of WebDAV that people meet. */
const KNOWN = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
  ...["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"],
]);

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
    if (routeType(context, placed) === "File") checkFileMethods(context, placed);
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

function whyNoMethod(method: string): string | undefined {
  if (method === "") return "it is empty";
  if (method === "*") return "all methods are allowed when the list is absent";
  if (!TOKEN.test(method)) return "it has characters that a method cannot have";
  const upper = method.toUpperCase();
  if (method === upper || !KNOWN.has(upper)) return undefined;
  return `methods are case-sensitive, and ${upper} is in upper case`;
}

function upperCase(method: string, span: { start: number; end: number }): Extra {
  if (!KNOWN.has(method.toUpperCase())) return {};
  const text = JSON.stringify(method.toUpperCase());
  return { hint: `write ${text}`, fix: { label: `replace it by ${text}`, span, text } };
}
