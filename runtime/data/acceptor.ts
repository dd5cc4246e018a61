// The listeners of a worker: multishot accepts, armed again when the kernel ends one.

import {
  IORING_ACCEPT_MULTISHOT,
  IORING_CQE_F_MORE,
  IORING_OP_ACCEPT,
  IORING_OP_ASYNC_CANCEL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  USER_OP_ACCEPT,
} from "../../native/abi.ts";
import type { Ring } from "./ring.ts";

/** Pause before accepting again when descriptors ran out: half a second. */
const PAUSE_TICKS = 4;

export class Acceptor {
  private readonly ring: Ring;
  private readonly listeners: readonly number[];
  private readonly armed: boolean[];
  private accepting = false;
  /** The tick to accept again at after descriptors ran out, or -1. */
  private pausedUntil = -1;

  constructor(ring: Ring, listeners: readonly number[]) {
    this.ring = ring;
    this.listeners = listeners;
    this.armed = listeners.map(() => false);
  }

  start(): void {
    this.accepting = true;
    this.arm();
  }

  /** Accepts nothing more; what the kernel has accepted by then still comes. */
  stop(): void {
    this.accepting = false;
    for (let index = 0; index < this.listeners.length; index++) {
      if (!this.armed[index]) continue;
      // user_data of the multishot accept, in the SQE's address words.
      this.ring.push(IORING_OP_ASYNC_CANCEL, -1, 0, index, USER_OP_ACCEPT << 24, 0, 0, 0, 0, 0);
    }
  }

  /** Nothing that was accepted is still to come. */
  get isStopped(): boolean {
    return !this.accepting && !this.armed.includes(true);
  }

  /** A completion of the accept on a listener. Returns "" or what is worth a warning. */
  onAccept(listener: number, result: number, flags: number, tick: number): string {
    if ((flags & IORING_CQE_F_MORE) === 0) this.armed[listener] = false;
    if (!this.accepting) return "";
    if (result < 0) {
      this.pausedUntil = tick + PAUSE_TICKS;
      return `accept failed with errno ${-result}; trying again in half a second`;
    }
    if (this.pausedUntil < 0) this.arm();
    return "";
  }

  /** Once a turn. */
  run(tick: number): void {
    if (this.pausedUntil < 0 || tick < this.pausedUntil) return;
    this.pausedUntil = -1;
    if (this.accepting) this.arm();
  }

  private arm(): void {
    const head = IORING_OP_ACCEPT | (IORING_ACCEPT_MULTISHOT << 16);
    const opGeneration = USER_OP_ACCEPT << 24;
    for (let index = 0; index < this.listeners.length; index++) {
      if (this.armed[index]) continue;
      this.armed[index] = true;
      const flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
      this.ring.push(head, this.listeners[index]!, 0, 0, 0, 0, flags, index, opGeneration, 0);
    }
  }
}
