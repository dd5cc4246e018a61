// A ring without a kernel behind it, for warm-up.ts: memory in the kernel's layout, and an `enter`
// that does at once whatever it is asked to do. Every client asks the next request, every upstream
// has the same answer, every file is there.

import {
  ECANCELED,
  ENOBUFS,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IOSQE_BUFFER_SELECT,
  RING_OFFSET_COUNT,
  RING_OFFSET_CQ_CQES,
  RING_OFFSET_CQ_HEAD,
  RING_OFFSET_CQ_MASK,
  RING_OFFSET_CQ_TAIL,
  RING_OFFSET_SQ_HEAD,
  RING_OFFSET_SQ_TAIL,
  USER_OP_ACCEPT,
  USER_OP_CANCEL,
  USER_OP_FILE_OPEN,
  USER_OP_FILE_READ,
  USER_OP_FIX,
  USER_OP_RECEIVE,
  USER_OP_SEND,
  USER_OP_WAKE,
} from "../../native/abi.ts";
import type { Mapping, RingMemory } from "../native.ts";
import { GROUP_MULTISHOT, GROUPS } from "./buffers.ts";
import { type Connection, type ConnectionTable, ROLE_CLIENT } from "./connection.ts";
import { MULTISHOT_NONE } from "./multishot.ts";

/** Descriptors of the rehearsal; nothing is ever done to them. */
export const CLIENT_FD = 1;
export const UPSTREAM_FD = 2;
export const FILE_FD = 3;
export const FD_COUNT = 4;

const SQ_ENTRIES = 64;
const CQ_ENTRIES = 256;
export const BUFFER_RING_ENTRIES = 4;
const SQ_HEAD = 0;
const SQ_TAIL = 1;
const CQ_HEAD = 2;
const CQ_TAIL = 3;
const CQ_MASK = 4;
const HEADER_WORDS = 8;

/** Of the arena; any address does. */
const ADDRESS_LOW = 0x10000;

export class RehearsalRing {
  readonly memory: RingMemory;
  readonly arena: Mapping;
  readonly bufferRings: readonly Mapping[];
  /** Requests that have been asked. */
  asked = 0;
  private readonly table: ConnectionTable;
  private readonly requests: readonly Uint8Array[];
  private readonly answer: Uint8Array;
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly sqes: Int32Array;
  private readonly providedWords: readonly Int32Array[];
  private readonly taken = GROUPS.map(() => 0);
  /** Upstream connections whose request has gone out; by slot, as everything here. */
  private readonly due: Uint8Array;
  /** What an upstream's receive is to be completed with, or an armed one; 0: there is none. */
  private readonly waiting: Int32Array;

  constructor(
    table: ConnectionTable,
    slotCount: number,
    arenaBytes: number,
    requests: readonly Uint8Array[],
    answer: Uint8Array,
  ) {
    this.table = table;
    this.requests = requests;
    this.answer = answer;
    const rings = new ArrayBuffer((HEADER_WORDS + CQ_ENTRIES * 4) * 4);
    const sqes = new ArrayBuffer(SQ_ENTRIES * 64);
    this.words = new Int32Array(rings);
    this.sqes = new Int32Array(sqes);
    this.words[CQ_MASK] = CQ_ENTRIES - 1;
    const offsets = new Uint32Array(RING_OFFSET_COUNT);
    offsets[RING_OFFSET_SQ_HEAD] = SQ_HEAD * 4;
    offsets[RING_OFFSET_SQ_TAIL] = SQ_TAIL * 4;
    offsets[RING_OFFSET_CQ_HEAD] = CQ_HEAD * 4;
    offsets[RING_OFFSET_CQ_TAIL] = CQ_TAIL * 4;
    offsets[RING_OFFSET_CQ_MASK] = CQ_MASK * 4;
    offsets[RING_OFFSET_CQ_CQES] = HEADER_WORDS * 4;
    const [sqEntries, cqEntries] = [SQ_ENTRIES, CQ_ENTRIES];
    this.memory = { handle: 0, rings, sqes, offsets, sqEntries, cqEntries, features: 0 };
    this.arena = mapping(arenaBytes);
    this.bytes = new Uint8Array(this.arena.buffer);
    this.bufferRings = GROUPS.map(() => mapping(BUFFER_RING_ENTRIES * 16));
    this.providedWords = this.bufferRings.map(({ buffer }) => new Int32Array(buffer));
    this.due = new Uint8Array(slotCount);
    this.waiting = new Int32Array(slotCount);
  }

