// Bytes four at a time beside bytes one at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { copyWords, skipVisible, Text, WORD_SLACK } from "zproxy/runtime/data/words.ts";
import { withRandom } from "../lib/random.ts";

const CASES = 2000;
const MEMORY_BYTES = 512;
const POISON = 0xaa;

function memory(): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(MEMORY_BYTES).fill(POISON);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Asserts that `[start, end)` holds `expected` and that little behind it was touched. */
function expectWritten(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): void {
  assert.deepEqual(bytes.subarray(start, end), expected);
  assert.ok(bytes.subarray(0, start).every((byte) => byte === POISON));
  assert.ok(bytes.subarray(end + WORD_SLACK).every((byte) => byte === POISON));
}

test("a text is written at any offset, whatever its length", () => {
  for (let length = 0; length < 40; length++) {
    const text = "Transfer-Encoding: chunked\r\nX-Padding: 1".slice(0, length);
    for (let to = 0; to < 8; to++) {
      const { bytes, view } = memory();
      const end = new Text(text).write(view, to);
      expectWritten(bytes, to, end, new Uint8Array(Buffer.from(text)));
    }
  }
  assert.throws(() => new Text("Vía"), /not ASCII/);
});

test("a copy is the same bytes, on both sides of where a built-in makes it", () =>
  withRandom((random) => {
    for (let index = 0; index < CASES; index++) {
      const { bytes, view } = memory();
      const length = random.below(100);
      const [start, to] = [random.below(100), 220 + random.below(100)];
      const source = new Uint8Array(Array.from({ length }, () => random.below(256)));
      bytes.set(source, start);
      const end = copyWords(bytes, view, to, start, start + length);
      assert.equal(end, to + length);
      bytes.fill(POISON, start, start + length);
      expectWritten(bytes, to, end, source);
    }
  }));

test("visible ASCII and spaces are skipped, and every other byte is stopped at", () => {
  for (let byte = 0; byte < 256; byte++) {
    const isSkipped = byte >= 0x20 && byte < 0x7f;
    for (let start = 0; start < 4; start++) {
      for (let at = start; at < start + 9; at++) {
        const { bytes, view } = memory();
        bytes
          .fill(0x7e, 0, at)
          .fill(0x20, at)
          .fill(0, at + 16);
        bytes[at] = byte;
        const stop = isSkipped ? at + 16 : at;
        const word = start + ((stop - start) & ~3);
        assert.equal(skipVisible(view, start), word, `${byte} at ${at} from ${start}`);
      }
    }
  }
});
