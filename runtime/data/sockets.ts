// What both roles do with a socket: receive, send a queue of segments, close. Each operation on a
// connection is counted until it completes; memory that the kernel may still read or write is given
// back only then.

import {
  IORING_ASYNC_CANCEL_ALL,
  IORING_ASYNC_CANCEL_FD,
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_CLOSE,
  IORING_OP_FILES_UPDATE,
  IORING_OP_RECV,
  IORING_OP_SEND,
  IORING_RECVSEND_POLL_FIRST,
  IOSQE_BUFFER_SELECT,
  IOSQE_FIXED_FILE,
  MSG_MORE,
  MSG_NOSIGNAL,
  USER_OP_CANCEL,
  USER_OP_CLOSE,
  USER_OP_FIX,
  USER_OP_RECEIVE,
  USER_OP_SEND,
} from "../../native/abi.ts";
import { BUFFER_NONE, type Buffers, GROUP_LARGE, GROUP_NONE, GROUP_SMALL } from "./buffers.ts";
import { check } from "./checks.ts";
import {
  type Connection,
  type ConnectionTable,
  SEGMENT_COUNT_MAX,
  TRANSPORT_PLAIN,
  TRANSPORT_TLS,
} from "./connection.ts";
import type { FileEntry } from "./file-entry.ts";
import { MULTISHOT_NONE, Multishot } from "./multishot.ts";
import type { Ring } from "./ring.ts";
import type { TimerWheel } from "./timer-wheel.ts";
import type { TlsLayer } from "./tls.ts";

const SEGMENT_MASK = SEGMENT_COUNT_MAX - 1;
/** Arena offset of `fdWords`. */
const FD_WORDS = 384 * 1024;
const RECEIVE_HEAD = IORING_OP_RECV | (IOSQE_BUFFER_SELECT << 8);

export class Sockets {
  private readonly ring: Ring;
  private readonly buffers: Buffers;
  private readonly timers: TimerWheel;
  private readonly table: ConnectionTable;
  private readonly owners: Uint8Array;
  private readonly releaseFile: (file: FileEntry) => void;
  /** Four words a segment: buffer to free (or BUFFER_NONE), start, end, unused. */
  private readonly segments: Int32Array;
  /** Descriptors on their way into the ring's file table, a word for each submission. */
  private readonly fdWords: Int32Array;
  private fdCount = 0;
  /** Null: every connection is plain. */
  private readonly tls: TlsLayer | null;
  readonly multishot: Multishot;
  /** Connections whose receive found no buffer, the one that has waited longest first. */
  readonly starving: Connection[] = [];
  /** Bytes queued on each slot, counted where requests are observed. */
  readonly queuedBytes: Float64Array;
  /** Called where requests are observed, for each connection that closes. */
  onClose: ((connection: Connection) => void) | null = null;

  constructor(
    ring: Ring,
    buffers: Buffers,
    timers: TimerWheel,
    table: ConnectionTable,
    slotCountMax: number,
    owners: Uint8Array,
    releaseFile: (file: FileEntry) => void,
    tls: TlsLayer | null = null,
    deliver: (connection: Connection, result: number, buffer: number) => void = () => {},
  ) {
    this.ring = ring;
    this.buffers = buffers;
    this.timers = timers;
    this.table = table;
    this.owners = owners;
    this.releaseFile = releaseFile;
    this.tls = tls;
    this.multishot = new Multishot(this, ring, buffers, deliver);
    this.segments = new Int32Array(slotCountMax * SEGMENT_COUNT_MAX * 4);
    this.queuedBytes = new Float64Array(OBSERVED ? slotCountMax : 0);
    this.fdWords = new Int32Array(buffers.bytes.buffer, FD_WORDS, ring.sqEntries);
  }

