// The end of a head that arrives in pieces. Each byte is looked at once, however many pieces there
// are; the full scan runs when the head is complete, or when it can't become valid any more.

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;

/**
 * Looks for a reason to scan: the empty line, a bare LF, or a control byte. Starts at `from` and
 * looks back at what is before it, but not before `start`. Returns true when there is one.
 */
export function isHeadComplete(
  bytes: Uint8Array,
  start: number,
  from: number,
  end: number,
): boolean {
  // A CR that ended the last piece is judged by the first byte of this one.
  if (from > start && from < end && bytes[from - 1] === CR && bytes[from] !== LF) return true;
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x20) continue;
    if (byte === LF) {
      if (at === start || bytes[at - 1] !== CR) return true;
      // CR LF: the empty line when it follows a line's end; empty lines before the request line
      // are skipped by the scan, which says so by staying incomplete.
      if (at - 3 >= start && bytes[at - 2] === LF) return true;
    } else if (byte === CR) {
      if (at + 1 < end && bytes[at + 1] !== LF) return true;
    } else if (byte !== TAB) return true;
  }
  return false;
}
