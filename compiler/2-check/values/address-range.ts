// Blocks of addresses as ranges of numbers, to tell which lie in others.

import { type CidrBlock, parseCidr } from "./cidr.ts";

/** From the first to the last address; IPv4-mapped blocks are IPv4, as requests are compared. */
export interface AddressRange {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

const IPV4_BITS = 32n;
const IPV6_BITS = 128n;
/** ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
const MAPPED = 0xffffn;

/** Undefined for a text that is no block; that is told elsewhere. */
export function parseRange(text: string): AddressRange | undefined {
  const block = parseCidr(text);
  return block.ok ? rangeOf(block.value) : undefined;
}

function rangeOf({ version, bytes, prefixBits }: CidrBlock): AddressRange {
  const first = bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
  const bits = version === 4 ? IPV4_BITS : IPV6_BITS;
  const last = first | ((1n << (bits - BigInt(prefixBits))) - 1n);
  if (version === 4 || first >> IPV4_BITS !== MAPPED || last >> IPV4_BITS !== MAPPED) {
    return { version, first, last };
  }
  const low = (1n << IPV4_BITS) - 1n;
  return { version: 4, first: first & low, last: last & low };
}

export function overlaps(a: AddressRange, b: AddressRange): boolean {
  return a.version === b.version && a.first <= b.last && b.first <= a.last;
}

export function holds(outer: AddressRange, inner: AddressRange): boolean {
  return outer.version === inner.version && outer.first <= inner.first && inner.last <= outer.last;
}

/** Whether every address of `inner` is in one of `outers`, or in several of them together. */
export function cover(outers: readonly AddressRange[], inner: AddressRange): boolean {
  const sorted = outers
    .filter((outer) => overlaps(outer, inner))
    .toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  let next = inner.first;
  for (const { first, last } of sorted) {
    if (first > next) return false;
    if (last >= next) next = last + 1n;
  }
  return next > inner.last;
}

/** Sorted ranges that do not overlap. */
export type AddressSet = readonly AddressRange[];

/** Every address that is in `from` and not in `minus`. */
export function subtract(from: AddressSet, minus: AddressSet): AddressSet {
  let left = [...from];
  for (const { version, first, last } of minus) {
    left = left.flatMap((range) => {
      if (range.version !== version || last < range.first || range.last < first) return [range];
      const pieces: AddressRange[] = [];
      if (range.first < first) pieces.push({ version, first: range.first, last: first - 1n });
      if (last < range.last) pieces.push({ version, first: last + 1n, last: range.last });
      return pieces;
    });
  }
  return left.toSorted(compareRanges);
}

/** Every address that is in both. */
export function intersect(a: AddressSet, b: AddressSet): AddressSet {
  return subtract(a, subtract(a, b));
}

function compareRanges(a: AddressRange, b: AddressRange): number {
  return a.version - b.version || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
}

export const EVERY_IPV4 = parseRange("0.0.0.0/0")!;
export const EVERY_IPV6 = parseRange("::/0")!;
export const LOOPBACK: readonly AddressRange[] = [parseRange("127.0.0.0/8")!, parseRange("::1")!];
export const EVERY_ADDRESS: AddressSet = [EVERY_IPV4, EVERY_IPV6];