  /**
   * Queues one operation of `connection`. The arguments are those of `Ring.push`.
   */
  submit(
    connection: Connection,
    op: number,
    head: number,
    fd: number,
    address: number,
    length: number,
    opFlags: number,
    bufferGroup: number,
  ): void {
    connection.pendingOps++;
    this.ring.push(
      head,
      fd,
      0,
      address,
      address === 0 ? 0 : this.buffers.addressHigh,
      length,
      opFlags,
      connection.slot,
      (op << 24) | connection.generation,
      bufferGroup,
    );
  }

  /** Makes the connection's descriptor known. */
  open(connection: Connection, fd: number): void {
    connection.fd = fd;
    connection.ringFd = fd;
  }

  /**
   * Registers the socket with the ring (IORING_OP_FILES_UPDATE, 5.6): operations that follow spare
   * the kernel the descriptor table and its reference counts. Worth its submission for a connection
   * that is used again and again.
   */
  fix(connection: Connection): void {
    if (connection.slot >= this.ring.fixedFileCount || connection.closing) return;
    this.updateFile(connection, connection.fd);
    connection.ringFd = connection.slot;
    connection.ringFlags = IOSQE_FIXED_FILE << 8;
  }

  /** Takes the socket out again; nothing may be under way on it. */
  unfix(connection: Connection): void {
    this.updateFile(connection, -1);
    connection.ringFd = connection.fd;
    connection.ringFlags = 0;
  }

  /** Puts `fd`, or -1 for none, into the ring's file table at the connection's slot. */
  private updateFile(connection: Connection, fd: number): void {
    // The kernel reads the word when it takes the submission; no more than a queue full can wait.
    const { slot } = connection;
    const at = FD_WORDS + ((this.fdCount++ & (this.ring.sqEntries - 1)) << 2);
    this.fdWords[(at - FD_WORDS) >> 2] = fd;
    const head = IORING_OP_FILES_UPDATE;
    connection.pendingOps++;
    const opGeneration = (USER_OP_FIX << 24) | connection.generation;
    const { buffers } = this;
    const address = buffers.addressOf(at);
    this.ring.push(head, -1, slot, address, buffers.addressHigh, 1, 0, slot, opGeneration, 0);
  }

  /**
   * Receives into a buffer that the kernel picks from `group` when bytes are there, so that waiting
   * holds no memory. `pollFirst`: nothing is expected right now, don't try before waiting (5.19).
   */
  receive(connection: Connection, group: number, pollFirst: boolean): void {
    check(!connection.receiving && !connection.closing);
    connection.receiving = true;
    connection.receiveGroup = group;
    if (connection.multishot !== MULTISHOT_NONE || connection.earlyCount > 0) {
      this.multishot.stop(connection);
      this.multishot.ask(connection);
    } else if (TLS && connection.transport === TRANSPORT_TLS)
      this.tls!.receive(connection, false, pollFirst);
    else this.receiveSelected(connection, pollFirst);
  }

  /**
   * Receives a message that is expected to be short, on a connection that is to bring more of them.
   * `group` is for the case that no receive can stay armed.
   */
  receiveNext(connection: Connection, group: number): void {
    check(!connection.receiving && !connection.closing);
    const { multishot } = this;
    if (connection.multishot === MULTISHOT_NONE && connection.earlyCount === 0) {
      if (connection.transport !== TRANSPORT_PLAIN || !multishot.arm(connection)) {
        this.receive(connection, group, true);
        return;
      }
    } else multishot.ask(connection);
    connection.receiving = true;
    connection.receiveGroup = group;
  }

  /** An armed receive has ended before it brought what it was asked for. */
  receiveOnce(connection: Connection): void {
    if (connection.appends) {
      connection.appends = false;
      connection.receiving = false;
      this.receiveMore(connection);
    } else this.receiveSelected(connection, false);
  }

  /**
   * Receives from the kernel, into a buffer of the group that was asked for last; `count` bytes at
   * most, 0 is as many as the buffer holds.
   */
  receiveSelected(connection: Connection, pollFirst: boolean, count = 0): void {
    const head = pollFirst ? RECEIVE_HEAD | (IORING_RECVSEND_POLL_FIRST << 16) : RECEIVE_HEAD;
    const { ringFd, ringFlags, receiveGroup } = connection;
    this.submit(connection, USER_OP_RECEIVE, head | ringFlags, ringFd, 0, count, 0, receiveGroup);
  }

