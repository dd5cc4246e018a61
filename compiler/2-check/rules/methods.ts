// Methods are tokens. Any token may be a method of somebody's own, but "get" is a mistake for GET.

import type { Extra } from "../../diagnostics/report.ts";
import { type RuleContext, routesOf } from "./rule.ts";

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The methods of RFC 9110, PATCH (RFC 5789) and those of WebDAV that people meet. */
const KNOWN = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
  ...["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"],
]);

export function checkMethods(context: RuleContext): void {
  const { locator, report } = context;
  for (const { route, path } of routesOf(context)) {
    route.security?.allowed_methods?.forEach((method, index) => {
      const reason = whyNoMethod(method);
      if (reason === undefined) return;
      const span = locator.value([...path, "security", "allowed_methods", index]);
      const params = { method: JSON.stringify(method), reason };
      report.add("route/invalid-method", span, params, upperCase(method, span));
    });
  }
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
