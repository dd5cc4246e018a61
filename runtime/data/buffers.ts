// The arena and its buffers. One mapping holds them all, so that a buffer is a range of one typed
// array and its address a constant high word plus an offset. A buffer has one owner at a time: the
// kernel (while it stands in a provided-buffer ring), a connection, or the free list.
//
//   | control | small, 4 KiB each | multishot, 4 KiB each | large, 68 KiB each | memory files |
//                └ headroom | payload | tailroom
//
// A response head is rewritten into the headroom of the buffer it was received in, right before its
// body, so that a body is never copied. A chunk's size line goes there too, its end into the
// tailroom, and so does the zero on which every scan ends.

import type { Mapping } from "../native.ts";
import { check } from "./checks.ts";

export const BUFFER_NONE = -1;

/** Groups of provided buffers, and their index here. */
export const GROUP_NONE = -1;
export const GROUP_SMALL = 0;
export const GROUP_LARGE = 1;
/**
 * Small ones for receives that stay armed. They are apart, as such a receive takes one for whatever
 * comes: peers who send ahead of their turn can empty this group, and no other.
 */
export const GROUP_MULTISHOT = 2;
/** Groups there are. */
export const GROUPS = [GROUP_SMALL, GROUP_LARGE, GROUP_MULTISHOT] as const;

/** What a head may grow by when it is rewritten, and a chunk's size line. */
const HEADROOM = 224;
const TAILROOM = 16;

const SMALL_STRIDE = 4096;
export const SMALL_BYTES = SMALL_STRIDE - HEADROOM - TAILROOM;

/** Takes 64 KiB of body with a head before it. */
const LARGE_STRIDE = 17 * 4096;
export const LARGE_BYTES = LARGE_STRIDE - HEADROOM - TAILROOM;

/** Small change at the start of the arena: structs for the kernel, scratch for heads. */
const CONTROL_BYTES = 512 * 1024;

export interface BufferCounts {
  readonly small: number;
  readonly large: number;
  readonly multishot: number;
}

/** Arena bytes for so many buffers and `extra` bytes behind them. */
export function arenaBytes(counts: BufferCounts, extra: number): number {
  const short = counts.small + counts.multishot;
  return CONTROL_BYTES + short * SMALL_STRIDE + counts.large * LARGE_STRIDE + extra;
}

/**
 * The buffers of a group: those that are free, and the kernel's, which stand in a provided-buffer
 * ring (struct io_uring_buf_ring: entries of addr, len, bid; tail in entry 0).
 */
class BufferGroup {
  /** Its ids are `firstId` to `firstId + count - 1`. */
  readonly firstId: number;
  readonly count: number;
  private readonly free: Int32Array;
  freeCount = 0;
  private readonly words: Int32Array;
  private readonly halves: Uint16Array;
  private readonly entries: number;
  private tail = 0;
  /** Buffers standing in the ring. */
  provided = 0;

  constructor(firstId: number, count: number, ring: Mapping, entries: number) {
    this.firstId = firstId;
    this.count = count;
    this.words = new Int32Array(ring.buffer);
    this.halves = new Uint16Array(ring.buffer);
    this.entries = entries;
    this.free = new Int32Array(count);
    // Lowest on top, so that the same few pages are used while there is little to do.
    for (let id = firstId + count - 1; id >= firstId; id--) this.free[this.freeCount++] = id;
  }

  take(): number {
    return this.freeCount === 0 ? BUFFER_NONE : this.free[--this.freeCount]!;
  }

  give(id: number): void {
    this.free[this.freeCount++] = id;
    check(this.freeCount <= this.count);
  }

  /** Whether the ring has room, and something is there to fill it. */
  get lacks(): boolean {
    return this.provided < this.entries && this.freeCount > 0;
  }

  /** How many receives can find a buffer when the ring has been filled up. */
  get available(): number {
    return Math.min(this.entries, this.provided + this.freeCount);
  }

  /** Puts a free buffer's `bytes` at the address into the ring. */
  provide(id: number, addressLow: number, addressHigh: number, bytes: number): void {
    const at = (this.tail & (this.entries - 1)) << 2;
    this.words[at] = addressLow;
    this.words[at + 1] = addressHigh;
    this.words[at + 2] = bytes;
    this.halves[(at + 3) << 1] = id - this.firstId;
    this.tail = (this.tail + 1) & 0xffff;
    this.provided++;
  }

  publish(): void {
    this.halves[7] = this.tail;
  }
}

export class Buffers {
  readonly bytes: Uint8Array;
  readonly addressLow: number;
  readonly addressHigh: number;
  private readonly small: BufferGroup;
  private readonly large: BufferGroup;
  private readonly multishot: BufferGroup;
  private readonly groups: readonly BufferGroup[];
  /** Ids below are of the small size, those of the multishot group included. */
  readonly shortCount: number;
  private readonly largeBase: number;
  /** Where memory files start. */
  readonly extraBase: number;

