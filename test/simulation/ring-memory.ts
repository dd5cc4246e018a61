// The memory that kernel and runtime share, in the kernel's layout: SQ, CQ, SQEs, the rings of
// provided buffers, the arena. Reads what the runtime wrote as an adversary: a field that the
// kernel would refuse, an address outside the arena or a buffer that is written to while the kernel
// holds it is a Violation.

import {
  BUF_RING_TAIL_U16,
  RING_OFFSET_COUNT,
  RING_OFFSET_CQ_CQES,
  RING_OFFSET_CQ_HEAD,
  RING_OFFSET_CQ_MASK,
  RING_OFFSET_CQ_TAIL,
  RING_OFFSET_SQ_HEAD,
  RING_OFFSET_SQ_TAIL,
  SQE_WORDS,
} from "zproxy/native/abi.ts";
import { GROUPS } from "zproxy/runtime/data/buffers.ts";
import type { Mapping, RingMemory } from "zproxy/runtime/native.ts";
import { Violation } from "./faults.ts";

const ADDRESS_HIGH = 0x7f3a;
const ARENA_LOW = 0x20000000;
const HEADER_WORDS = 16;
const SQ_HEAD = 0;
const SQ_TAIL = 1;
const CQ_HEAD = 2;
const CQ_TAIL = 3;
const CQ_MASK = 4;

/** What stands in memory that nobody may read or write. */
const POISON = 0xdb;
const POISON_BYTES = Buffer.alloc(128 * 1024, POISON);

/** One SQE, read. The names are the kernel's. */
export interface Sqe {
  readonly opcode: number;
  readonly flags: number;
  readonly ioprio: number;
  readonly fd: number;
  readonly offLow: number;
  readonly offHigh: number;
  /** Offset in the arena, or -1 for a null address. */
  readonly addr: number;
  /** The address as it was written: for operations that use it as user_data. */
  readonly addrLow: number;
  readonly addrHigh: number;
  readonly len: number;
  readonly opFlags: number;
  readonly slot: number;
  readonly opGeneration: number;
  readonly bufferGroup: number;
}

interface Provided {
  readonly start: number;
  readonly bytes: number;
  readonly bid: number;
}

/** A range of the arena that an operation reads or writes. */
export interface Hold {
  readonly start: number;
  readonly end: number;
  /** What the kernel is going to read; null for a range that it is going to write. */
  readonly copy: Buffer | null;
}

export class SharedMemory {
  readonly ring: RingMemory;
  readonly arena: Mapping;
  readonly arenaBytes: Buffer;
  readonly bufferRings: readonly Mapping[];
  private readonly words: Int32Array;
  private readonly sqes: Int32Array;
  private readonly sqEntries: number;
  private readonly cqEntries: number;
  private readonly bufferEntries: number;
  /** By group. */
  private readonly ringTails = GROUPS.map(() => 0);
  private readonly provided: readonly Provided[][] = GROUPS.map(() => []);
  private readonly holds = new Set<Hold>();
  /** Completions that found the CQ full (IORING_FEAT_NODROP). */
  private readonly backlog: [number, number, number, number][] = [];

