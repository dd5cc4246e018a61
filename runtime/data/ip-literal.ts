// IP literals, as RFC 3986 §3.2.2 has them in an authority: found, read into groups of 16 bits, and
// written in their shortest form.

import { writeHex } from "./bytes.ts";
import { HEX_VALUE } from "./http1-classes.ts";
import { SCAN_BAD } from "./http1-fields.ts";

const COLON = 0x3a;
const DOT = 0x2e;
export const IPV6_GROUPS = 8;
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
  while (groups < IPV6_GROUPS && isHexAt(bytes, at, end)) {
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
  return (shortened ? groups < IPV6_GROUPS : groups === IPV6_GROUPS) ? at : SCAN_BAD;
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

/**
 * Reads four decimal octets, all of `bytes[start, end)`, into two groups from `at` on. False when
 * something else stands there.
 */
export function readIpv4(
  bytes: Uint8Array,
  start: number,
  end: number,
  groups: Int32Array,
  at: number,
): boolean {
  if (scanIpv4(bytes, start, end) !== end) return false;
  let value = 0;
  let octet = 0;
  for (let index = start; index < end; index++) {
    if (bytes[index] === DOT) {
      value = (value << 8) | octet;
      octet = 0;
    } else octet = octet * 10 + bytes[index]! - 0x30;
  }
  groups[at] = value >>> 8;
  groups[at + 1] = ((value & 0xff) << 8) | octet;
  return true;
}

/** Reads the IPv6 address in `bytes[start, end)`, which `scanIpv6` has found there. */
export function readIpv6(bytes: Uint8Array, start: number, end: number, groups: Int32Array): void {
  groups.fill(0);
  let at = start;
  let count = 0;
  let gap = -1;
  while (at < end) {
    if (bytes[at] === COLON) {
      if (isDoubleColon(bytes, at, end)) {
        gap = count;
        at++;
      }
      at++;
      continue;
    }
    const first = at;
    let value = 0;
    while (isHexAt(bytes, at, end)) value = (value << 4) | HEX_VALUE[bytes[at++]!]!;
    if (at < end && bytes[at] === DOT) {
      readIpv4(bytes, first, end, groups, count);
      count += 2;
      break;
    }
    groups[count++] = value;
  }
  if (gap < 0) return;
  groups.copyWithin(gap + IPV6_GROUPS - count, gap, count);
  groups.fill(0, gap, gap + IPV6_GROUPS - count);
}

/**
 * Writes an address at `to` in its shortest form (RFC 5952 §4): lower-case digits, the first of the
 * longest runs of zeros left out. Returns its end, 39 bytes further at most.
 */
export function writeIpv6(bytes: Uint8Array, to: number, groups: Int32Array): number {
  let gap = -1;
  let gapEnd = -1;
  for (let start = 0; start < IPV6_GROUPS; start++) {
    let end = start;
    while (end < IPV6_GROUPS && groups[end] === 0) end++;
    if (end - start < 2 || end - start <= gapEnd - gap) continue;
    gap = start;
    gapEnd = end;
  }
  let at = to;
  for (let index = 0; index < IPV6_GROUPS; index++) {
    if (index === gap) {
      bytes[at++] = COLON;
      bytes[at++] = COLON;
      index = gapEnd - 1;
      continue;
    }
    if (index > 0 && index !== gapEnd) bytes[at++] = COLON;
    at = writeHex(bytes, at, groups[index]!);
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
