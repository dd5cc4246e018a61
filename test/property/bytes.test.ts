// The vocabulary of the data path beside what the language has for strings.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ascii,
  bytesEqual,
  bytesEqualNoCase,
  copyWithin,
  LOWER,
  pathHasPrefix,
  writeBytes,
  writeDecimal,
  writeHex,
} from "zproxy/runtime/data/bytes.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";

const CASES = 20_000;

/** Numbers of every length, and those around powers of ten and two. */
function randomNumber(random: Random, bits: number): number {
  const power = random.pick([10 ** random.below(16), 2 ** random.below(bits)]);
  const near = power + random.between(0, 2) - 1;
  const uniform = (random.next() * 2 ** 21 + random.below(2 ** 21)) % 2 ** random.between(1, bits);
  return Math.min(Math.max(0, random.below(2) === 0 ? near : uniform), 2 ** bits - 1);
}

/** What `write` writes, which must be all that it writes. */
function written(room: number, write: (bytes: Uint8Array, to: number) => number): string {
  const memory = new PoisonedBytes("", room, "7");
  const end = write(memory.bytes, memory.scratch);
  memory.expectUntouched();
  return memory.text(memory.scratch, end);
}

test("decimals are printed like numbers", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CASES; index++) {
      const value = randomNumber(random, 53);
      const text = String(value);
      const found = written(text.length, (bytes, to) => writeDecimal(bytes, to, value));
      assert.equal(found, text);
    }
  });
});

test("hexadecimals are printed like numbers", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CASES; index++) {
      const value = randomNumber(random, 31);
      const text = value.toString(16);
      const found = written(text.length, (bytes, to) => writeHex(bytes, to, value));
      assert.equal(found, text);
    }
  });
});

test("texts of every length are written whole", () => {
  for (let length = 0; length < 200; length++) {
    const text = "abcdefg".repeat(30).slice(0, length);
    const found = written(length, (bytes, to) => writeBytes(bytes, to, ascii(text)));
    assert.equal(found, text);
  }
});

test("ranges are copied over each other like Uint8Array does it", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CASES; index++) {
      const bytes = random.bytes(200);
      const expected = bytes.slice();
      const length = random.pick([random.below(8), random.between(44, 52), random.below(100)]);
      const start = random.below(bytes.length - length);
      const near = Math.min(Math.max(0, start + random.between(-60, 60)), bytes.length - length);
      expected.copyWithin(near, start, start + length);
      assert.equal(copyWithin(bytes, near, start, start + length), near + length);
      assert.deepEqual(bytes, expected);
    }
  });
});

test("comparisons agree with strings", async () => {
  await withRandom((random) => {
    const letters = [..."aAzZ@[`{/-", "\xc1", "\xe1"];
    const text = (): string =>
      Array.from({ length: random.below(4) }, () => random.pick(letters)).join("");
    const lower = (value: string): string => value.replace(/[A-Z]/g, (it) => it.toLowerCase());
    for (let index = 0; index < CASES; index++) {
      const [left, right] = [text(), text()];
      const { bytes, start, end } = PoisonedBytes.random(left, 0, random);
      const other = Buffer.from(right, "latin1");
      const lowered = Buffer.from(lower(right), "latin1");
      assert.equal(bytesEqual(bytes, start, end, other), left === right);
      assert.equal(bytesEqualNoCase(bytes, start, end, lowered), lower(left) === lower(right));
      const below = left === right || left.startsWith(`${right}/`);
      assert.equal(pathHasPrefix(bytes, start, end, other), below, JSON.stringify([left, right]));
    }
  });
});

test("lower case is that of ASCII", () => {
  for (let code = 0; code < 256; code++) {
    const letter = String.fromCharCode(code);
    const expected = /[A-Z]/.test(letter) ? letter.toLowerCase() : letter;
    assert.equal(LOWER[code], expected.charCodeAt(0));
  }
});

test("texts that are not ASCII are refused", () => {
  assert.deepEqual(ascii("a~\0"), new Uint8Array([0x61, 0x7e, 0]));
  assert.throws(() => ascii("\x80"));
  assert.throws(() => ascii("a\u{1f600}"));
});