  /** `arena` may be used before: it is poisoned. */
  constructor(arena: ArrayBuffer, sqEntries: number, cqEntries: number, bufferEntries: number) {
    this.sqEntries = sqEntries;
    this.cqEntries = cqEntries;
    this.bufferEntries = bufferEntries;
    const rings = new ArrayBuffer((HEADER_WORDS + cqEntries * 4) * 4);
    const sqes = new ArrayBuffer(sqEntries * SQE_WORDS * 4);
    this.words = new Int32Array(rings);
    this.sqes = new Int32Array(sqes);
    this.words[CQ_MASK] = cqEntries - 1;
    const offsets = new Uint32Array(RING_OFFSET_COUNT);
    offsets[RING_OFFSET_SQ_HEAD] = SQ_HEAD * 4;
    offsets[RING_OFFSET_SQ_TAIL] = SQ_TAIL * 4;
    offsets[RING_OFFSET_CQ_HEAD] = CQ_HEAD * 4;
    offsets[RING_OFFSET_CQ_TAIL] = CQ_TAIL * 4;
    offsets[RING_OFFSET_CQ_MASK] = CQ_MASK * 4;
    offsets[RING_OFFSET_CQ_CQES] = HEADER_WORDS * 4;
    this.ring = { handle: 0, rings, sqes, offsets, sqEntries, cqEntries, features: 0 };
    this.arenaBytes = Buffer.from(arena).fill(POISON);
    this.arena = { buffer: arena, addressLow: ARENA_LOW, addressHigh: ADDRESS_HIGH, pages: 0 };
    const bufferRing = (): Mapping => {
      const buffer = new ArrayBuffer(bufferEntries * 16);
      return { buffer, addressLow: 0, addressHigh: 0, pages: 0 };
    };
    this.bufferRings = GROUPS.map(bufferRing);
  }

  get unsubmitted(): number {
    const count = (this.words[SQ_TAIL]! - this.words[SQ_HEAD]!) | 0;
    if (count < 0 || count > this.sqEntries) throw new Violation(`${count} SQEs in the queue`);
    return count;
  }

  /** Whether a submission that has not been taken does `opcode` to `fd`. */
  isQueued(opcode: number, fd: number): boolean {
    for (let index = this.words[SQ_HEAD]!; index !== this.words[SQ_TAIL]; index = (index + 1) | 0) {
      const at = (index & (this.sqEntries - 1)) * SQE_WORDS;
      if ((this.sqes[at]! & 0xff) === opcode && this.sqes[at + 1] === fd) return true;
    }
    return false;
  }

  takeSqe(): Sqe {
    const at = (this.words[SQ_HEAD]! & (this.sqEntries - 1)) * SQE_WORDS;
    this.words[SQ_HEAD] = (this.words[SQ_HEAD]! + 1) | 0;
    const word = (index: number): number => this.sqes[at + index]!;
    for (let index = 11; index < SQE_WORDS; index++) {
      if (word(index) !== 0) throw new Violation(`word ${index} of an SQE is ${word(index)}`);
    }
    return {
      opcode: word(0) & 0xff,
      flags: (word(0) >>> 8) & 0xff,
      ioprio: word(0) >>> 16,
      fd: word(1),
      offLow: word(2),
      offHigh: word(3),
      addr: this.offsetOf(word(4), word(5)),
      addrLow: word(4),
      addrHigh: word(5),
      len: word(6) >>> 0,
      opFlags: word(7),
      slot: word(8),
      opGeneration: word(9),
      bufferGroup: word(10),
    };
  }

  /** The arena offset of an address, or -1 when it is none of the arena. */
  offsetOf(low: number, high: number): number {
    const offset = (low >>> 0) - ARENA_LOW;
    return high === ADDRESS_HIGH && offset >= 0 && offset < this.arenaBytes.length ? offset : -1;
  }

  /** Completions that the runtime has not taken yet. */
  get completions(): number {
    return (this.words[CQ_TAIL]! - this.words[CQ_HEAD]!) | 0;
  }

  post(slot: number, opGeneration: number, result: number, flags: number): void {
    if (this.completions === this.cqEntries) {
      this.backlog.push([slot, opGeneration, result, flags]);
      return;
    }
    const { words } = this;
    const at = HEADER_WORDS + (words[CQ_TAIL]! & (this.cqEntries - 1)) * 4;
    words[at] = slot;
    words[at + 1] = opGeneration;
    words[at + 2] = result;
    words[at + 3] = flags;
    words[CQ_TAIL] = (words[CQ_TAIL]! + 1) | 0;
  }

  /** Posts what did not find room, in order. */
  flushBacklog(): void {
    while (this.backlog.length > 0 && this.completions < this.cqEntries)
      this.post(...this.backlog.shift()!);
  }

