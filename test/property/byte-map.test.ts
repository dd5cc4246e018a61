// The byte map beside Map.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteMap } from "zproxy/runtime/data/byte-map.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 60;
const LETTERS = ["a", "b", "A", "/", "\0", "\xff", "ab"];

/** Few letters and short keys: prefixes of each other, and repeated ones. */
function randomKey(random: Random): string {
  return Array.from({ length: random.below(7) }, () => random.pick(LETTERS)).join("");
}

function lookUp(map: ByteMap, key: string, random: Random): number {
  const memory = PoisonedBytes.random(key, 0, random);
  return map.get(memory.bytes, memory.start, memory.end);
}

test("what is in a map is found, with its last value, and nothing else", async () => {
  await withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const map = new ByteMap();
      const expected = new Map<string, number>();
      const sets = random.pick([0, 1, 8, 9, 100, 1000]);
      for (let index = 0; index < sets; index++) {
        const key = randomKey(random);
        const value = random.pick([0, index, 2 ** 31 - 1]);
        map.set(Buffer.from(key, "latin1"), value);
        expected.set(key, value);
        assert.equal(map.size, expected.size);
      }
      for (const [key, value] of expected) assert.equal(lookUp(map, key, random), value);
      for (let index = 0; index < 200; index++) {
        const key = randomKey(random);
        assert.equal(lookUp(map, key, random), expected.get(key) ?? -1, JSON.stringify(key));
      }
    }
  });
});

test("many keys that share all but their ends are told apart", () => {
  const map = new ByteMap();
  const keys = Array.from({ length: 20_000 }, (_, at) => Buffer.from(`/assets/file-${at}.css`));
  for (const [value, key] of keys.entries()) map.set(key, value);
  assert.equal(map.size, keys.length);
  for (const [value, key] of keys.entries()) assert.equal(map.get(key, 0, key.length), value);
  const missing = Buffer.from("/assets/file-20000.css");
  assert.equal(map.get(missing, 0, missing.length), -1);
});
