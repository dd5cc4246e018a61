// A request as people write it down: a method, a URL, headers. Used by `[[tests]]` and by the
// commands that ask what becomes of a request.

import { parseHostName, splitPort } from "./host-name.ts";
import { parseIp } from "./ip-address.ts";
import { type Parsed, parsed, refused } from "./parsed.ts";
import { isToken } from "./token.ts";

export interface WrittenRequest {
  readonly method: string;
  /** What goes into the Host header. */
  readonly authority: string;
  /** Path and query, as they are sent. */
  readonly target: string;
}

/** What a client may send in a target; the rest is written as an escape. */
const TARGET = /^\/[\x21-\x7e]*$/;

/** Reads `GET http://example.com/path?query`; a URL without a path means "/". */
export function parseRequestLine(text: string): Parsed<WrittenRequest> {
  const words = text.trim().split(/\s+/);
  const [method = "", url] = words;
  if (url === undefined) return refused('write a method and a URL, such as "GET http://host/path"');
  if (words.length > 2) return refused("a space in a URL is written %20");
  return parseRequest(method, url);
}

/** Reads a method and a URL with scheme and host. */
export function parseRequest(method: string, url: string): Parsed<WrittenRequest> {
  if (!isToken(method)) return refused(`${JSON.stringify(method)} is not a method`);
  const match = /^https?:\/\/([^/?#]*)([^#]*)(#.*)?$/i.exec(url);
  if (match === null) return refused("the URL starts with http:// or https:// and a host");
  const [, authority = "", rest = "", fragment] = match;
  if (fragment !== undefined) return refused("a fragment (the part after #) is never sent");
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  if (!TARGET.test(target)) return refused("what a URL cannot hold is written as an escape");
  const { name, port } = splitPort(authority);
  const host = name.startsWith("[") ? parseIp(name.slice(1, -1)) : parseHostName(name);
  if (!host.ok) return refused(`the host cannot be used: ${host.reason}`);
  if (port !== undefined && Number(port) > 65535) return refused("ports go up to 65535");
  return parsed({ method, authority, target });
}

/** Why a header cannot be sent, or undefined. */
export function whyNoHeader(name: string, value: string): string | undefined {
  if (!isToken(name)) return "its name has characters that a name cannot have";
  if (/[\0\r\n]/.test(value)) return "its value has a line break";
  return undefined;
}

/** The head that a client sends for it, without the empty line at its end. */
export function requestHead(
  { method, authority, target }: WrittenRequest,
  headers: readonly (readonly [name: string, value: string])[],
): string {
  const host = headers.some(([name]) => name.toLowerCase() === "host");
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${target} HTTP/1.1`, ...(host ? [] : [`Host: ${authority}`]), ...lines].join(
    "\r\n",
  );
}