  /** Takes over the buffers that the runtime has put into the rings. */
  takeProvided(): void {
    for (const group of GROUPS) {
      const ring = this.bufferRings[group]!.buffer;
      const tail = new Uint16Array(ring)[BUF_RING_TAIL_U16]!;
      if (tail === this.ringTails[group]) continue;
      const words = new Int32Array(ring);
      while (this.ringTails[group] !== tail) {
        const at = (this.ringTails[group]! & (this.bufferEntries - 1)) * 4;
        const start = this.offsetOf(words[at]!, words[at + 1]!);
        this.takeOne(group, start, words[at + 2]!, words[at + 3]! & 0xffff);
        this.ringTails[group] = (this.ringTails[group]! + 1) & 0xffff;
      }
    }
  }

  private takeOne(group: number, start: number, bytes: number, bid: number): void {
    const provided = this.provided[group]!;
    const end = start + bytes;
    if (start < 0 || bytes <= 0 || end > this.arenaBytes.length)
      throw new Violation(`provided buffer ${bid} of group ${group} is outside the arena`);
    if (provided.length === this.bufferEntries)
      throw new Violation(`group ${group} holds more buffers than its ring`);
    for (const other of this.provided.flat()) {
      if (start < other.start + other.bytes && other.start < end)
        throw new Violation(`buffer ${bid} of group ${group} is provided twice`);
    }
    for (const hold of this.holds) {
      if (start < hold.end && hold.start < end)
        throw new Violation(`buffer ${bid} of group ${group} is provided while the kernel uses it`);
    }
    this.arenaBytes.fill(POISON, start, end);
    provided.push({ start, bytes, bid });
  }

  hasProvided(group: number): boolean {
    return this.provided[group]!.length > 0;
  }

  /** The next buffer of a group; asserts that nobody has written to it. */
  selectBuffer(group: number): Provided {
    const buffer = this.provided[group]!.shift()!;
    this.expectPoison(buffer.start, buffer.start + buffer.bytes, `provided buffer ${buffer.bid}`);
    return buffer;
  }

  private expectPoison(start: number, end: number, what: string): void {
    if (this.arenaBytes.compare(POISON_BYTES, 0, end - start, start, end) !== 0)
      throw new Violation(`${what} was written to while the kernel held it`);
  }

  /** A range that an operation is going to read. */
  holdForReading(start: number, bytes: number, what: string): Hold {
    this.expectInside(start, bytes, what);
    const end = start + bytes;
    return this.hold({ start, end, copy: Buffer.from(this.arenaBytes.subarray(start, end)) }, what);
  }

  /** A range that an operation is going to write. */
  holdForWriting(start: number, bytes: number, what: string): Hold {
    this.expectInside(start, bytes, what);
    const hold = this.hold({ start, end: start + bytes, copy: null }, what);
    this.arenaBytes.fill(POISON, start, start + bytes);
    return hold;
  }

  /** The operation is over: asserts that its memory is as it was. */
  release(hold: Hold, what: string): void {
    this.holds.delete(hold);
    const { start, end, copy } = hold;
    if (copy === null) this.expectPoison(start, end, what);
    else if (this.arenaBytes.compare(copy, 0, end - start, start, end) !== 0)
      throw new Violation(`${what}: its bytes changed while the kernel read them`);
  }

  expectInside(start: number, bytes: number, what: string): void {
    if (start < 0 || bytes <= 0 || start + bytes > this.arenaBytes.length)
      throw new Violation(`${what}: EFAULT at ${start}, ${bytes} bytes`);
  }

  private hold(hold: Hold, what: string): Hold {
    for (const other of this.holds) {
      if (hold.copy !== null && other.copy !== null) continue; // two may read
      if (hold.start < other.end && other.start < hold.end)
        throw new Violation(`${what}: another operation uses this memory`);
    }
    this.holds.add(hold);
    return hold;
  }

  get holdCount(): number {
    return this.holds.size;
  }
}
