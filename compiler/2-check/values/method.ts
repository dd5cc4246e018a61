// Methods are tokens. Any token may be a method of somebody's own, but "get" is a mistake for GET.

import { isToken } from "./token.ts";

/** The methods of RFC 9110, PATCH (RFC 5789) and those of WebDAV that people meet. */
const KNOWN = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
  ...["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"],
]);

/** Why a text is no method, or undefined. */
export function whyNoMethod(method: string): string | undefined {
  if (method === "") return "it is empty";
  if (method === "*") return "all methods are allowed when the list is absent";
  if (!isToken(method)) return "it has characters that a method cannot have";
  const upper = method.toUpperCase();
  if (method === upper || !KNOWN.has(upper)) return undefined;
  return `methods are case-sensitive, and ${upper} is in upper case`;
}

/** The method that was meant by one in the wrong case. */
export function knownMethod(method: string): string | undefined {
  const upper = method.toUpperCase();
  return KNOWN.has(upper) ? upper : undefined;
}
