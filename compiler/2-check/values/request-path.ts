// Request paths in normal form, the form in which the runtime compares them: escapes of unreserved
// characters decoded (RFC 3986 section 2.3), other escapes in upper case, no dot segments.

import { type Parsed, parsed, refused } from "./parsed.ts";

const UNRESERVED = /[A-Za-z0-9._~-]/;
/** What may stand in a path without an escape: RFC 3986 pchar and the slash. */
const PATH_CHARACTER = /[A-Za-z0-9._~!$&'()*+,;=:@/-]/;

/** Reads a path that is already in normal form, or refuses it; `normalPath` can tell what it is. */
export function parsePath(text: string): Parsed<string> {
  if (!text.startsWith("/")) return refused('does not start with "/"');
  if (text.includes("?")) return refused("has a query, which takes no part in routing");
  if (text.includes("#")) return refused("has a fragment, which clients never send");
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return refused("has a % that is not an escape");
  if (/%00|%[01][0-9a-f]|%7f/i.test(text)) return refused("has an escaped control character");
  for (const character of text.replace(/%../g, "")) {
    if (!PATH_CHARACTER.test(character)) {
      return refused(`has ${JSON.stringify(character)}, which must be written as an escape`);
    }
  }
  const normal = normalPath(text);
  if (normal === undefined) return refused("climbs above the root");
  if (normal !== text) return refused("is not in normal form");
  return parsed(text);
}

/** The normal form of a path that starts with a slash; undefined when it climbs above the root. */
export function normalPath(text: string): string | undefined {
  const escaped = encodeRaw(text).replace(/%([0-9A-Fa-f]{2})/g, (whole, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(character) ? character : whole.toUpperCase();
  });
  return withoutDotSegments(escaped);
}

/** Escapes what may not stand in a path; a `%` that starts no escape becomes `%25`. */
function encodeRaw(text: string): string {
  let out = "";
  for (const character of text.replace(/%(?![0-9A-Fa-f]{2})/g, "%25")) {
    const plain = PATH_CHARACTER.test(character) || character === "%";
    out += plain ? character : escapeCharacter(character);
  }
  return out;
}

function escapeCharacter(character: string): string {
  // Half of a surrogate pair has no UTF-8 form.
  return encodeURIComponent(/^[\ud800-\udfff]$/.test(character) ? "\ufffd" : character);
}

/** RFC 3986 section 5.2.4, except that a step above the root is refused. */
function withoutDotSegments(path: string): string | undefined {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === "..") {
      if (kept.pop() === undefined) return undefined;
    } else if (segment !== ".") {
      kept.push(segment);
      continue;
    }
    if (last) kept.push("");
  }
  return `/${kept.join("/")}`;
}
