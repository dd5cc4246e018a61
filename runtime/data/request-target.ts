// The normal form of a request's host and path: what routes are matched on and what is forwarded.
// A target that is in normal form already stays where it was received; otherwise the normal form is
// written to `scratch`. One form for both, so that no upstream sees a path that was not matched.

import { LOWER } from "./bytes.ts";
import { HEX_VALUE, IS_HOST, IS_PATH, IS_PLAIN_PATH, IS_UNRESERVED } from "./http1-classes.ts";
import { SCAN_BAD } from "./http1-fields.ts";
import { IPV6_GROUPS, readIpv6, scanIpv6, writeIpv6 } from "./ip-literal.ts";

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const UPPER_HEX = new Uint8Array(16).map((_, value) => (value < 10 ? 48 + value : 55 + value));

/** Longest host name that is taken: RFC 1035 §2.3.4 allows 255 octets. */
const HOST_BYTES_MAX = 255;
/** The address that a host is, while it is read. */
const hostGroups = new Int32Array(IPV6_GROUPS);

/** A range of the bytes, the result of both normalisations. */
export class TargetRange {
  start = 0;
  end = 0;
}

/**
 * Normalises the path in `bytes[start, end)` (query included or not): escapes of unreserved
 * characters decoded, others upper-cased, dot segments removed (RFC 3986 §6.2.2). `result` becomes
 * the path without its query; `scratch` must have room for `end - start` bytes.
 * Returns the offset where the query starts ("?" or `end`), or SCAN_BAD: a byte that no path holds,
 * a bad escape, %00 or another escaped control, or a path that climbs above the root.
 */
export function normalisePath(
  bytes: Uint8Array,
  start: number,
  end: number,
  scratch: number,
  result: TargetRange,
): number {
  let at = start;
  for (; at < end; at++) {
    if (IS_PLAIN_PATH[bytes[at]!] === 1) continue;
    if (bytes[at] !== DOT || bytes[at - 1] === SLASH) break;
  }
  if (at === end || bytes[at] === 0x3f) {
    result.start = start;
    result.end = at;
    return at;
  }
  let queryStart = at;
  while (queryStart < end && bytes[queryStart] !== 0x3f) queryStart++;
  const decodedEnd = decodeUnreserved(bytes, start, queryStart, scratch);
  if (decodedEnd < 0) return SCAN_BAD;
  const pathEnd = removeDotSegments(bytes, scratch, decodedEnd);
  if (pathEnd < 0) return SCAN_BAD;
  result.start = scratch;
  result.end = pathEnd;
  return queryStart;
}

/** Copies a path to `to`, escapes in normal form. Returns the end of the copy or SCAN_BAD. */
function decodeUnreserved(bytes: Uint8Array, start: number, end: number, to: number): number {
  let out = to;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte !== PERCENT) {
      if (IS_PATH[byte] === 0) return SCAN_BAD;
      bytes[out++] = byte;
      continue;
    }
    if (at + 2 >= end) return SCAN_BAD;
    const high = HEX_VALUE[bytes[at + 1]!]!;
    const low = HEX_VALUE[bytes[at + 2]!]!;
    if (high === 255 || low === 255) return SCAN_BAD;
    const code = (high << 4) | low;
    if (code < 0x20 || code === 0x7f) return SCAN_BAD;
    if (IS_UNRESERVED[code] === 1) {
      bytes[out++] = code;
    } else {
      bytes[out++] = PERCENT;
      bytes[out++] = UPPER_HEX[high]!;
      bytes[out++] = UPPER_HEX[low]!;
    }
    at += 2;
  }
  return out;
}

/**
 * Removes "." and ".." segments in place (RFC 3986 §5.2.4) from a path that starts with "/".
 * Returns its new end, or SCAN_BAD when ".." leaves the root.
 */
function removeDotSegments(bytes: Uint8Array, start: number, end: number): number {
  let out = start;
  let at = start;
  while (at < end) {
    // bytes[at] is the slash that opens a segment.
    let segmentEnd = at + 1;
    while (segmentEnd < end && bytes[segmentEnd] !== SLASH) segmentEnd++;
    const length = segmentEnd - at - 1;
    if (length === 1 && bytes[at + 1] === DOT) {
      if (segmentEnd === end) bytes[out++] = SLASH;
    } else if (length === 2 && bytes[at + 1] === DOT && bytes[at + 2] === DOT) {
      if (out === start) return SCAN_BAD;
      do out--;
      while (bytes[out] !== SLASH);
      if (segmentEnd === end) bytes[out++] = SLASH;
    } else {
      while (at < segmentEnd) bytes[out++] = bytes[at++]!;
    }
    at = segmentEnd;
  }
  if (out === start) bytes[out++] = SLASH;
  return out;
}

/**
 * Normalises the authority in `bytes[start, end)` (Host, RFC 9110 §7.2): lower-case, without port
 * and trailing dot; an IPv6 literal in its shortest form, without brackets. `scratch` needs
 * HOST_BYTES_MAX bytes. Returns 0, or SCAN_BAD.
 */
export function normaliseHost(
  bytes: Uint8Array,
  start: number,
  end: number,
  scratch: number,
  result: TargetRange,
): number {
  let hostStart = start;
  let hostEnd = start;
  let portStart = -1;
  if (start < end && bytes[start] === BRACKET_OPEN) {
    hostStart = start + 1;
    hostEnd = scanIpv6(bytes, hostStart, end);
    if (hostEnd < 0 || hostEnd >= end || bytes[hostEnd] !== BRACKET_CLOSE) return SCAN_BAD;
    portStart = hostEnd + 1;
  } else {
    while (hostEnd < end && IS_HOST[bytes[hostEnd]!] === 1) hostEnd++;
    portStart = hostEnd;
    if (hostEnd > hostStart && bytes[hostEnd - 1] === DOT) hostEnd--;
  }
  if (hostEnd === hostStart || hostEnd - hostStart > HOST_BYTES_MAX) return SCAN_BAD;
  if (!isPort(bytes, portStart, end)) return SCAN_BAD;
  result.start = hostStart;
  result.end = hostEnd;
  if (hostStart > start) {
    normaliseIpv6(bytes, scratch, result);
    return 0;
  }
  for (let at = hostStart; at < hostEnd; at++) {
    if (LOWER[bytes[at]!] === bytes[at]) continue;
    for (let from = hostStart; from < hostEnd; from++)
      bytes[scratch + from - hostStart] = LOWER[bytes[from]!]!;
    result.start = scratch;
    result.end = scratch + hostEnd - hostStart;
    break;
  }
  return 0;
}

/** Moves `result` to the address's shortest form, unless it is in that already. */
function normaliseIpv6(bytes: Uint8Array, scratch: number, result: TargetRange): void {
  const { start, end } = result;
  readIpv6(bytes, start, end, hostGroups);
  const length = writeIpv6(bytes, scratch, hostGroups) - scratch;
  let same = 0;
  while (same < length && bytes[start + same] === bytes[scratch + same]) same++;
  if (same === length && end - start === length) return;
  result.start = scratch;
  result.end = scratch + length;
}

/** Nothing, or ":" and a decimal port (an empty one is allowed, RFC 3986 §3.2.3). */
function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  if (bytes[start] !== COLON || end - start > 6) return false;
  let port = 0;
  for (let at = start + 1; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
