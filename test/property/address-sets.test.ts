// Sets of addresses against sets of numbers: a small window of both families, in which every
// address can be looked at.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AddressRange,
  includes,
  intersect,
  meets,
  subtract,
  unite,
} from "zproxy/compiler/2-check/values/address-range.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 3000;
const WINDOW = 24;
const VERSIONS = [4, 6] as const;

function randomRange(random: Random): AddressRange {
  const first = random.below(WINDOW);
  const last = random.between(first, Math.min(WINDOW - 1, first + random.below(8)));
  return { version: random.pick(VERSIONS), first: BigInt(first), last: BigInt(last) };
}

function randomRanges(random: Random): AddressRange[] {
  return Array.from({ length: random.below(7) }, () => randomRange(random));
}

/** Every address, such as `4:17`. */
function membersOf(ranges: readonly AddressRange[]): string[] {
  const members = VERSIONS.flatMap((version) =>
    Array.from({ length: WINDOW }, (_, at) => ({ version, at: BigInt(at) })),
  ).filter(({ version, at }) =>
    ranges.some((it) => it.version === version && it.first <= at && at <= it.last),
  );
  return members.map(({ version, at }) => `${version}:${at}`);
}

test("unions, differences and intersections have the members that they should", () =>
  withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const [a, b] = [randomRanges(random), randomRanges(random)];
      const [inA, inB] = [membersOf(a), membersOf(b)];
      const results = { union: unite(a), difference: subtract(a, b), both: intersect(a, b) };
      assert.deepEqual(membersOf(results.union), inA);
      assert.deepEqual(
        membersOf(results.difference),
        inA.filter((it) => !inB.includes(it)),
      );
      assert.deepEqual(
        membersOf(results.both),
        inA.filter((it) => inB.includes(it)),
      );
      // One form for each set.
      for (const set of Object.values(results)) assert.deepEqual(unite(set.toReversed()), set);
      const range = randomRange(random);
      const inRange = membersOf([range]);
      const asked = [includes(results.union, range), meets(results.union, range)];
      const every = inRange.every((it) => inA.includes(it));
      assert.deepEqual(asked, [every, inRange.some((it) => inA.includes(it))]);
    }
  }));