  /** Receives behind what `inBuffer` holds already: the rest of a head. */
  receiveMore(connection: Connection): void {
    check(!connection.receiving && !connection.closing && connection.inBuffer !== BUFFER_NONE);
    connection.receiving = true;
    if (connection.multishot !== MULTISHOT_NONE || connection.earlyCount > 0) {
      connection.appends = true;
      this.multishot.ask(connection);
      return;
    }
    if (TLS && connection.transport === TRANSPORT_TLS) {
      connection.receiveGroup = GROUP_SMALL;
      this.tls!.receive(connection, true, false);
      return;
    }
    const address = this.buffers.addressOf(connection.inEnd);
    const room = this.buffers.limit(connection.inBuffer) - connection.inEnd;
    check(room > 0);
    const head = IORING_OP_RECV | connection.ringFlags;
    this.submit(connection, USER_OP_RECEIVE, head, connection.ringFd, address, room, 0, 0);
  }

  /**
   * Makes room behind the input for the rest of a head: moves it to the buffer's start, or to a
   * large buffer. False: the head fills a large buffer, or there is none left.
   */
  makeRoom(connection: Connection): boolean {
    const { buffers } = this;
    const buffer = connection.inBuffer;
    if (connection.inEnd < buffers.limit(buffer)) return true;
    let start = buffers.start(buffer);
    if (connection.inStart === start) {
      const larger = buffers.isSmall(buffer) ? buffers.takeLarge() : BUFFER_NONE;
      if (larger === BUFFER_NONE) return false;
      start = buffers.start(larger);
      connection.inBuffer = larger;
    }
    buffers.bytes.copyWithin(start, connection.inStart, connection.inEnd);
    if (connection.inBuffer !== buffer) buffers.free(buffer);
    connection.headScanned += start - connection.inStart;
    connection.inEnd += start - connection.inStart;
    connection.inStart = start;
    return true;
  }

  /** Gives the input buffer back. */
  dropInput(connection: Connection): void {
    this.buffers.free(connection.inBuffer);
    connection.inBuffer = BUFFER_NONE;
    connection.inStart = 0;
    connection.inEnd = 0;
  }

  /** Puts `bytes[start, end)` behind what waits to be sent. `buffer` is freed when it has gone. */
  queue(connection: Connection, buffer: number, start: number, end: number): void {
    check(connection.segmentCount < SEGMENT_COUNT_MAX && start < end);
    const index = (connection.segmentHead + connection.segmentCount) & SEGMENT_MASK;
    const at = (connection.slot * SEGMENT_COUNT_MAX + index) << 2;
    this.segments[at] = buffer;
    this.segments[at + 1] = start;
    this.segments[at + 2] = end;
    connection.segmentCount++;
    connection.segmentOpen = false;
    if (OBSERVED) this.queuedBytes[connection.slot]! += end - start;
  }

  /**
   * Room for `bytes` at the end of the send queue: behind the last segment if that is ours to
   * extend, else in a new one. Returns the offset to write at, or -1 when no buffer is left. What
   * was written is made part of the queue by `extend`.
   */
  compose(connection: Connection, bytes: number): number {
    if (connection.segmentOpen) {
      const at = this.lastSegment(connection);
      const end = this.segments[at + 2]!;
      if (this.buffers.limit(this.segments[at]!) - end >= bytes) return end;
    }
    if (connection.segmentCount === SEGMENT_COUNT_MAX) return -1;
    const buffer = this.buffers.takeFor(bytes);
    if (buffer === BUFFER_NONE) return -1;
    const start = this.buffers.start(buffer);
    const index = (connection.segmentHead + connection.segmentCount) & SEGMENT_MASK;
    const at = (connection.slot * SEGMENT_COUNT_MAX + index) << 2;
    this.segments[at] = buffer;
    this.segments[at + 1] = start;
    this.segments[at + 2] = start;
    connection.segmentCount++;
    connection.segmentOpen = true;
    return start;
  }