  /** `rings`: memory of the provided-buffer rings, by group, each with `ringEntries` entries. */
  constructor(
    arena: Mapping,
    counts: BufferCounts,
    rings: readonly Mapping[],
    ringEntries: number,
  ) {
    this.bytes = new Uint8Array(arena.buffer);
    this.addressLow = arena.addressLow;
    this.addressHigh = arena.addressHigh | 0;
    this.shortCount = counts.small + counts.multishot;
    this.largeBase = CONTROL_BYTES + this.shortCount * SMALL_STRIDE;
    this.extraBase = this.largeBase + counts.large * LARGE_STRIDE;
    const group = (firstId: number, count: number, index: number): BufferGroup =>
      new BufferGroup(firstId, count, rings[index]!, ringEntries);
    this.small = group(0, counts.small, GROUP_SMALL);
    this.multishot = group(counts.small, counts.multishot, GROUP_MULTISHOT);
    this.large = group(this.shortCount, counts.large, GROUP_LARGE);
    this.groups = [this.small, this.large, this.multishot];
    this.provide();
  }

  /** The address of an arena offset, its low word (the high word is `addressHigh`). */
  addressOf(offset: number): number {
    return (this.addressLow + offset) | 0;
  }

  isSmall(id: number): boolean {
    return id < this.shortCount;
  }

  /** Offset of the first byte that may be filled; HEADROOM bytes before it are the owner's. */
  start(id: number): number {
    return HEADROOM + this.base(id);
  }

  /** Offset behind the last byte that may be filled; TAILROOM bytes there are the owner's. */
  limit(id: number): number {
    return this.base(id) + (id < this.shortCount ? SMALL_STRIDE : LARGE_STRIDE) - TAILROOM;
  }

  private base(id: number): number {
    return id < this.shortCount
      ? CONTROL_BYTES + id * SMALL_STRIDE
      : this.largeBase + (id - this.shortCount) * LARGE_STRIDE;
  }

  /**
   * The group to receive a body into: large, until most large buffers are held. Slow peers then get
   * theirs in small pieces, and the rest stays for those who are quick.
   */
  get bodyGroup(): number {
    return this.large.freeCount << 3 >= this.large.count ? GROUP_LARGE : GROUP_SMALL;
  }

  /** Takes a small buffer, or BUFFER_NONE when none is left. */
  takeSmall(): number {
    return this.take(GROUP_SMALL);
  }

  /** Takes a large buffer, or BUFFER_NONE when none is left. */
  takeLarge(): number {
    return this.take(GROUP_LARGE);
  }

  protected take(group: number): number {
    return this.groups[group]!.take();
  }

  /** A buffer with room for `bytes`, or BUFFER_NONE when there is none, or none that large. */
  takeFor(bytes: number): number {
    if (bytes <= SMALL_BYTES) return this.takeSmall();
    return bytes <= LARGE_BYTES ? this.takeLarge() : BUFFER_NONE;
  }

  /** Gives a buffer back. BUFFER_NONE is allowed: static memory has no owner. */
  free(id: number): void {
    if (id === BUFFER_NONE) return;
    if (id < this.multishot.firstId) this.small.give(id);
    else if (id < this.shortCount) this.multishot.give(id);
    else this.large.give(id);
  }

  /** The buffer that the kernel filled: CQE flags of a receive with a selected buffer. */
  received(group: number, flags: number): number {
    const { groups } = this;
    groups[group]!.provided--;
    return groups[group]!.firstId + (flags >>> 16);
  }

  /** Fills the provided-buffer rings up again; called once a turn. */
  provide(): void {
    if (this.small.lacks) this.fill(GROUP_SMALL, SMALL_BYTES);
    if (this.multishot.lacks) this.fill(GROUP_MULTISHOT, SMALL_BYTES);
    if (this.large.lacks) this.fill(GROUP_LARGE, LARGE_BYTES);
  }

  private fill(index: number, bytes: number): void {
    const group = this.groups[index]!;
    while (group.lacks) {
      const id = this.take(index);
      group.provide(id, this.addressOf(this.start(id)), this.addressHigh, bytes);
    }
    group.publish();
  }

  /** How many receives from `group` can find a buffer when the rings have been filled up. */
  available(group: number): number {
    return this.groups[group]!.available;
  }

  get hasSmall(): boolean {
    return this.small.freeCount > 0;
  }

  /** Buffers that connections hold: neither free nor provided. */
  get inUse(): number {
    let held = 0;
    for (const { count, freeCount, provided } of this.groups) held += count - freeCount - provided;
    return held;
  }
}
