// IP literals inside an authority, RFC 3986 §3.2.2: IPv6 in its brackets, with an IPv4 tail or not.

import { HEX_VALUE } from "./http1-classes.ts";
import { SCAN_BAD } from "./http1-fields.ts";

const COLON = 0x3a;
const DOT = 0x2e;
const GROUPS = 8;
const GROUP_DIGITS_MAX = 4;

/**
 * Scans an IPv6 address from `start`: eight groups of up to four digits, "::" once for those left
 * out, an IPv4 address for the last two. Returns the offset behind it, or SCAN_BAD.
 */
export function scanIpv6(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let groups = 0;
  let shortened = false;
  if (isDoubleColon(bytes, at, end)) {
    shortened = true;
    at += 2;
  }
  while (groups < GROUPS && isHexAt(bytes, at, end)) {
    const groupStart = at;
    while (at - groupStart < GROUP_DIGITS_MAX && isHexAt(bytes, at, end)) at++;
    if (at < end && bytes[at] === DOT) {
      at = scanIpv4(bytes, groupStart, end);
      if (at < 0) return SCAN_BAD;
      groups += 2;
      break;
    }
    groups++;
    if (isDoubleColon(bytes, at, end)) {
      if (shortened) return SCAN_BAD;
      shortened = true;
      at += 2;
    } else if (at < end && bytes[at] === COLON) {
      at++;
      if (!isHexAt(bytes, at, end)) return SCAN_BAD;
    } else break;
  }
  return (shortened ? groups < GROUPS : groups === GROUPS) ? at : SCAN_BAD;
}

/** Scans four decimal octets without leading zeros. Returns the offset behind, or SCAN_BAD. */
function scanIpv4(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let octet = 0; octet < 4; octet++) {
    if (octet > 0 && (at >= end || bytes[at++] !== DOT)) return SCAN_BAD;
    const octetStart = at;
    let value = 0;
    while (at < end && at - octetStart < 3 && isDigit(bytes[at]!))
      value = value * 10 + bytes[at++]! - 0x30;
    if (at === octetStart || value > 255) return SCAN_BAD;
    if (bytes[octetStart] === 0x30 && at - octetStart > 1) return SCAN_BAD;
  }
  return at;
}

function isDoubleColon(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 1 < end && bytes[at] === COLON && bytes[at + 1] === COLON;
}

function isHexAt(bytes: Uint8Array, at: number, end: number): boolean {
  return at < end && HEX_VALUE[bytes[at]!] !== 255;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
