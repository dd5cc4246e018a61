// Mappings: where they lie, whom they belong to, and that they go.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import * as abi from "../../native/abi.ts";
import type { Mapping } from "../../runtime/native.ts";
import { withRandom } from "../lib/random.ts";
import { addon, succeedMemory, withOwner } from "./test-ring.ts";

const OWNER = 20;
const LARGE_BYTES = 768 * 2 ** 20;

function startOf(mapping: Mapping): number {
  return mapping.addressHigh * 2 ** 32 + mapping.addressLow;
}

/** The mapping of /proc/self/maps that holds an address, or "" when nothing is mapped there. */
function lineAt(address: number): string {
  const lines = readFileSync("/proc/self/maps", "utf8").split("\n");
  const holds = (line: string): boolean => {
    const [start = NaN, end = NaN] = line
      .split(" ")[0]!
      .split("-")
      .map((it) => parseInt(it, 16));
    return start <= address && address < end;
  };
  return lines.find(holds) ?? "";
}

function assertInsideBoundary(mapping: Mapping): void {
  const end = mapping.addressLow + mapping.buffer.byteLength;
  assert.ok(end <= 2 ** 32, `${mapping.addressLow} + ${mapping.buffer.byteLength} crosses 4 GiB`);
}

test("large mappings in a row do not straddle a 4 GiB boundary", () => {
  withOwner(OWNER, () => {
    // Wherever the first one lies, some of the next would straddle one if they were not moved: the
    // kernel puts each below the last, at steps that are no divisor of 4 GiB.
    for (let i = 0; i < 12; i++) {
      const mapping = succeedMemory(addon.map(OWNER, LARGE_BYTES, false));
      assertInsideBoundary(mapping);
      const bytes = new Uint8Array(mapping.buffer);
      assert.equal(bytes[0], 0);
      bytes[0] = 1;
      bytes[LARGE_BYTES - 1] = 2;
      assert.match(lineAt(startOf(mapping)), / rw-p /);
      assert.match(lineAt(startOf(mapping) + LARGE_BYTES - 1), / rw-p /);
    }
  });
});

test("mappings of random sizes are whole, apart, and keep what is written", async () => {
  await withRandom((random) =>
    withOwner(OWNER, () => {
      const mappings: Mapping[] = [];
      for (let i = 0; i < 40; i++) {
        const bytes = 1 + random.below(random.pick([100, 5000, 1 << 20, 1 << 28]));
        const mapping = succeedMemory(addon.map(OWNER, bytes, random.below(2) === 1));
        assert.equal(mapping.buffer.byteLength, bytes);
        assertInsideBoundary(mapping);
        new Uint8Array(mapping.buffer)[bytes - 1] = i + 1;
        mappings.push(mapping);
      }
      const sorted = [...mappings].sort((a, b) => startOf(a) - startOf(b));
      for (const [i, mapping] of sorted.entries()) {
        const next = sorted[i + 1];
        if (next === undefined) continue;
        assert.ok(startOf(mapping) + mapping.buffer.byteLength <= startOf(next), "they overlap");
      }
      for (const [i, mapping] of mappings.entries()) {
        assert.equal(new Uint8Array(mapping.buffer).at(-1), i + 1);
      }
    }),
  );
});

test("releasing an owner unmaps what is its own and leaves the others'", () => {
  withOwner(OWNER + 1, () => {
    const other = succeedMemory(addon.map(OWNER + 1, 4096, false));
    const own = succeedMemory(addon.map(OWNER, 123_456, false));
    const address = startOf(own);
    assert.notEqual(lineAt(address), "");
    assert.equal(addon.releaseOwner(OWNER), 0);
    assert.equal(lineAt(address), "");
    assert.notEqual(lineAt(startOf(other)), "");
  });
});

test("huge pages are a wish: without reserved ones the memory is ordinary and aligned to them", () => {
  withOwner(OWNER, () => {
    const mapping = succeedMemory(addon.map(OWNER, 5 << 20, true));
    assert.equal(mapping.addressLow % (2 << 20), 0);
    assert.ok([abi.PAGES_HUGE, abi.PAGES_TRANSPARENT].includes(mapping.pages), `${mapping.pages}`);
    new Uint8Array(mapping.buffer).fill(7);
    assert.equal(succeedMemory(addon.map(OWNER, 4096, false)).pages, abi.PAGES_ORDINARY);
  });
});

test("reserved huge pages are taken, as long as there are enough", (t) => {
  const reserve = "/proc/sys/vm/nr_hugepages";
  const before = readFileSync(reserve, "utf8");
  try {
    writeFileSync(reserve, String(Number(before) + 3));
  } catch {
    return t.skip("needs root, to reserve huge pages");
  }
  try {
    if (Number(readFileSync(reserve, "utf8")) < Number(before) + 3)
      return t.skip("the system has no huge pages to reserve");
    withOwner(OWNER, () => {
      const mapping = succeedMemory(addon.map(OWNER, 5 << 20, true));
      assert.equal(mapping.pages, abi.PAGES_HUGE);
      new Uint8Array(mapping.buffer).fill(7);
      const free = /HugePages_Free: +(\d+)/.exec(readFileSync("/proc/meminfo", "latin1"))?.[1];
      const next = succeedMemory(addon.map(OWNER, (2 << 20) * (Number(free) + 1), true));
      assert.notEqual(next.pages, abi.PAGES_HUGE);
    });
  } finally {
    writeFileSync(reserve, before);
  }
});

test("more than the largest mapping is refused", () => {
  assert.throws(() => addon.map(OWNER, abi.MAP_BYTES_MAX + 1, false), TypeError);
  assert.throws(() => addon.map(OWNER, 0, false), TypeError);
});
