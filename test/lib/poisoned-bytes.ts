// Memory for scanners that work in place: the input with a zero behind it, scratch of just the size
// that is asked for, and poison everywhere else. What a scan finds must not depend on the poison,
// and the poison must still be there afterwards.
//
//   | poison | input | 0 | poison | scratch | poison |

import assert from "node:assert/strict";
import type { Random } from "./random.ts";

const MARGIN = 24;

/** Bytes that would go on, end or confuse almost any scan that reads too far. */
const POISONS = [
  "7",
  "a",
  "\r\n",
  "\n",
  "\r\n\r\n",
  ":",
  " ",
  "\t",
  ",",
  "%41",
  "/..",
  "\0",
  "]",
  "f;",
];

export class PoisonedBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  readonly scratch: number;
  private readonly scratchEnd: number;
  private readonly poison: Buffer;

  /** `text` has one character a byte. `indent` moves everything by some bytes. */
  constructor(text: string, scratchBytes: number, poison: string, indent = 0) {
    this.start = MARGIN + indent;
    this.end = this.start + text.length;
    this.scratch = this.end + 1 + MARGIN;
    this.scratchEnd = this.scratch + scratchBytes;
    this.poison = Buffer.alloc(this.scratchEnd + MARGIN, poison, "latin1");
    this.bytes = new Uint8Array(this.poison);
    this.view = new DataView(this.bytes.buffer);
    this.bytes.set(Buffer.from(text, "latin1"), this.start);
    this.bytes[this.end] = 0;
  }

  /** The same with poison and place chosen at random. */
  static random(text: string, scratchBytes: number, random: Random): PoisonedBytes {
    return new PoisonedBytes(text, scratchBytes, random.pick(POISONS), random.below(5));
  }

  text(start: number, end: number): string {
    return Buffer.from(this.bytes.buffer, start, end - start).toString("latin1");
  }

  /** Asserts that nothing was written around the input, nor behind the scratch. */
  expectUntouched(): void {
    const { poison, bytes, start, end, scratch, scratchEnd } = this;
    const same = (from: number, to: number): boolean =>
      poison.subarray(from, to).equals(bytes.subarray(from, to));
    assert.ok(same(0, start) && same(end + 1, scratch), "written around the input");
    assert.ok(same(scratchEnd, bytes.length), "written behind the scratch");
    assert.equal(bytes[end], 0, "the sentinel is gone");
  }
}
