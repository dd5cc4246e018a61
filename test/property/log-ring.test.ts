// The ring that takes log records to the main thread: whatever the sizes and the reader's pace,
// every record comes out once, whole and in order, or is counted as dropped.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LogRingReader, LogRingWriter, logRingMemory } from "zproxy/runtime/data/log-ring.ts";
import { withRandom } from "../lib/random.ts";

const STEPS = 40_000;
const RECORDS_MAX = 100;

/** Fills a record with its number. */
function put(ring: LogRingWriter, words: number, number: number): boolean {
  const at = ring.reserve(words * 4);
  if (at < 0) return false;
  ring.words.fill(number, at + 1, at + words);
  ring.words[at] = words * 4;
  ring.publish(words * 4);
  return true;
}

/** Takes the oldest record and returns its number; undefined: there is none. */
function take(ring: LogRingReader): number | undefined {
  const at = ring.peek();
  if (at < 0) return undefined;
  const words = ring.words[at]! / 4;
  assert.ok(at + words <= ring.words.length, "a record lies in one piece");
  const content = new Set(ring.words.subarray(at + 1, at + words));
  assert.equal(content.size, 1, "nothing was written over it");
  ring.next();
  return [...content][0];
}

test("records come out in order, or are counted", async () => {
  await withRandom((random) => {
    const memory = logRingMemory(RECORDS_MAX);
    let writer = new LogRingWriter(memory, RECORDS_MAX, () => {});
    const reader = new LogRingReader(memory);
    const waiting: number[] = [];
    let dropped = 0;
    let wraps = 0;
    for (let number = 1; number <= STEPS; number++) {
      // Now many short ones, now few long ones: the count is the limit, or the bytes are.
      const wordsMax = number % 2000 < 1000 ? 20 : 510;
      const words = random.between(1, wordsMax / 2) * 2;
      if (put(writer, words, number)) waiting.push(number);
      else dropped++;
      assert.ok(waiting.length <= RECORDS_MAX);
      if (random.below(50) === 0)
        for (let count = random.below(120); count > 0; count--) {
          assert.equal(take(reader), waiting.shift());
        }
      if (random.below(500) === 0) {
        wraps++; // another worker goes on where this one died
        writer = new LogRingWriter(memory, RECORDS_MAX, () => {});
      }
    }
    while (waiting.length > 0) assert.equal(take(reader), waiting.shift());
    assert.equal(take(reader), undefined);
    assert.equal(reader.dropped, dropped);
    assert.ok(dropped > 100 && wraps > 10, `${dropped} dropped, ${wraps} writers`);
  });
});

test("the reader is told once that a ring is filling, and again after it has read", () => {
  let told = 0;
  const memory = logRingMemory(RECORDS_MAX);
  const writer = new LogRingWriter(memory, RECORDS_MAX, () => told++);
  const reader = new LogRingReader(memory);
  for (let number = 1; number < RECORDS_MAX / 4; number++) put(writer, 8, number);
  assert.equal(told, 0);
  for (let number = 0; number < RECORDS_MAX; number++) put(writer, 8, number);
  assert.equal(told, 1);
  take(reader);
  put(writer, 8, 1);
  assert.equal(told, 2);
});

test("positions may wrap round", () => {
  const memory = logRingMemory(RECORDS_MAX);
  const words = new Int32Array(memory);
  // Both sides just before 2^31 and 2^32, where a position changes its sign.
  for (const start of [0x7fffff00, 0xffffff00]) {
    words[0] = words[16] = start | 0;
    words[1] = words[17] = start | 0;
    const writer = new LogRingWriter(memory, RECORDS_MAX, () => {});
    const reader = new LogRingReader(memory);
    for (let number = 1; number < 1000; number++) {
      assert.ok(put(writer, 24, number));
      assert.equal(take(reader), number);
    }
  }
});
