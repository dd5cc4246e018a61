// Request heads (RFC 9112 section 3) read over strings, with the strictness that the proxy
// promises.

import {
  isConnectionLong,
  keepsAlive,
  LinePattern,
  type ReferenceField,
  type Refusal,
  referenceFields,
  TOKEN,
  tokensOf,
  valuesOf,
} from "./reference-head.ts";
import { referenceHost, referencePath } from "./reference-target.ts";

export interface ReferenceRequest {
  /** Behind the head. */
  readonly end: number;
  readonly method: string;
  readonly target: string;
  readonly minorVersion: number;
  readonly fields: readonly ReferenceField[];
  readonly framing: "none" | "length" | "chunked";
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly wantsUpgrade: boolean;
  readonly host: string;
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly isAsterisk: boolean;
  /** The status of a head that is sound but not served, or 0. */
  readonly refusal: number;
}

const REQUEST_LINE = new LinePattern([
  `(${TOKEN}{1,32})`,
  " ",
  '([!"$-~]+)',
  ..." HTTP/",
  "([0-9])",
  "[.]",
  "([0-9])",
  "\\r",
  "\\n",
]);

/** Reads one head from the start of `text`, or says why there is none. */
export function referenceRequest(text: string): ReferenceRequest | Refusal {
  const skipped = (/^(?:\r\n){0,2}/.exec(text) as RegExpExecArray)[0].length;
  if (text.slice(skipped) === "\r") return "incomplete";
  const line = REQUEST_LINE.match(text, skipped);
  if (typeof line === "string") return line;
  const [whole, method, target, major, minor] = [...line] as [
    string,
    string,
    string,
    string,
    string,
  ];
  if (major !== "1") return "version";
  const section = referenceFields(text, skipped + whole.length);
  if (typeof section === "string") return section;
  const { fields, end } = section;
  const minorVersion = minor === "0" ? 0 : 1;
  const framing = framingOf(fields, minorVersion);
  const place = placeOf(method, target, fields, minorVersion);
  if (framing === undefined || place === undefined || isConnectionLong(fields)) return "bad";
  const wantsUpgrade =
    method === "GET" &&
    minorVersion === 1 &&
    framing.framing === "none" &&
    valuesOf(fields, "upgrade").length > 0 &&
    !tokensOf(fields, "upgrade").includes("h2c") &&
    tokensOf(fields, "connection").includes("upgrade");
  const keepAlive = keepsAlive(fields, minorVersion);
  const isHttps = /^https:/i.test(target) && method !== "CONNECT";
  const refusal = isHttps ? 421 : refusalOf(method, fields, minorVersion);
  const head = { end, method, target, minorVersion, fields, keepAlive, wantsUpgrade, refusal };
  return { ...head, ...framing, ...place };
}

type Framing = Pick<ReferenceRequest, "framing" | "contentLength">;

/** RFC 9112 section 6.3; undefined for what two servers could read in two ways. */
function framingOf(fields: readonly ReferenceField[], minorVersion: number): Framing | undefined {
  const lengths = valuesOf(fields, "content-length");
  if (valuesOf(fields, "transfer-encoding").length > 0) {
    if (lengths.length > 0 || minorVersion === 0) return undefined;
    return { framing: "chunked", contentLength: 0 };
  }
  if (lengths.length === 0) return { framing: "none", contentLength: 0 };
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0] as string)) return undefined;
  const contentLength = Number(lengths[0]);
  return { framing: contentLength > 0 ? "length" : "none", contentLength };
}

type Place = Pick<ReferenceRequest, "host" | "authority" | "path" | "query" | "isAsterisk">;

/** Where the request goes: host from Host or the absolute form, path and query. */
function placeOf(
  method: string,
  target: string,
  fields: readonly ReferenceField[],
  minorVersion: number,
): Place | undefined {
  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1 || (hosts.length === 0 && minorVersion === 1)) return undefined;
  const authority = hosts[0] ?? "";
  const host = hosts.length === 0 ? "" : referenceHost(authority);
  if (host === undefined) return undefined;
  const named = { host, authority, isAsterisk: false };
  if (target.startsWith("/")) return withPath(named, target);
  if (target === "*") {
    return method === "OPTIONS" ? { ...named, path: "*", query: "", isAsterisk: true } : undefined;
  }
  if (method === "CONNECT") return { ...named, path: "", query: "" };
  const absolute = /^https?:\/\/([^/?]*)(.*)$/i.exec(target);
  if (absolute === null) return undefined;
  const [, other, rest] = absolute as unknown as [string, string, string];
  const otherHost = referenceHost(other);
  if (otherHost === undefined) return undefined;
  const replaced = { host: otherHost, authority: other, isAsterisk: false };
  return withPath(replaced, rest.startsWith("/") ? rest : `/${rest}`);
}

function withPath(named: Omit<Place, "path" | "query">, text: string): Place | undefined {
  const mark = text.indexOf("?");
  const path = referencePath(mark < 0 ? text : text.slice(0, mark));
  if (path === undefined) return undefined;
  return { ...named, path, query: mark < 0 ? "" : text.slice(mark) };
}

function refusalOf(
  method: string,
  fields: readonly ReferenceField[],
  minorVersion: number,
): number {
  const codings = valuesOf(fields, "transfer-encoding").map((value) => value.toLowerCase());
  if (codings.length > 1 || codings.some((coding) => coding !== "chunked")) return 501;
  const expectations = valuesOf(fields, "expect").map((value) => value.toLowerCase());
  if (minorVersion === 1 && expectations.some((expectation) => expectation !== "100-continue"))
    return 417;
  return method === "CONNECT" ? 501 : 0;
}
