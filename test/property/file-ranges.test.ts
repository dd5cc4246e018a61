// Range fields beside a reader that works on strings and whole numbers of any size.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseRanges,
  RANGE_COUNT_MAX,
  RANGES_IGNORED,
  RANGES_UNSATISFIABLE,
} from "zproxy/runtime/data/file-ranges.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 30_000;

type Found = "ignored" | "unsatisfiable" | [number, number][];

function parsed(text: string, size: number, random: Random): Found {
  const memory = PoisonedBytes.random(text, 0, random);
  const into = new Float64Array(RANGE_COUNT_MAX * 2);
  const count = parseRanges(memory.bytes, memory.start, memory.end, size, into);
  memory.expectUntouched();
  if (count === RANGES_IGNORED) return "ignored";
  if (count === RANGES_UNSATISFIABLE) return "unsatisfiable";
  return Array.from({ length: count }, (_, at) => [into[at * 2]!, into[at * 2 + 1]!]);
}

/** Positions that no file has are all the same one. */
function position(text: string): bigint {
  const value = BigInt(text);
  return value > 2n ** 53n ? 2n ** 53n : value;
}

function reference(text: string, size: number): Found {
  const match = /^bytes=(.*)$/is.exec(text);
  if (match === null) return "ignored";
  const specs = (match[1] ?? "").split(",").map((item) => item.replace(/^[ \t]+|[ \t]+$/g, ""));
  const named = specs.filter((spec) => spec !== "");
  if (named.length === 0 || named.length > RANGE_COUNT_MAX) return "ignored";
  const ranges: [number, number][] = [];
  for (const spec of named) {
    const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if (first === undefined || last === undefined || first + last === "") return "ignored";
    if (first !== "" && last !== "" && position(last) < position(first)) return "ignored";
    const end = BigInt(size);
    let from = first === "" ? 0n : position(first);
    let to = last === "" ? end : position(last) + 1n;
    if (first === "") {
      if (end === 0n && BigInt(last) > 0n) return "ignored";
      from = BigInt(last) > end ? 0n : end - BigInt(last);
      to = end;
    }
    if (to > end) to = end;
    if (from < to) ranges.push([Number(from), Number(to)]);
  }
  for (const [index, [from, to]] of ranges.entries())
    for (const [otherFrom, otherTo] of ranges.slice(0, index))
      if (from < otherTo && otherFrom < to) return "ignored";
  return ranges.length === 0 ? "unsatisfiable" : ranges;
}

function randomNumber(size: number, random: Random): string {
  return random.pick([
    () => String(random.below(12)),
    () => String(Math.max(size - random.below(5), 0)),
    () => String(size + random.below(3)),
    () => String(Math.floor((random.next() / 2 ** 32) * (size + 1))),
    () => `000${random.below(9)}`,
    () => "9".repeat(random.between(1, 40)),
    () => "",
  ])();
}

function randomField(size: number, random: Random): string {
  const count = random.below(10) === 0 ? random.between(14, 18) : random.between(0, 4);
  const blank = (): string => random.pick(["", "", "", " ", "\t", " \t"]);
  const specs = Array.from({ length: count }, (_, at) => {
    const spec =
      count > 10
        ? `${at * 2}-${at * 2}`
        : `${randomNumber(size, random)}-${randomNumber(size, random)}`;
    return random.below(30) === 0 ? random.pick(["", "x", "-", "1--2", "1"]) : spec;
  });
  const unit = random.below(20) === 0 ? random.pick(["byte", "lines", "Bytes", "bytes "]) : "bytes";
  const equals = random.below(40) === 0 ? "" : "=";
  return unit + equals + specs.map((spec) => blank() + spec + blank()).join(",");
}

test("ranges are those that the reference finds", async () => {
  await withRandom((random) => {
    const seen = { ignored: 0, unsatisfiable: 0, found: 0, several: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const size = random.pick([0, 1, 10, 1000, 2 ** 31 + 5, 10 * 2 ** 30]);
      const text = randomField(size, random);
      const expected = reference(text, size);
      assert.deepEqual(parsed(text, size, random), expected, JSON.stringify([text, size]));
      if (typeof expected === "string") seen[expected]++;
      else if (expected.length > 1) seen.several++;
      else seen.found++;
    }
    for (const [what, count] of Object.entries(seen)) assert.ok(count > ROUNDS / 100, what);
  });
});

test("sixteen ranges are followed, seventeen are not", async () => {
  await withRandom((random) => {
    const field = (count: number): string =>
      `bytes=${Array.from({ length: count }, (_, at) => `${at * 3}-${at * 3 + 1}`).join(",")}`;
    assert.equal(parsed(field(16), 100, random).length, 16);
    assert.equal(parsed(field(17), 100, random), "ignored");
  });
});
