// Buffers on their way between the free list, the kernel and connections: a buffer is in one place
// at a time, none is lost, and no two of them overlap.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  arenaBytes,
  BUFFER_NONE,
  Buffers,
  GROUP_LARGE,
  GROUP_MULTISHOT,
  GROUP_SMALL,
  GROUPS,
  LARGE_BYTES,
  SMALL_BYTES,
} from "zproxy/runtime/data/buffers.ts";
import { RESPONSE_HEAD_GROWTH } from "zproxy/runtime/data/proxy-head.ts";
import type { Mapping } from "zproxy/runtime/native.ts";
import { type Random, withRandom } from "../lib/random.ts";

const COUNTS = { small: 24, large: 12, multishot: 16 };
const SHORT = COUNTS.small + COUNTS.multishot;
const ALL = SHORT + COUNTS.large;
/** The first id of each group. */
const FIRST = [0, SHORT, COUNTS.small];
const RING_ENTRIES = 8;
const EXTRA_BYTES = 100;
const STEPS = 200_000;
const TAIL_COUNT = 65_536;
const ENTRY_BYTES = 16;
const TAIL_BYTE = 14;
const CQE_F_BUFFER = 1;
const CQE_BUFFER_SHIFT = 16;
/** The longest size line of a chunk that fills a buffer. */
const CHUNK_LINE_BYTES = "10f10\r\n".length;

/** An arena at an address whose low word passes 2^31 on the way. */
const ARENA: Mapping = {
  buffer: new ArrayBuffer(arenaBytes(COUNTS, EXTRA_BYTES)),
  addressLow: 0x7ffa_0000,
  addressHigh: 0x8000_7f01,
  pages: 0,
};

function ringMapping(): Mapping {
  const buffer = new ArrayBuffer(RING_ENTRIES * ENTRY_BYTES);
  return { buffer, addressLow: 0, addressHigh: 0, pages: 0 };
}

/** The kernel's side of one provided-buffer ring. */
class KernelRing {
  readonly mapping = ringMapping();
  private readonly view = new DataView(this.mapping.buffer);
  private head = 0;

  get count(): number {
    return (this.view.getUint16(TAIL_BYTE, true) - this.head) & 0xffff;
  }

  /** Takes the oldest buffer, checks where it is, and returns its number. */
  take(addressOf: (bid: number) => number, bytes: number): number {
    assert.ok(this.count > 0);
    const at = (this.head % RING_ENTRIES) * ENTRY_BYTES;
    const bid = this.view.getUint16(at + 12, true);
    assert.equal(this.view.getUint32(at, true), addressOf(bid) >>> 0);
    assert.equal(this.view.getUint32(at + 4, true), ARENA.addressHigh >>> 0);
    assert.equal(this.view.getUint32(at + 8, true), bytes);
    this.head = (this.head + 1) & 0xffff;
    return bid;
  }
}

