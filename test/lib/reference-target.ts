// The normal form of paths and hosts said as plainly as possible, over strings: what the scanners
// that work on bytes in place are held against.

import { isIPv6 } from "node:net";
import { referenceAddress, shortIpv6 } from "./reference-address.ts";

const HOST_LENGTH_MAX = 255;
const PORT_MAX = 65535;

/**
 * The normal form of a path (RFC 3986 section 6.2.2), without its query, or undefined for one that
 * is refused: a character that stands in no path, a bad escape, an escaped control character, or a
 * climb above the root.
 */
export function referencePath(path: string): string | undefined {
  if (/["<>\\`{}]/.test(path)) return undefined;
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return undefined;
  if (/%(?:[01]|7f)/i.test(path)) return undefined;
  const decoded = path.replace(/%../g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : triplet.toUpperCase();
  });
  const kept: string[] = [];
  const segments = decoded.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    if (segment === ".." && kept.pop() === undefined) return undefined;
    if (segment !== "." && segment !== "..") kept.push(segment);
    else if (index === segments.length - 1) kept.push("");
  }
  return `/${kept.join("/")}`;
}

/**
 * The host of an authority in normal form: lower-case, without port and trailing dot; an IPv6
 * address in its shortest form, without brackets. Undefined for an authority that is refused.
 */
export function referenceHost(authority: string): string | undefined {
  const parts = /^(\[[^\]]*\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?$/.exec(authority);
  if (parts === null || Number(parts[2] ?? 0) > PORT_MAX) return undefined;
  const name = parts[1] as string;
  const bare = name.startsWith("[") ? name.slice(1, -1) : name.replace(/\.$/, "");
  if (name.startsWith("[")) {
    if (!isIPv6(bare) || bare.includes("%")) return undefined;
    return shortIpv6(referenceAddress(bare)!);
  }
  if (bare.length === 0 || bare.length > HOST_LENGTH_MAX) return undefined;
  return bare.toLowerCase();
}
