// Bytes four at a time, at any offset: what the scan of a head and its rewriting spend their time
// with. A byte a turn costs about a nanosecond, a DataView's word hardly more, and a call of a
// built-in as much as twenty. Writers here may touch up to WORD_SLACK bytes behind their end.

/** How far behind the end of what is written, or of a scan's input, memory must reach. */
export const WORD_SLACK = 3;

/** From this length on a built-in copies faster than a loop over words. */
const LONG_BYTES = 72;

/** A constant: ASCII text, padded with zeros to whole words. */
export class Text {
  readonly length: number;
  private readonly words: Int32Array;

  constructor(text: string) {
    this.length = text.length;
    this.words = new Int32Array(Math.ceil(text.length / 4));
    const bytes = new Uint8Array(this.words.buffer);
    if (new TextEncoder().encodeInto(text, bytes).written !== text.length)
      throw new Error(`not ASCII: ${JSON.stringify(text)}`);
  }

  /** Writes it at `to` and returns its end. */
  write(view: DataView, to: number): number {
    const { words } = this;
    for (let index = 0; index < words.length; index++)
      view.setInt32(to + (index << 2), words[index]!, true);
    return to + this.length;
  }
}

/**
 * Copies `bytes[start, end)` to `to` and returns the end of the copy. `view` is of the same memory.
 * The ranges must not overlap.
 */
export function copyWords(
  bytes: Uint8Array,
  view: DataView,
  to: number,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length >= LONG_BYTES) {
    bytes.copyWithin(to, start, end);
  } else {
    for (let at = 0; at < length; at += 4)
      view.setInt32(to + at, view.getInt32(start + at, true), true);
  }
  return to + length;
}

/**
 * The first offset from `start` on at which a word holds anything but visible ASCII and spaces, or
 * that word's offset at least: whoever scans goes on from there byte by byte.
 */
export function skipVisible(view: DataView, start: number): number {
  let at = start;
  for (;;) {
    const word = view.getInt32(at, true);
    // A byte's top bit is set: by the byte itself, by taking a space from less, by adding to DEL.
    if (((word | (word - 0x20202020) | (word + 0x01010101)) & 0x80808080) !== 0) return at;
    at += 4;
  }
}
