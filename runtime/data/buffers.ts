// The arena and its buffers. One mapping holds them all, so that a buffer is a range of one typed
// array and its address a constant high word plus an offset. A buffer has one owner at a time: the
// kernel (while it stands in a provided-buffer ring), a connection, or the free list.
//
//   | control | small 0 … n-1, 4 KiB each | large 0 … m-1, 68 KiB each | memory files |
//                └ headroom | payload | tailroom
//
// A response head is rewritten into the headroom of the buffer it was received in, right before its
// body, so that a body is never copied. A chunk's size line goes there too, its end into the
// tailroom, and so does the zero on which every scan ends.

import type { Mapping } from "../native.ts";
import { check } from "./checks.ts";

export const BUFFER_NONE = -1;

/** Groups of provided buffers, and their index here. */
export const GROUP_SMALL = 0;
export const GROUP_LARGE = 1;

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
}

/** Arena bytes for so many buffers and `extra` bytes behind them. */
export function arenaBytes(counts: BufferCounts, extra: number): number {
  return CONTROL_BYTES + counts.small * SMALL_STRIDE + counts.large * LARGE_STRIDE + extra;
}

/**
 * A provided-buffer ring (struct io_uring_buf_ring): entries of addr, len, bid; tail in entry 0.
 */
class ProvidedRing {
  private readonly words: Int32Array;
  private readonly halves: Uint16Array;
  private readonly mask: number;
  /** Buffers standing in the ring. */
  provided = 0;
  private tail = 0;

  constructor(mapping: Mapping, entries: number) {
    this.words = new Int32Array(mapping.buffer);
    this.halves = new Uint16Array(mapping.buffer);
    this.mask = entries - 1;
  }

  add(addressLow: number, addressHigh: number, bytes: number, bid: number): void {
    const at = (this.tail & this.mask) << 2;
    this.words[at] = addressLow;
    this.words[at + 1] = addressHigh;
    this.words[at + 2] = bytes;
    this.halves[(at + 3) << 1] = bid;
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
  readonly smallCount: number;
  readonly largeCount: number;
  private readonly largeBase: number;
  /** Where memory files start. */
  readonly extraBase: number;
  private readonly freeSmall: Int32Array;
  private readonly freeLarge: Int32Array;
  private freeSmallCount = 0;
  private freeLargeCount = 0;
  private readonly rings: readonly [ProvidedRing, ProvidedRing];
  private readonly ringTarget: number;

  constructor(
    arena: Mapping,
    counts: BufferCounts,
    rings: readonly [Mapping, Mapping],
    ringEntries: number,
  ) {
    this.bytes = new Uint8Array(arena.buffer);
    this.addressLow = arena.addressLow;
    this.addressHigh = arena.addressHigh | 0;
    this.smallCount = counts.small;
    this.largeCount = counts.large;
    this.largeBase = CONTROL_BYTES + counts.small * SMALL_STRIDE;
    this.extraBase = this.largeBase + counts.large * LARGE_STRIDE;
    this.freeSmall = new Int32Array(counts.small);
    this.freeLarge = new Int32Array(counts.large);
    // Lowest on top, so that the same few pages are used while there is little to do.
    for (let id = counts.small - 1; id >= 0; id--) this.freeSmall[this.freeSmallCount++] = id;
    for (let id = counts.large - 1; id >= 0; id--)
      this.freeLarge[this.freeLargeCount++] = counts.small + id;
    this.rings = [new ProvidedRing(rings[0], ringEntries), new ProvidedRing(rings[1], ringEntries)];
    this.ringTarget = ringEntries;
    this.provide();
  }

  /** The address of an arena offset, its low word (the high word is `addressHigh`). */
  addressOf(offset: number): number {
    return (this.addressLow + offset) | 0;
  }

  isSmall(id: number): boolean {
    return id < this.smallCount;
  }

  /** Offset of the first byte that may be filled; HEADROOM bytes before it are the owner's. */
  start(id: number): number {
    return HEADROOM + this.base(id);
  }

  /** Offset behind the last byte that may be filled; TAILROOM bytes there are the owner's. */
  limit(id: number): number {
    return this.base(id) + (id < this.smallCount ? SMALL_STRIDE : LARGE_STRIDE) - TAILROOM;
  }

  private base(id: number): number {
    return id < this.smallCount
      ? CONTROL_BYTES + id * SMALL_STRIDE
      : this.largeBase + (id - this.smallCount) * LARGE_STRIDE;
  }

  /**
   * The group to receive a body into: large, until most large buffers are held. Slow peers then get
   * theirs in small pieces, and the rest stays for those who are quick.
   */
  get bodyGroup(): number {
    return this.freeLargeCount << 3 >= this.largeCount ? GROUP_LARGE : GROUP_SMALL;
  }

  /** Takes a small buffer, or BUFFER_NONE when none is left. */
  takeSmall(): number {
    return this.freeSmallCount === 0 ? BUFFER_NONE : this.freeSmall[--this.freeSmallCount]!;
  }

  /** Takes a large buffer, or BUFFER_NONE when none is left. */
  takeLarge(): number {
    return this.freeLargeCount === 0 ? BUFFER_NONE : this.freeLarge[--this.freeLargeCount]!;
  }

  /** A buffer with room for `bytes`, or BUFFER_NONE when there is none, or none that large. */
  takeFor(bytes: number): number {
    if (bytes <= SMALL_BYTES) return this.takeSmall();
    return bytes <= LARGE_BYTES ? this.takeLarge() : BUFFER_NONE;
  }

  /** Gives a buffer back. BUFFER_NONE is allowed: static memory has no owner. */
  free(id: number): void {
    if (id === BUFFER_NONE) return;
    if (id < this.smallCount) this.freeSmall[this.freeSmallCount++] = id;
    else this.freeLarge[this.freeLargeCount++] = id;
    check(this.freeSmallCount <= this.smallCount && this.freeLargeCount <= this.largeCount);
  }

  /** The buffer that the kernel filled: CQE flags of a receive with a selected buffer. */
  received(group: number, flags: number): number {
    this.rings[group as 0 | 1].provided--;
    const bid = flags >>> 16;
    return group === GROUP_SMALL ? bid : this.smallCount + bid;
  }

  /** Fills the provided-buffer rings up again; called once a turn. */
  provide(): void {
    const [small, large] = this.rings;
    if (small.provided < this.ringTarget && this.freeSmallCount > 0) {
      while (small.provided < this.ringTarget && this.freeSmallCount > 0) {
        const id = this.takeSmall();
        small.add(this.addressOf(this.start(id)), this.addressHigh, SMALL_BYTES, id);
      }
      small.publish();
    }
    if (large.provided < this.ringTarget && this.freeLargeCount > 0) {
      while (large.provided < this.ringTarget && this.freeLargeCount > 0) {
        const id = this.takeLarge();
        const bid = id - this.smallCount;
        large.add(this.addressOf(this.start(id)), this.addressHigh, LARGE_BYTES, bid);
      }
      large.publish();
    }
  }

  /** How many receives from `group` can find a buffer. */
  available(group: number): number {
    return this.rings[group as 0 | 1].provided;
  }

  /** Buffers that connections hold: neither free nor provided. */
  get inUse(): number {
    const provided = this.rings[0].provided + this.rings[1].provided;
    const free = this.freeSmallCount + this.freeLargeCount;
    return this.smallCount + this.largeCount - provided - free;
  }
}
