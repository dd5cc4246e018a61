// What the native tests share: the addon under test and a small driver for its rings. The driver is
// slow and simple on purpose, and knows the kernel's layout only through native/abi.ts.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import * as abi from "../../native/abi.ts";
import { type Addon, loadAddon, type Mapping, type RingMemory } from "../../runtime/native.ts";
import { patience } from "../lib/patience.ts";

export const ADDON_PATH = resolve(process.env.ZPROXY_ADDON ?? "native/build/Release/zproxy.node");

export const addon: Addon = loadAddon(ADDON_PATH);

/** ZPROXY_TEST_IO=epoll runs every ring of the tests on the other engine. */
export const ENGINE =
  process.env.ZPROXY_TEST_IO === "epoll" ? abi.ENGINE_EPOLL : abi.ENGINE_IO_URING;

/** How long a test waits for something that must come. */
const PATIENCE_TURNS = patience(200);
const TURN_MS = 25;

const encoder = new TextEncoder();

/** The fields of an SQE that a test sets; the rest is 0. `addr` and `off` are two u32 words. */
export interface Submission {
  readonly opcode: number;
  readonly flags?: number;
  readonly ioprio?: number;
  readonly fd?: number;
  readonly off?: readonly [low: number, high: number];
  readonly addr?: readonly [low: number, high: number];
  readonly len?: number;
  readonly opFlags?: number;
  readonly bufferGroup?: number;
  readonly slot?: number;
  /** USER_OP_*; the generation is 0. */
  readonly op?: number;
}

export interface Completion {
  readonly slot: number;
  readonly op: number;
  readonly result: number;
  readonly flags: number;
}

/** The value of a call that must not fail. */
export function succeed(result: number): number {
  assert.ok(result >= 0, `failed with errno ${-result}`);
  return result;
}

/** The memory of a call that must not fail. */
export function succeedMemory<Memory extends object>(result: Memory | number): Memory {
  if (typeof result === "number") return assert.fail(`failed with errno ${-result}`);
  return result;
}

/** Mapped memory that addresses can be taken of, handed out from the start. */
export class Arena {
  readonly mapping: Mapping;
  readonly bytes: Uint8Array;
  private used = 0;

  constructor(owner: number, byteCount: number) {
    this.mapping = succeedMemory(addon.map(owner, byteCount, false));
    this.bytes = new Uint8Array(this.mapping.buffer);
  }

  /** The next `byteCount` bytes, aligned to 8; returns their offset. */
  take(byteCount: number): number {
    const offset = this.used;
    this.used = (offset + byteCount + 7) & ~7;
    assert.ok(this.used <= this.bytes.length, "the test's arena is too small");
    return offset;
  }

  /** Puts a text (with a NUL behind it) into the arena; returns its offset. */
  put(text: string): number {
    const encoded = encoder.encode(`${text}\0`);
    const offset = this.take(encoded.length);
    this.bytes.set(encoded, offset);
    return offset;
  }

  address(offset: number): readonly [low: number, high: number] {
    return [this.mapping.addressLow + offset, this.mapping.addressHigh];
  }

  text(offset: number, length: number): string {
    return new TextDecoder().decode(this.bytes.subarray(offset, offset + length));
  }
}

/** A ring of the calling thread. */
export class TestRing {
  readonly memory: RingMemory;
  readonly handle: number;
  readonly clock: Uint32Array;
  private readonly words: Uint32Array;
  private readonly results: Int32Array;
  private readonly sqes: Uint32Array;
  private queued = 0;
  private readonly read: Completion[] = [];

  constructor(owner: number, sqEntries = 16, cqEntries = 64) {
    this.memory = succeedMemory(addon.ringOpen(owner, sqEntries, cqEntries, ENGINE));
    this.handle = this.memory.handle;
    this.words = new Uint32Array(this.memory.rings);
    this.results = new Int32Array(this.memory.rings);
    this.sqes = new Uint32Array(this.memory.sqes);
    this.clock = addon.ringClock(this.handle);
  }

  /** The word that RING_OFFSET_* names. */
  word(ringOffset: number): number {
    return this.words[this.memory.offsets[ringOffset]! >> 2]!;
  }

  setWord(ringOffset: number, value: number): void {
    this.words[this.memory.offsets[ringOffset]! >> 2] = value;
  }

  push(submission: Submission): void {
    const { opcode, flags = 0, ioprio = 0, op = 0, slot = 0 } = submission;
    const { off = [0, 0], addr = [0, 0] } = submission;
    const tail = this.word(abi.RING_OFFSET_SQ_TAIL);
    const at = (tail & (this.memory.sqEntries - 1)) * abi.SQE_WORDS;
    this.sqes.fill(0, at, at + abi.SQE_WORDS);
    this.sqes[at + abi.SQE_HEAD] =
      opcode | (flags << abi.SQE_HEAD_FLAGS_SHIFT) | (ioprio << abi.SQE_HEAD_IOPRIO_SHIFT);
    this.sqes[at + abi.SQE_FD] = submission.fd ?? -1;
    this.sqes.set(off, at + abi.SQE_OFF_LOW);
    this.sqes.set(addr, at + abi.SQE_ADDR_LOW);
    this.sqes[at + abi.SQE_LEN] = submission.len ?? 0;
    this.sqes[at + abi.SQE_OP_FLAGS] = submission.opFlags ?? 0;
    this.sqes[at + abi.SQE_USER_DATA_LOW] = slot;
    this.sqes[at + abi.SQE_USER_DATA_HIGH] = op << abi.USER_DATA_OP_SHIFT;
    this.sqes[at + abi.SQE_BUFFER] = submission.bufferGroup ?? 0;
    this.setWord(abi.RING_OFFSET_SQ_TAIL, tail + 1);
    this.queued++;
  }