  /** Takes every submission and completes what can be completed; nothing fails, nothing waits. */
  enter(): number {
    const { words } = this;
    let head = words[SQ_HEAD]!;
    while (head !== words[SQ_TAIL]) {
      this.take((head & (SQ_ENTRIES - 1)) << 4);
      head = (head + 1) | 0;
    }
    words[SQ_HEAD] = head;
    // The accept is multishot: one client after the other, as the last one goes.
    if (this.table.clientCount === 0)
      this.complete(0, USER_OP_ACCEPT << 24, CLIENT_FD, IORING_CQE_F_MORE);
    return 0;
  }

  private take(at: number): void {
    const { sqes } = this;
    const slot = sqes[at + 8]!;
    const opGeneration = sqes[at + 9]!;
    const op = opGeneration >>> 24;
    if (op === USER_OP_ACCEPT || op === USER_OP_WAKE) return;
    const connection = this.table.list[slot]!;
    if (op === USER_OP_RECEIVE) {
      this.takeReceive(connection, at);
      return;
    }
    let result = 0;
    if (op === USER_OP_FIX) result = 1;
    else if (op === USER_OP_FILE_OPEN) result = FILE_FD;
    else if (op === USER_OP_SEND || op === USER_OP_FILE_READ) result = sqes[at + 6]!;
    this.complete(slot, opGeneration, result, 0);
    if (op === USER_OP_SEND) this.due[slot] = 1;
    if (this.waiting[slot] === 0) return;
    if (op === USER_OP_CANCEL) this.complete(slot, this.endWaiting(slot), -ECANCELED, 0);
    else if (this.due[slot] === 1) this.bringNext(connection);
  }

  private takeReceive(connection: Connection, at: number): void {
    const { slot } = connection;
    const opGeneration = this.sqes[at + 9]!;
    const selects = (this.sqes[at]! & (IOSQE_BUFFER_SELECT << 8)) !== 0;
    if (connection.role === ROLE_CLIENT && (!selects || connection.linger)) {
      this.complete(slot, opGeneration, 0, 0); // it has gone
      return;
    }
    this.waiting[slot] = opGeneration;
    if (connection.role === ROLE_CLIENT || this.due[slot] === 1) this.bringNext(connection);
  }

  /** Brings what the connection waits for: a client's next request, an upstream's answer. */
  private bringNext(connection: Connection): void {
    const { slot, role, multishot } = connection;
    const text =
      role === ROLE_CLIENT ? this.requests[this.asked++ % this.requests.length]! : this.answer;
    if (multishot === MULTISHOT_NONE) {
      this.bring(slot, this.endWaiting(slot), connection.receiveGroup, text, 0);
      return;
    }
    this.due[slot] = 0;
    this.bring(slot, this.waiting[slot]!, GROUP_MULTISHOT, text, IORING_CQE_F_MORE);
  }

  /** What the receive that waits is completed with; none does, and nothing is due any more. */
  private endWaiting(slot: number): number {
    const opGeneration = this.waiting[slot]!;
    this.waiting[slot] = 0;
    this.due[slot] = 0;
    return opGeneration;
  }

  /** Completes a receive with `text`, in the next buffer of its group. */
  private bring(
    slot: number,
    opGeneration: number,
    group: number,
    text: Uint8Array,
    more: number,
  ): void {
    const words = this.providedWords[group]!;
    const tail = words[3]! >>> 16;
    const next = this.taken[group]!;
    if (next === tail) {
      this.complete(slot, opGeneration, -ENOBUFS, 0);
      this.endWaiting(slot);
      return;
    }
    this.taken[group] = (next + 1) & 0xffff;
    const at = (next & (BUFFER_RING_ENTRIES - 1)) << 2;
    this.bytes.set(text, words[at]! - ADDRESS_LOW);
    const flags =
      more | IORING_CQE_F_BUFFER | ((words[at + 3]! & 0xffff) << IORING_CQE_BUFFER_SHIFT);
    this.complete(slot, opGeneration, text.length, flags);
  }

  private complete(slot: number, opGeneration: number, result: number, flags: number): void {
    const { words } = this;
    const tail = words[CQ_TAIL]!;
    const at = HEADER_WORDS + ((tail & (CQ_ENTRIES - 1)) << 2);
    words[at] = slot;
    words[at + 1] = opGeneration;
    words[at + 2] = result;
    words[at + 3] = flags;
    words[CQ_TAIL] = (tail + 1) | 0;
  }
}

function mapping(bytes: number): Mapping {
  const buffer = new ArrayBuffer(bytes);
  return { buffer, addressLow: ADDRESS_LOW, addressHigh: 0, pages: 0 };
}
