// A head that arrives in pieces. Each byte is looked at a few times at most, however many pieces
// there are: the full scan runs when it has something new to say, which is when the head is whole
// or when one of its lines cannot be part of a head.

import { IS_FIELD_VALUE, IS_TOKEN } from "./http1-classes.ts";

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const COLON = 0x3a;

/** A line that starts within so many bytes is the first one, or an empty line before it. */
const FIRST_LINE_BYTES = 4;

/**
 * Looks for a reason to scan: the empty line, a line that is whole and no field line, or a byte
 * that no head holds. Starts at `from` and looks back at what is before it, but not before `start`.
 * The first line is always a reason: only the scan knows what it may be.
 */
export function isScanDue(bytes: Uint8Array, start: number, from: number, end: number): boolean {
  // A CR that ended the last piece is judged by the first byte of this one.
  if (from > start && from < end && bytes[from - 1] === CR && bytes[from] !== LF) return true;
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x20) continue;
    if (byte === LF) {
      if (!endsFieldLine(bytes, start, at)) return true;
    } else if (byte === CR) {
      if (at + 1 < end && bytes[at + 1] !== LF) return true;
    } else if (byte !== TAB) return true;
  }
  return false;
}

/** Whether the empty line that ends a sound head is in `bytes[start, end)`. */
export function isHeadWhole(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start + 3; at < end; at++)
    if (bytes[at] === LF && bytes[at - 1] === CR && bytes[at - 2] === LF) return true;
  return false;
}

/** Whether the line that ends with the LF at `lineFeed` is a field line (RFC 9112 §5). */
function endsFieldLine(bytes: Uint8Array, start: number, lineFeed: number): boolean {
  let at = lineFeed;
  while (at > start && bytes[at - 1] !== LF) at--;
  if (at - start <= FIRST_LINE_BYTES) return false;
  const nameStart = at;
  while (IS_TOKEN[bytes[at]!] === 1) at++;
  if (at === nameStart || bytes[at] !== COLON) return false;
  at++;
  while (IS_FIELD_VALUE[bytes[at]!] === 1) at++;
  return bytes[at] === CR && at + 1 === lineFeed;
}
