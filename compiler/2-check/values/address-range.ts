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

/** Those of some texts that are blocks. */
export function parseRanges(texts: readonly (string | undefined)[]): AddressRange[] {
  return texts.flatMap((text) => {
    const range = text === undefined ? undefined : parseRange(text);
    return range === undefined ? [] : [range];
  });
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

/** Sorted ranges that neither overlap nor touch: each address set has one form. */
export type AddressSet = readonly AddressRange[];

/** All addresses of some ranges, in any order. Lists may have thousands, so this sorts once. */
export function unite(ranges: readonly AddressRange[]): AddressSet {
  const united: AddressRange[] = [];
  for (const range of ranges.toSorted(compareRanges)) {
    const last = united.at(-1);
    if (last === undefined || last.version !== range.version || range.first > last.last + 1n) {
      united.push(range);
    } else if (range.last > last.last) {
      united[united.length - 1] = { ...last, last: range.last };
    }
  }
  return united;
}

/** The first range of a set that ends at an address or behind it; undefined when none does. */
function firstFrom(set: AddressSet, version: 4 | 6, address: bigint): AddressRange | undefined {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = set[middle]!;
    if (range.version < version || (range.version === version && range.last < address)) {
      low = middle + 1;
    } else high = middle;
  }
  return set[low];
}

/** Whether every address of `range` is in the set. */
export function includes(set: AddressSet, range: AddressRange): boolean {
  const found = firstFrom(set, range.version, range.first);
  return found !== undefined && holds(found, range);
}

/** Whether some address of `range` is in the set. */
export function meets(set: AddressSet, range: AddressRange): boolean {
  const found = firstFrom(set, range.version, range.first);
  return found !== undefined && overlaps(found, range);
}

/** Every address that is in `from` and not in `minus`. */
export function subtract(
  from: readonly AddressRange[],
  minus: readonly AddressRange[],
): AddressSet {
  const holes = unite(minus);
  const left: AddressRange[] = [];
  let at = 0;
  for (const { version, first, last } of unite(from)) {
    let next = first;
    // A hole may reach over the end of this range into the next one, so it is not passed then.
    for (; at < holes.length; at++) {
      const hole = holes[at]!;
      if (hole.version > version || (hole.version === version && hole.first > last)) break;
      if (hole.version < version || hole.last < next) continue;
      if (next < hole.first) left.push({ version, first: next, last: hole.first - 1n });
      next = hole.last + 1n;
      if (hole.last >= last) break;
    }
    if (next <= last) left.push({ version, first: next, last });
  }
  return left;
}

/** Every address that is in both. */
export function intersect(a: AddressSet, b: AddressSet): AddressSet {
  return subtract(a, subtract(a, b));
}

function compareRanges(a: AddressRange, b: AddressRange): number {
  return a.version - b.version || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
}

/** Entries of a list of blocks that lie in another; of two that are the same, the second one. */
export function coveredEntries<Entry extends { readonly range: AddressRange }>(
  entries: readonly Entry[],
): { entry: Entry; outer: Entry }[] {
  // Two blocks have no address in common, or one lies in the other. So of sorted ones, an entry can
  // only lie in the last that lies in none itself; equal ones keep their order.
  const larger = (a: bigint, b: bigint): number => (a > b ? -1 : a < b ? 1 : 0);
  const sorted = entries.toSorted(
    (a, b) => compareRanges(a.range, b.range) || larger(a.range.last, b.range.last),
  );
  let outer: Entry | undefined;
  return sorted.flatMap((entry) => {
    if (outer !== undefined && holds(outer.range, entry.range)) return [{ entry, outer }];
    outer = entry;
    return [];
  });
}

export const EVERY_IPV4 = parseRange("0.0.0.0/0")!;
export const EVERY_IPV6 = parseRange("::/0")!;
export const LOOPBACK: readonly AddressRange[] = [parseRange("127.0.0.0/8")!, parseRange("::1")!];
export const EVERY_ADDRESS: AddressSet = [EVERY_IPV4, EVERY_IPV6];
