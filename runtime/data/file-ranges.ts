// The Range field (RFC 9110 §14): which bytes of a file are asked for.

import { ascii, bytesEqualNoCase, skipBlanks } from "./bytes.ts";

/** Ranges of one request; more are answered with the whole file (RFC 9110 §14.2 allows it). */
export const RANGE_COUNT_MAX = 16;
/** The field is no byte ranges, or not worth following: the whole file is the answer. */
export const RANGES_IGNORED = 0;
/** No range touches the file: 416. */
export const RANGES_UNSATISFIABLE = -1;

/** Beyond every file's size, and exact: what has more digits is no larger to us. */
const POSITION_MAX = Number.MAX_SAFE_INTEGER;
const NO_NUMBER = -1;
const COMMA = 0x2c;
const DASH = 0x2d;
const EQUALS = 0x3d;

/** Where `parseRanges` stopped reading digits. One value a worker: used at once. */
let digitsEnd = 0;

/**
 * Reads the value `bytes[start, end)` of a Range field for a file of `size` bytes. Returns how many
 * satisfiable ranges it names (their first byte and the byte behind the last, in pairs, are in
 * `into`, which has room for RANGE_COUNT_MAX pairs), RANGES_IGNORED or RANGES_UNSATISFIABLE.
 * Ranges that overlap are ignored as a whole: they ask for bytes twice.
 */
export function parseRanges(
  bytes: Uint8Array,
  start: number,
  end: number,
  size: number,
  into: Float64Array,
): number {
  let at = unitEnd(bytes, start, end);
  if (at < 0) return RANGES_IGNORED;
  let named = 0;
  let count = 0;
  while (at < end) {
    at = skipBlanks(bytes, at, end);
    if (at === end) break;
    if (bytes[at] === COMMA) {
      at++; // empty list elements are legal (RFC 9110 §5.6.1)
      continue;
    }
    const first = readDigits(bytes, at, end);
    at = digitsEnd;
    if (at === end || bytes[at] !== DASH) return RANGES_IGNORED;
    const last = readDigits(bytes, at + 1, end);
    at = skipBlanks(bytes, digitsEnd, end);
    if (at < end && bytes[at] !== COMMA) return RANGES_IGNORED;
    if (first === NO_NUMBER ? last === NO_NUMBER : last !== NO_NUMBER && last < first)
      return RANGES_IGNORED;
    if (++named > RANGE_COUNT_MAX) return RANGES_IGNORED;
    const from = first === NO_NUMBER ? Math.max(size - last, 0) : first;
    const to = first === NO_NUMBER || last === NO_NUMBER ? size : Math.min(last + 1, size);
    if (from >= to) {
      // The suffix of an empty file is satisfiable, and is all of it.
      if (size === 0 && first === NO_NUMBER && last > 0) return RANGES_IGNORED;
      continue;
    }
    if (overlaps(into, count, from, to)) return RANGES_IGNORED;
    into[count * 2] = from;
    into[count * 2 + 1] = to;
    count++;
  }
  if (named === 0) return RANGES_IGNORED;
  return count === 0 ? RANGES_UNSATISFIABLE : count;
}

const UNIT = ascii("bytes");

/** The offset behind "bytes=", or -1. Units are compared without case. */
function unitEnd(bytes: Uint8Array, start: number, end: number): number {
  const at = start + UNIT.length;
  if (at >= end || bytes[at] !== EQUALS) return -1;
  return bytesEqualNoCase(bytes, start, at, UNIT) ? at + 1 : -1;
}

/** The number that begins at `from`, at most POSITION_MAX, or NO_NUMBER without a digit. */
function readDigits(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let value = 0;
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) {
    value = Math.min(value * 10 + bytes[at]! - 0x30, POSITION_MAX);
    at++;
  }
  digitsEnd = at;
  return at === from ? NO_NUMBER : value;
}

function overlaps(ranges: Float64Array, count: number, from: number, to: number): boolean {
  for (let index = 0; index < count; index++)
    if (from < ranges[index * 2 + 1]! && to > ranges[index * 2]!) return true;
  return false;
}
