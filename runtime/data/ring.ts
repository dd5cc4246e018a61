// The submission and completion queues, in the kernel's own memory layout. JavaScript writes SQEs
// and reads CQEs here; the one native call a turn is `enter`. With DEFER_TASKRUN the kernel touches
// these words only inside `enter`, on this thread, so plain loads and stores are enough.

import {
  RING_OFFSET_CQ_CQES,
  RING_OFFSET_CQ_HEAD,
  RING_OFFSET_CQ_MASK,
  RING_OFFSET_CQ_TAIL,
  RING_OFFSET_SQ_HEAD,
  RING_OFFSET_SQ_TAIL,
} from "../../native/abi.ts";
import type { RingMemory } from "../native.ts";
import { check } from "./checks.ts";

/** Submits and waits; see `ringEnter` in runtime/native.ts. */
export type Enter = (toSubmit: number, minComplete: number, timeoutMs: number) => number;

/** Called for each completion: the two `user_data` words, the result and the CQE's flags. */
export interface CompletionSink {
  onCompletion(slot: number, opGeneration: number, result: number, flags: number): void;
}

export class Ring {
  readonly fixedFileCount: number;
  readonly multishot: boolean;
  private readonly words: Int32Array;
  private readonly sqes: Int32Array;
  private readonly enter: Enter;
  private readonly sqMask: number;
  readonly sqEntries: number;
  private readonly sqHeadAt: number;
  private readonly sqTailAt: number;
  private readonly cqMask: number;
  private readonly cqHeadAt: number;
  private readonly cqTailAt: number;
  private readonly cqesAt: number;
  private sqTail: number;
  private unsubmitted = 0;

  /**
   * `fixedFileCount`: registered files that there may be, see `ringFixedFiles`. `multishot`:
   * whether receives may stay armed.
   */
  constructor(memory: RingMemory, enter: Enter, fixedFileCount = 0, multishot = false) {
    this.fixedFileCount = fixedFileCount;
    this.multishot = multishot;
    this.enter = enter;
    const words = new Int32Array(memory.rings);
    this.words = words;
    this.sqes = new Int32Array(memory.sqes);
    const at = (index: number): number => memory.offsets[index]! >> 2;
    this.sqEntries = memory.sqEntries;
    this.sqMask = memory.sqEntries - 1;
    check((this.sqEntries & this.sqMask) === 0);
    this.sqHeadAt = at(RING_OFFSET_SQ_HEAD);
    this.sqTailAt = at(RING_OFFSET_SQ_TAIL);
    this.cqMask = words[at(RING_OFFSET_CQ_MASK)]!;
    this.cqHeadAt = at(RING_OFFSET_CQ_HEAD);
    this.cqTailAt = at(RING_OFFSET_CQ_TAIL);
    this.cqesAt = at(RING_OFFSET_CQ_CQES);
    this.sqTail = words[this.sqTailAt]!;
  }

  /**
   * Writes one SQE (struct io_uring_sqe, io_uring_enter(2)). `head` is opcode | flags << 8 |
   * ioprio << 16; the rest are the fields of that name, 64-bit ones as two words. When the queue is
   * full it is submitted first, so an operation is never lost.
   */
  push(
    head: number,
    fd: number,
    offLow: number,
    addrLow: number,
    addrHigh: number,
    length: number,
    opFlags: number,
    slot: number,
    opGeneration: number,
    bufferGroup: number,
  ): void {
    if (this.unsubmitted === this.sqEntries) this.flush();
    const sqes = this.sqes;
    const at = (this.sqTail & this.sqMask) << 4;
    sqes[at] = head;
    sqes[at + 1] = fd;
    sqes[at + 2] = offLow;
    sqes[at + 3] = 0;
    sqes[at + 4] = addrLow;
    sqes[at + 5] = addrHigh;
    sqes[at + 6] = length;
    sqes[at + 7] = opFlags;
    sqes[at + 8] = slot;
    sqes[at + 9] = opGeneration;
    sqes[at + 10] = bufferGroup;
    this.sqTail = (this.sqTail + 1) | 0;
    this.words[this.sqTailAt] = this.sqTail; // published at once: see `owners` in runtime/native.ts
    this.unsubmitted++;
  }

  /** Sets the high word of the last SQE's `off`: connect and openat2 use it as an address. */
  setOffHigh(high: number): void {
    this.sqes[((((this.sqTail - 1) | 0) & this.sqMask) << 4) + 3] = high;
  }

  /**
   * Submits what is queued and waits for a completion, at most `timeoutMs`. Returns 0 or -errno.
   */
  submitAndWait(timeoutMs: number): number {
    return this.submit(1, timeoutMs);
  }

  private flush(): void {
    // Submission can be cut short by a failing entry; go on until the queue has room.
    for (let tries = 0; this.unsubmitted === this.sqEntries && tries < 1024; tries++)
      this.submit(0, 0);
    check(this.unsubmitted < this.sqEntries);
  }

  private submit(minComplete: number, timeoutMs: number): number {
    const result = this.enter(this.unsubmitted, minComplete, timeoutMs);
    this.unsubmitted = (this.sqTail - this.words[this.sqHeadAt]!) | 0;
    return Math.min(result, 0);
  }

  /** Hands every completion to `sink`, in order. Returns how many there were. */
  reap(sink: CompletionSink): number {
    const words = this.words;
    let head = words[this.cqHeadAt]!;
    const tail = words[this.cqTailAt]!;
    const count = (tail - head) | 0;
    while (head !== tail) {
      const at = this.cqesAt + ((head & this.cqMask) << 2);
      sink.onCompletion(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
      head = (head + 1) | 0;
      words[this.cqHeadAt] = head; // one by one: see `owners` in runtime/native.ts
    }
    return count;
  }
}