class Juggler {
  private readonly rings = GROUPS.map(() => new KernelRing());
  private readonly buffers: Buffers;
  private readonly held: number[] = [];
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
    const mappings = this.rings.map(({ mapping }) => mapping);
    this.buffers = new Buffers(ARENA, COUNTS, mappings, RING_ENTRIES);
  }

  private hold(id: number, isSmall: boolean): void {
    if (id === BUFFER_NONE) return;
    assert.ok(!this.held.includes(id), `buffer ${id} is in two places`);
    assert.equal(this.buffers.isSmall(id), isSmall);
    assert.ok(id >= 0 && id < ALL);
    this.held.push(id);
  }

  private receive(group: number): void {
    const { buffers } = this;
    const ring = this.rings[group]!;
    if (ring.count === 0) return;
    const first = FIRST[group]!;
    const bytes = group === GROUP_LARGE ? LARGE_BYTES : SMALL_BYTES;
    const addressOf = (bid: number): number => buffers.addressOf(buffers.start(first + bid));
    const bid = ring.take(addressOf, bytes);
    const flags = CQE_F_BUFFER | (bid << CQE_BUFFER_SHIFT);
    this.hold(buffers.received(group, flags), group !== GROUP_LARGE);
  }

  /** All rings once round, so that their 16-bit tails move on. */
  turnRings(): void {
    for (const group of GROUPS) this.receive(group);
    while (this.held.length > 0) this.free();
    this.buffers.provide();
    this.expectAllAccounted();
  }

  private free(): void {
    if (this.held.length === 0) return;
    const [id] = this.held.splice(this.random.below(this.held.length), 1);
    this.buffers.free(id as number);
  }

  step(freeing: number): void {
    const { buffers, random } = this;
    if (random.below(10) < freeing) this.free();
    if (random.below(10) === 0) buffers.free(BUFFER_NONE);
    const action = random.below(7);
    if (action === 0) this.receive(GROUP_SMALL);
    else if (action === 1) this.receive(GROUP_LARGE);
    else if (action === 2) this.hold(buffers.takeSmall(), true);
    else if (action === 3) this.hold(buffers.takeLarge(), false);
    else if (action === 4) {
      const bytes = random.pick([1, SMALL_BYTES, SMALL_BYTES + 1, LARGE_BYTES]);
      this.hold(buffers.takeFor(bytes), bytes <= SMALL_BYTES);
    } else if (action === 5) this.receive(GROUP_MULTISHOT);
    else buffers.provide();
  }

  expectAllAccounted(): void {
    const { buffers, held, rings } = this;
    assert.equal(buffers.inUse, held.length);
    const large = held.filter((id) => !buffers.isSmall(id)).length;
    const early = held.filter((id) => id >= COUNTS.small && id < SHORT).length;
    const unheld = [
      COUNTS.small - (held.length - large - early),
      COUNTS.large - large,
      COUNTS.multishot - early,
    ];
    for (const group of GROUPS) {
      assert.ok(rings[group]!.count <= buffers.available(group));
      assert.equal(buffers.available(group), Math.min(RING_ENTRIES, unheld[group]!));
    }
  }

  /** Takes every buffer out of its place: all are there, each once. */
  expectEachOnce(): void {
    const { buffers, rings } = this;
    for (let rounds = 0; rounds < ALL; rounds++) {
      for (const group of GROUPS) while (rings[group]!.count > 0) this.receive(group);
      buffers.provide();
    }
    for (let count = 0; count < ALL; count++) {
      this.hold(buffers.takeSmall(), true);
      this.hold(buffers.takeLarge(), false);
    }
    assert.deepEqual(
      this.held.toSorted((a, b) => a - b),
      Array.from({ length: ALL }, (_, id) => id),
    );
  }
}

test("buffers add up, whoever has them", async () => {
  await withRandom((random) => {
    const juggler = new Juggler(random);
    let freeing = 5;
    for (let step = 0; step < STEPS; step++) {
      // Now scarce, now plentiful.
      if (step % 500 === 0) freeing = random.between(2, 9);
      juggler.step(freeing);
      juggler.expectAllAccounted();
    }
    juggler.expectEachOnce();
  });
});

test("the rings go on when their tails wrap", async () => {
  await withRandom((random) => {
    const juggler = new Juggler(random);
    for (let turn = 0; turn < TAIL_COUNT + 2 * RING_ENTRIES; turn++) juggler.turnRings();
    juggler.expectEachOnce();
  });
});

test("no two buffers overlap, each has room for what is written around it", () => {
  const buffers = new Buffers(ARENA, COUNTS, GROUPS.map(ringMapping), RING_ENTRIES);
  let end = 0;
  for (let id = 0; id < ALL; id++) {
    const start = buffers.start(id);
    // In front: a head that has grown and a chunk's size line. Behind: its end, or the sentinel.
    assert.ok(start - end >= RESPONSE_HEAD_GROWTH + CHUNK_LINE_BYTES + "\r\n".length);
    const bytes = buffers.isSmall(id) ? SMALL_BYTES : LARGE_BYTES;
    assert.equal(buffers.limit(id) - start, bytes);
    end = buffers.limit(id);
  }
  assert.ok(end + "\r\n".length <= buffers.extraBase);
  assert.equal(buffers.extraBase + EXTRA_BYTES, ARENA.buffer.byteLength);
});

test("what fits into no buffer gets none", () => {
  const buffers = new Buffers(ARENA, COUNTS, GROUPS.map(ringMapping), RING_ENTRIES);
  assert.equal(buffers.takeFor(LARGE_BYTES + 1), BUFFER_NONE);
  assert.equal(buffers.inUse, 0);
});

declare const CHECKS: boolean;

test("a buffer that is given back too often is noticed, where there are checks", () => {
  const buffers = new Buffers(ARENA, COUNTS, GROUPS.map(ringMapping), RING_ENTRIES);
  const id = buffers.takeSmall();
  const release = (): void => {
    for (let count = 0; count <= RING_ENTRIES + 1; count++) buffers.free(id);
  };
  if (CHECKS) assert.throws(release, /check failed/);
  else assert.doesNotThrow(release);
});