  /** Ends the last, open segment at `end`. */
  extend(connection: Connection, end: number): void {
    check(connection.segmentOpen);
    const at = this.lastSegment(connection) + 2;
    if (OBSERVED) this.queuedBytes[connection.slot]! += end - this.segments[at]!;
    this.segments[at] = end;
  }

  private lastSegment(connection: Connection): number {
    const index = (connection.segmentHead + connection.segmentCount - 1) & SEGMENT_MASK;
    return (connection.slot * SEGMENT_COUNT_MAX + index) << 2;
  }

  /**
   * Makes the connection the owner of the buffer whose bytes the first segment is sending, when
   * that segment was queued with BUFFER_NONE. Returns false when it was sent already.
   */
  adoptFirstSegment(connection: Connection, buffer: number): boolean {
    if (connection.segmentCount === 0) return false;
    const at = (connection.slot * SEGMENT_COUNT_MAX + connection.segmentHead) << 2;
    if (this.segments[at] !== BUFFER_NONE) return false;
    this.segments[at] = buffer;
    return true;
  }

  /**
   * Where what is under way begins, when it is not the queue's own: a request that may have to be
   * sent again. All before it has gone. -1: nothing such is under way.
   */
  borrowedStart(connection: Connection): number {
    if (!connection.sending) return -1;
    const at = (connection.slot * SEGMENT_COUNT_MAX + connection.segmentHead) << 2;
    return this.segments[at] === BUFFER_NONE ? this.segments[at + 1]! : -1;
  }

  /** Whether the first segment is not the queue's own and begins at `start`: nothing has gone. */
  isUnsent(connection: Connection, start: number): boolean {
    if (connection.segmentCount === 0) return false;
    const at = (connection.slot * SEGMENT_COUNT_MAX + connection.segmentHead) << 2;
    return this.segments[at] === BUFFER_NONE && this.segments[at + 1] === start;
  }

  /** Sends the first segment, unless a send is in flight or there is nothing to send. */
  send(connection: Connection): void {
    if (connection.sending || connection.connecting || connection.segmentCount === 0) return;
    if (TLS && connection.transport === TRANSPORT_TLS) {
      this.tls!.send(connection);
      return;
    }
    this.sendFirst(connection);
  }

  /** Sends the first segment as it is. */
  sendFirst(connection: Connection): void {
    const at = (connection.slot * SEGMENT_COUNT_MAX + connection.segmentHead) << 2;
    const start = this.segments[at + 1]!;
    const length = this.segments[at + 2]! - start;
    const more = connection.segmentCount > 1 || connection.fileSending;
    connection.sending = true;
    if (connection.segmentCount === 1) connection.segmentOpen = false;
    this.submit(
      connection,
      USER_OP_SEND,
      IORING_OP_SEND | connection.ringFlags,
      connection.ringFd,
      this.buffers.addressOf(start),
      length,
      more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL,
      0,
    );
  }

  /** Sends a range of the arena that is not in the queue: records. */
  sendRange(connection: Connection, start: number, length: number): void {
    check(!connection.sending && !connection.closing);
    connection.sending = true;
    const address = this.buffers.addressOf(start);
    const { fd } = connection;
    this.submit(connection, USER_OP_SEND, IORING_OP_SEND, fd, address, length, MSG_NOSIGNAL, 0);
  }

  /** Where the bytes of the segment at `index` start; 0 is the first. */
  segmentStart(connection: Connection, index: number): number {
    return this.segments[this.segmentAt(connection, index) + 1]!;
  }

  segmentBytes(connection: Connection, index: number): number {
    const at = this.segmentAt(connection, index);
    return this.segments[at + 2]! - this.segments[at + 1]!;
  }

  private segmentAt(connection: Connection, index: number): number {
    const place = (connection.segmentHead + index) & SEGMENT_MASK;
    return (connection.slot * SEGMENT_COUNT_MAX + place) << 2;
  }

