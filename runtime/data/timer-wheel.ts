// Every timeout of a worker: a hashed wheel of linked lists over slot numbers. A deadline that
// moves later costs one store: the entry stays in its bucket and is put on again when that comes
// round.

import { check } from "./checks.ts";

const BUCKET_MS_SHIFT = 7; // 128 ms
const BUCKET_COUNT = 512; // 65 s a round
const BUCKET_MASK = BUCKET_COUNT - 1;
const NONE = -1;

/** How long a worker may sleep before it looks at the wheel. */
export const TICK_MS = 1 << BUCKET_MS_SHIFT;

const DEADLINE_NONE = -1;

export class TimerWheel {
  private readonly heads = new Int32Array(BUCKET_COUNT).fill(NONE);
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly bucket: Int32Array;
  /** In ticks since the worker's start. */
  private readonly deadline: Int32Array;
  /** Ticks since the worker's start: the worker's coarse clock. */
  tick = 0;
  /**
   * The tick whose bucket was turned to last; behind `tick` between `elapse` and the end of `fire`.
   */
  private turned = 0;
  private restMs = 0;
  /** Entries with a deadline. */
  active = 0;

  constructor(slotCount: number) {
    this.next = new Int32Array(slotCount);
    this.previous = new Int32Array(slotCount);
    this.bucket = new Int32Array(slotCount).fill(NONE);
    this.deadline = new Int32Array(slotCount).fill(DEADLINE_NONE);
  }

  /** Sets the slot's deadline to `ms` from the current tick, never early. */
  set(slot: number, ms: number): void {
    const deadline = this.tick + ((ms + TICK_MS - 1) >> BUCKET_MS_SHIFT) + 1;
    if (this.deadline[slot] === DEADLINE_NONE) this.active++;
    this.deadline[slot] = deadline;
    const bucket = this.bucket[slot]!;
    if (bucket !== NONE) {
      // Ticks until that bucket comes round: early or in time is fine, late is not.
      const due = (bucket - this.turned) & BUCKET_MASK;
      if (due <= deadline - this.turned && due > 0) return;
      this.unlink(slot, bucket);
    }
    this.link(slot, deadline);
  }

  /** Takes the deadline away; the entry leaves its bucket when that comes round. */
  clear(slot: number): void {
    if (this.deadline[slot] === DEADLINE_NONE) return;
    this.active--;
    this.deadline[slot] = DEADLINE_NONE;
  }

  /** Takes the slot out altogether, before it is given to another connection. */
  remove(slot: number): void {
    this.clear(slot);
    const bucket = this.bucket[slot]!;
    if (bucket !== NONE) this.unlink(slot, bucket);
  }

  /**
   * Takes the time that has passed. After a long sleep this comes before the work that waited and
   * `fire` after it, so that a deadline which is set anew counts from now, and in time.
   */
  elapse(ms: number): void {
    const sum = this.restMs + ms;
    this.restMs = sum & (TICK_MS - 1);
    this.tick += sum >>> BUCKET_MS_SHIFT;
  }

  /** Calls `onTimer` for each slot that is due. */
  fire(sink: { onTimer(slot: number): void }): void {
    while (this.turned < this.tick) {
      this.turned++;
      const bucket = this.turned & BUCKET_MASK;
      let slot = this.heads[bucket]!;
      while (slot !== NONE) {
        this.unlink(slot, bucket);
        const deadline = this.deadline[slot]!;
        if (deadline !== DEADLINE_NONE) {
          if (deadline <= this.turned) {
            this.active--;
            this.deadline[slot] = DEADLINE_NONE;
            sink.onTimer(slot);
          } else {
            this.link(slot, deadline);
          }
        }
        slot = this.heads[bucket]!;
      }
    }
  }

  private link(slot: number, deadline: number): void {
    const ticks = Math.min(deadline - this.turned, BUCKET_COUNT - 1);
    check(ticks > 0);
    const bucket = (this.turned + ticks) & BUCKET_MASK;
    const head = this.heads[bucket]!;
    this.next[slot] = head;
    this.previous[slot] = NONE;
    if (head !== NONE) this.previous[head] = slot;
    this.heads[bucket] = slot;
    this.bucket[slot] = bucket;
  }

  private unlink(slot: number, bucket: number): void {
    const next = this.next[slot]!;
    const previous = this.previous[slot]!;
    if (previous === NONE) this.heads[bucket] = next;
    else this.next[previous] = next;
    if (next !== NONE) this.previous[next] = previous;
    this.bucket[slot] = NONE;
  }
}
