// Receives that stay armed (IORING_RECV_MULTISHOT, 6.0). A connection that is used again and again
// spares the kernel a submission, a request and a poll entry for each of its messages. What others
// ask for is the same as ever, the next bytes once; but here the kernel decides when they come.
// What comes before somebody asks is kept in order, and ends the armed receive when it goes on:
// then the kernel holds the peer back again. Its buffers are a group of their own.

import {
  ECANCELED,
  ENOBUFS,
  IORING_CQE_F_MORE,
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_RECV,
  IORING_RECV_MULTISHOT,
  IORING_RECVSEND_POLL_FIRST,
  IOSQE_BUFFER_SELECT,
  USER_OP_CANCEL,
  USER_OP_RECEIVE,
} from "../../native/abi.ts";
import { BUFFER_NONE, type Buffers, GROUP_MULTISHOT } from "./buffers.ts";
import { copyWithin } from "./bytes.ts";
import { check } from "./checks.ts";
import type { Connection } from "./connection.ts";
import type { Ring } from "./ring.ts";
import type { Sockets } from "./sockets.ts";

// A connection's `multishot`.
export const MULTISHOT_NONE = 0;
export const MULTISHOT_ARMED = 1;
/** It is being cancelled. */
export const MULTISHOT_STOPPING = 2;

/** A connection's `earlyEnd`: it has not ended. */
export const NOT_ENDED = 1;

const ARM_HEAD =
  IORING_OP_RECV |
  (IOSQE_BUFFER_SELECT << 8) |
  ((IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST) << 16);

/** Where bytes go: the loop. */
type Deliver = (connection: Connection, result: number, buffer: number) => void;

export class Multishot {
  private readonly sockets: Sockets;
  private readonly ring: Ring;
  private readonly buffers: Buffers;
  private readonly deliver: Deliver;
  private enabled: boolean;
  /** By buffer id: the next one of its connection, and how many bytes it holds. */
  private readonly next: Int32Array;
  private readonly length: Int32Array;
  /** Those who have asked for what has come early. */
  private readonly due: Connection[] = [];

  constructor(sockets: Sockets, ring: Ring, buffers: Buffers, deliver: Deliver) {
    this.sockets = sockets;
    this.ring = ring;
    this.buffers = buffers;
    this.deliver = deliver;
    this.enabled = ring.multishot;
    const ids = ring.multishot ? buffers.shortCount : 0;
    this.next = new Int32Array(ids);
    this.length = new Int32Array(ids);
  }

  /** Arms no more receives. */
  disable(): void {
    this.enabled = false;
  }

  /** Whether somebody waits for what is here: the loop must not. */
  get isDue(): boolean {
    return this.due.length > 0;
  }

  /** Arms a receive for the connection's next bytes, and for those behind them. False: not now. */
  arm(connection: Connection): boolean {
    if (!this.enabled) return false;
    check(connection.multishot === MULTISHOT_NONE && connection.earlyCount === 0);
    connection.multishot = MULTISHOT_ARMED;
    const head = ARM_HEAD | connection.ringFlags;
    this.sockets.submit(
      connection,
      USER_OP_RECEIVE,
      head,
      connection.ringFd,
      0,
      0,
      0,
      GROUP_MULTISHOT,
    );
    return true;
  }

  /** Somebody asks for bytes that an armed receive brings or has brought. */
  ask(connection: Connection): void {
    if (connection.earlyCount > 0) this.due.push(connection);
  }

  /** Ends an armed receive: whoever asked is served by single ones. */
  stop(connection: Connection): void {
    if (connection.multishot !== MULTISHOT_ARMED) return;
    connection.multishot = MULTISHOT_STOPPING;
    connection.pendingOps++;
    const { slot, generation } = connection;
    // user_data of the receive, in the SQE's address words.
    const target = (USER_OP_RECEIVE << 24) | generation;
    const opGeneration = (USER_OP_CANCEL << 24) | generation;
    this.ring.push(IORING_OP_ASYNC_CANCEL, -1, 0, slot, target, 0, 0, slot, opGeneration, 0);
  }

  /**
   * Takes a completion of an armed receive. True: it is what was asked for, else it was seen to.
   */
  take(connection: Connection, result: number, buffer: number, flags: number): boolean {
    if ((flags & IORING_CQE_F_MORE) === 0) {
      const stopped = connection.multishot === MULTISHOT_STOPPING && result === -ECANCELED;
      connection.multishot = MULTISHOT_NONE;
      if (stopped || result === -ENOBUFS) {
        const isOwed = connection.receiving && connection.earlyCount === 0;
        if (isOwed && connection.leaving) connection.receiving = false;
        else if (isOwed) this.sockets.receiveOnce(connection);
        return false;
      }
    }
    const isNext = connection.receiving && connection.earlyCount === 0;
    if (isNext && !connection.appends) {
      connection.receiving = false;
      return true;
    }
    if (result > 0) this.keep(connection, buffer, result);
    else {
      connection.earlyEnd = result;
      connection.earlyCount++;
    }
    if (isNext) this.due.push(connection);
    return false;
  }

  private keep(connection: Connection, buffer: number, result: number): void {
    this.length[buffer] = result;
    this.next[buffer] = BUFFER_NONE;
    if (connection.earlyFirst === BUFFER_NONE) connection.earlyFirst = buffer;
    else this.next[connection.earlyLast] = buffer;
    connection.earlyLast = buffer;
    connection.earlyCount++;
    if (connection.earlyCount > 1) this.stop(connection);
  }

  /** Hands on what was asked for and is here; once a turn. */
  run(): void {
    const { due } = this;
    const count = due.length;
    for (let index = 0; index < count; index++) this.serve(due[index]!);
    // Those who have asked for more meanwhile are the next turn's.
    due.copyWithin(0, count);
    due.length -= count;
  }

  private serve(connection: Connection): void {
    if (connection.closing || !connection.receiving || connection.earlyCount === 0) return;
    connection.receiving = false;
    const buffer = connection.earlyFirst;
    if (buffer === BUFFER_NONE) {
      const result = connection.earlyEnd;
      connection.earlyEnd = NOT_ENDED;
      connection.earlyCount--;
      connection.appends = false;
      this.deliver(connection, result, BUFFER_NONE);
    } else if (connection.appends) {
      connection.appends = false;
      this.deliver(connection, this.append(connection, buffer), BUFFER_NONE);
    } else {
      this.takeFirst(connection);
      this.deliver(connection, this.length[buffer]!, buffer);
    }
  }

  private takeFirst(connection: Connection): void {
    connection.earlyFirst = this.next[connection.earlyFirst]!;
    connection.earlyCount--;
  }

  /** Copies the first early bytes behind the input, as many as fit. Returns how many. */
  private append(connection: Connection, buffer: number): number {
    const { buffers } = this;
    const { bytes } = buffers;
    const start = buffers.start(buffer);
    const length = this.length[buffer]!;
    const count = Math.min(length, buffers.limit(connection.inBuffer) - connection.inEnd);
    copyWithin(bytes, connection.inEnd, start, start + count);
    if (count === length) {
      this.takeFirst(connection);
      buffers.free(buffer);
    } else {
      copyWithin(bytes, start, start + count, start + length);
      this.length[buffer] = length - count;
    }
    return count;
  }

  /** Gives back what nobody will ask for any more. */
  drop(connection: Connection): void {
    let buffer = connection.earlyFirst;
    while (buffer !== BUFFER_NONE) {
      const following = this.next[buffer]!;
      this.buffers.free(buffer);
      buffer = following;
    }
  }
}