  /** Books `sent` bytes of the first segment. Returns true when the whole queue has gone. */
  onSent(connection: Connection, sent: number): boolean {
    const at = (connection.slot * SEGMENT_COUNT_MAX + connection.segmentHead) << 2;
    const start = this.segments[at + 1]! + sent;
    this.segments[at + 1] = start;
    if (start >= this.segments[at + 2]!) this.dropFirstSegment(connection);
    return connection.segmentCount === 0;
  }

  private dropFirstSegment(connection: Connection): void {
    this.buffers.free(
      this.segments[(connection.slot * SEGMENT_COUNT_MAX + connection.segmentHead) << 2]!,
    );
    connection.segmentHead = (connection.segmentHead + 1) & SEGMENT_MASK;
    connection.segmentCount--;
    if (connection.segmentCount === 0) connection.segmentOpen = false;
  }

  /**
   * Cancels what is under way and closes. The slot is free when the last operation has completed.
   */
  close(connection: Connection): void {
    if (connection.closing) return;
    if (OBSERVED && this.onClose !== null) this.onClose(connection);
    connection.closing = true;
    connection.peer = null;
    if (connection.pendingOps > 0) this.cancel(connection);
    if (connection.ringFlags !== 0) this.updateFile(connection, -1);
    this.owners[connection.fd] = 0;
    this.submit(connection, USER_OP_CLOSE, IORING_OP_CLOSE, connection.fd, 0, 0, 0, 0);
  }

  /** Cancels what is under way. */
  cancel(connection: Connection): void {
    const flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    const { fd } = connection;
    this.submit(connection, USER_OP_CANCEL, IORING_OP_ASYNC_CANCEL, fd, 0, 0, flags, 0);
  }

  /** A completion for a connection that is being closed; `buffer` came with it. */
  onClosing(connection: Connection, buffer: number): void {
    this.buffers.free(buffer);
    if (connection.pendingOps === 0) this.vacate(connection);
  }

  /** Gives back all that a connection holds but its descriptor, and its slot. */
  vacate(connection: Connection): void {
    check(connection.pendingOps === 0);
    while (connection.segmentCount > 0) this.dropFirstSegment(connection);
    this.dropInput(connection);
    this.multishot.drop(connection);
    this.buffers.free(connection.sentBuffer);
    this.buffers.free(connection.fileBuffer);
    if (connection.file !== null && connection.file.fd >= 0) this.releaseFile(connection.file);
    this.timers.remove(connection.slot);
    if (TLS && connection.transport !== TRANSPORT_PLAIN) this.tls!.release(connection);
    this.table.release(connection);
  }

  /** Notes a receive that found no buffer; `feed` tries it again. */
  starve(connection: Connection): void {
    if (connection.starved) return;
    connection.starved = true;
    this.starving.push(connection);
  }

  /**
   * Receives again for connections that found no buffer, as many as there are buffers now. Called
   * before the rings take what is free, because TLS opens into that.
   */
  feed(): void {
    const { starving, buffers } = this;
    const count = starving.length;
    let small = 0;
    let large = 0;
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const connection = starving[at]!;
      if (!connection.starved) continue; // its slot has been given away since
      const isTls = TLS && connection.transport === TRANSPORT_TLS;
      const group = isTls ? this.tls!.groupAgain(connection) : buffers.bodyGroup;
      const used = group === GROUP_SMALL ? small : large;
      if (group === GROUP_NONE ? !this.tls!.findsBuffer : used >= buffers.available(group)) {
        starving[kept++] = connection;
        continue;
      }
      connection.starved = false;
      if (connection.closing || connection.receiving) continue;
      if (group === GROUP_SMALL) small++;
      else if (group === GROUP_LARGE) large++;
      if (isTls) this.tls!.receiveAgain(connection, group);
      else this.receive(connection, group, false);
    }
    for (let at = count; at < starving.length; at++) starving[kept++] = starving[at]!;
    starving.length = kept;
  }
}