  /** Submits what is queued, waits as `ringEnter` does, and returns its result. */
  enter(minComplete: number, timeoutMs: number): number {
    const submitted = addon.ringEnter(this.handle, this.queued, minComplete, timeoutMs);
    if (submitted > 0) this.queued -= submitted;
    return submitted;
  }

  /** Takes every completion out of the queue, in order. */
  reap(): Completion[] {
    const completions: Completion[] = [];
    const cqes = this.memory.offsets[abi.RING_OFFSET_CQ_CQES]! >> 2;
    const tail = this.word(abi.RING_OFFSET_CQ_TAIL);
    let head = this.word(abi.RING_OFFSET_CQ_HEAD);
    for (; head !== tail; head = (head + 1) >>> 0) {
      const at = cqes + (head & (this.memory.cqEntries - 1)) * abi.CQE_WORDS;
      completions.push({
        slot: this.words[at + abi.CQE_USER_DATA_LOW]!,
        op: this.words[at + abi.CQE_USER_DATA_HIGH]! >>> abi.USER_DATA_OP_SHIFT,
        result: this.results[at + abi.CQE_RESULT]!,
        flags: this.words[at + abi.CQE_FLAGS]!,
      });
    }
    this.setWord(abi.RING_OFFSET_CQ_HEAD, head);
    return completions;
  }

  /** Enters until a completion for `slot` is there; others are kept for later calls. */
  wait(slot: number): Completion {
    for (let turn = 0; turn < PATIENCE_TURNS; turn++) {
      const index = this.read.findIndex((it) => it.slot === slot);
      if (index >= 0) return this.read.splice(index, 1)[0]!;
      succeed(this.enter(1, TURN_MS));
      this.read.push(...this.reap());
    }
    return assert.fail(`no completion for slot ${slot}; have ${JSON.stringify(this.read)}`);
  }

  /** Submits one operation and waits for its completion. */
  run(submission: Submission): Completion {
    this.push(submission);
    return this.wait(submission.slot ?? 0);
  }

  close(): void {
    succeed(addon.ringClose(this.handle));
  }
}

/** A provided-buffer ring whose buffers lie in an arena, all given to the kernel. */
export class TestBuffers {
  readonly mapping: Mapping;
  private readonly arena: Arena;
  private readonly count: number;
  private readonly bufferBytes: number;
  private readonly words: Uint32Array;
  private readonly halves: Uint16Array;
  private readonly starts: number[] = [];
  private tail = 0;

  constructor(ring: TestRing, arena: Arena, group: number, count: number, bufferBytes: number) {
    this.arena = arena;
    this.count = count;
    this.bufferBytes = bufferBytes;
    this.mapping = succeedMemory(addon.ringBuffers(ring.handle, group, count));
    this.words = new Uint32Array(this.mapping.buffer);
    this.halves = new Uint16Array(this.mapping.buffer);
    for (let id = 0; id < count; id++) {
      this.starts.push(arena.take(bufferBytes));
      this.give(id);
    }
  }

  /** Gives a buffer (back) to the kernel. */
  give(id: number): void {
    const entry = this.tail & (this.count - 1);
    this.words.set(this.arena.address(this.start(id)), entry * abi.BUF_WORDS + abi.BUF_ADDR_LOW);
    this.words[entry * abi.BUF_WORDS + abi.BUF_LEN] = this.bufferBytes;
    this.halves[entry * abi.BUF_U16S + abi.BUF_ID_U16] = id;
    this.tail++;
    this.halves[abi.BUF_RING_TAIL_U16] = this.tail;
  }

  start(id: number): number {
    return this.starts[id]!;
  }

  /** The text that a receive put into its buffer. */
  received(completion: Completion): string {
    assert.ok(completion.flags & abi.IORING_CQE_F_BUFFER, "the completion names no buffer");
    const id = completion.flags >>> abi.IORING_CQE_BUFFER_SHIFT;
    return this.arena.text(this.start(id), succeed(completion.result));
  }
}

/** Runs a body with an owner of its own and releases the owner whatever happens. */
export function withOwner(owner: number, body: (owner: number) => void): void {
  try {
    body(owner);
  } finally {
    addon.releaseOwner(owner);
  }
}

/** A connected pair over loopback, made by the ring: `client` was accepted as `server`. */
export function connectedPair(
  ring: TestRing,
  arena: Arena,
  owner: number,
): { client: number; server: number; listener: number } {
  const listener = succeed(addon.listen("127.0.0.1", 0, 16));
  const address = arena.take(abi.SOCKADDR_BYTES_MAX);
  const port = succeed(addon.localPort(listener));
  const length = succeed(addon.writeSockaddr(arena.bytes, address, "127.0.0.1", port));
  const client = succeed(addon.socket(owner, false));
  const flags = abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC;
  ring.push({ opcode: abi.IORING_OP_ACCEPT, fd: listener, opFlags: flags, slot: 901 });
  ring.push({
    opcode: abi.IORING_OP_CONNECT,
    fd: client,
    addr: arena.address(address),
    off: [length, 0],
    slot: 902,
  });
  const server = succeed(ring.wait(901).result);
  succeed(ring.wait(902).result);
  addon.owners()[server] = owner + 1;
  return { client, server, listener };
}
