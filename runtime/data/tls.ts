// TLS in user space, between the sockets and those who use them. Records come from the kernel and
// content goes to the connection's role, as if it had been received; content that waits to be sent
// leaves as records. A bundle without TLS does not contain this module.
//
// Long because the states of one session, in both directions, are best read in one place.

import {
  ECANCELED,
  EIO,
  ENOBUFS,
  EPROTO,
  TLS_END,
  TLS_ENDED,
  TLS_IN_KERNEL,
  TLS_OPEN,
  TLS_WANT_INPUT,
  TLS_WANT_OUTPUT,
  TLS_WORD_HELD,
  TLS_WORD_INPUT_BYTES,
  TLS_WORD_MESSAGES,
  TLS_WORD_PLAIN_BYTES,
} from "../../native/abi.ts";
import { BUFFER_NONE, GROUP_LARGE, GROUP_NONE, SMALL_BYTES } from "./buffers.ts";
import { check } from "./checks.ts";
import * as client from "./client.ts";
import { type Connection, ROLE_CLIENT, TRANSPORT_KERNEL, TRANSPORT_TLS } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import {
  CONTROL_END,
  CONTROL_NOTHING,
  type KernelCalls,
  type KernelMode,
  KernelTls,
} from "./ktls.ts";
import { TlsHandshakes } from "./tls-handshake.ts";
import { sealQueue } from "./tls-sealing.ts";
import {
  END_CLOSE,
  END_NOT,
  END_OUTPUT,
  KERNEL_BOTH,
  KERNEL_OUTPUT,
  KERNEL_WAITING,
  TLS_BROKEN,
  TLS_ESTABLISHED,
  TLS_INPUT_ENDED,
  TLS_SHAKING,
  TlsSession,
} from "./tls-session.ts";
import { type StepCalls, TlsSteps } from "./tls-steps.ts";

/** Records are longer than their content, together by less than this in a small buffer. */
const RECORDS_GROWTH = 512;

/** The native calls of the layer; see runtime/native.ts. */
export interface TlsCalls extends KernelCalls, StepCalls {
  tlsAccept(owner: number, context: number): number;
  tlsConnect(owner: number, peer: number): number;
  tlsError(): string;
}

export interface TlsParts {
  readonly calls: TlsCalls;
  /** What clients are accepted with; -1: the listeners are plain. */
  readonly context: number;
  /** Whether connections go to the kernel. */
  readonly kernel: KernelMode;
  /** See `toldMemory`. */
  readonly told: Uint8Array;
}

export class TlsLayer {
  private readonly kernel: KernelTls;
  private readonly loop: EventLoop;
  private readonly calls: TlsCalls;
  private readonly steps: TlsSteps;
  readonly handshakes: TlsHandshakes;
  private readonly pool: TlsSession[] = [];
  /** Connections whose next content is here already, or their end. */
  private deferred: Connection[] = [];
  private deferredBefore: Connection[] = [];
  /** Connections that found no buffer to seal into. */
  private readonly unsent: Connection[] = [];
  /** Sessions in use. */
  sessionCount = 0;

  constructor(loop: EventLoop, parts: TlsParts) {
    const { calls, kernel, told } = parts;
    this.loop = loop;
    this.kernel = new KernelTls(loop, calls, kernel === "required", told);
    this.calls = calls;
    this.steps = new TlsSteps(loop.owner, loop.buffers, calls);
    this.handshakes = new TlsHandshakes(loop, parts, this, this.kernel, this.steps);
  }

  /** Whether there is work that the kernel will not wake us for. */
  get isPending(): boolean {
    return this.deferred.length > 0;
  }

  /** Begins a session of TLS. */
  attach(connection: Connection, handle: number): TlsSession {
    const session = this.pool.pop() ?? new TlsSession();
    session.handle = handle;
    connection.tls = session;
    connection.transport = TRANSPORT_TLS;
    this.sessionCount++;
    return session;
  }

  // ── Receiving ─────────────────────────────────────────────────────────────────────────────────

  /**
   * Gets content: what is here already at the end of this turn, or what the kernel brings.
   * `appends`: behind the connection's input.
   */
  receive(connection: Connection, appends: boolean, pollFirst: boolean): void {
    const session = connection.tls!;
    session.appends = appends;
    if (session.hasMore) this.defer(connection, session);
    else this.receiveRecords(connection, pollFirst);
  }

  /**
   * What goes on with a receive that found no buffer: a buffer of this group, from the kernel; or
   * GROUP_NONE, a free one for content that is here already.
   */
  groupAgain({ tls: session }: Connection): number {
    if (session!.hasMore) return GROUP_NONE;
    // The rest of a head is opened into what it has already, and the records' buffer is free again:
    // so those who hold buffers can go on and give them back, whatever is left.
    return session!.appends ? GROUP_LARGE : this.loop.buffers.bodyGroup;
  }

  /** Whether there is a free buffer for content. */
  get findsBuffer(): boolean {
    const { buffers } = this.loop;
    return buffers.hasSmall || buffers.bodyGroup === GROUP_LARGE;
  }

  /** Goes on with a receive that found no buffer. Between turns, as it may call the role. */
  receiveAgain(connection: Connection, group: number): void {
    const session = connection.tls!;
    if (group === GROUP_NONE) this.open(connection, session);
    else {
      connection.receiveGroup = group;
      this.receive(connection, session.appends, false);
    }
  }

  /** Receives from the kernel. */
  receiveRecords(connection: Connection, pollFirst: boolean): void {
    const session = connection.tls!;
    const { sockets } = this.loop;
    let count = 0;
    if (this.isInputMovable(connection, session)) {
      count = Math.max(0, this.moveInput(connection));
      if (session.kernel === KERNEL_BOTH) {
        connection.receiving = false;
        // Never POLL_FIRST: a poll overlooks what has come before the kernel got the keys.
        if (session.appends) sockets.receiveMore(connection);
        else sockets.receive(connection, connection.receiveGroup, false);
        return;
      }
      if (session.state === TLS_BROKEN) {
        this.defer(connection, session);
        return;
      }
    }
    connection.receiving = true;
    sockets.receiveSelected(connection, pollFirst, count);
  }

  /**
   * Whether the kernel is to open what follows. Not before a server's first content: OpenSSL keeps
   * the tickets that come ahead of it, for connections to resume with.
   */
  private isInputMovable({ role }: Connection, session: TlsSession): boolean {
    return session.kernel === KERNEL_OUTPUT && (role === ROLE_CLIENT || session.receivedBytes > 0);
  }

  /** See `KernelTls.moveInput`; what is to be refused is broken from then on. */
  private moveInput(connection: Connection): number {
    const session = connection.tls!;
    if (session.state === TLS_BROKEN) return -EPROTO;
    const result = this.kernel.moveInput(connection, session);
    if (result < 0 && session.kernel === KERNEL_OUTPUT) session.state = TLS_BROKEN;
    return result;
  }

  private defer(connection: Connection, session: TlsSession): void {
    connection.receiving = true;
    if (session.deferred) return;
    session.deferred = true;
    this.deferred.push(connection);
  }

  /** Once a turn: goes on with what does not wait for the kernel. */
  run(): void {
    const { deferred, unsent } = this;
    this.deferred = this.deferredBefore;
    this.deferredBefore = deferred;
    for (let index = 0; index < deferred.length; index++) {
      const connection = deferred[index]!;
      const session = connection.tls;
      if (session === null || !session.deferred) continue; // its slot has been given away since
      session.deferred = false;
      connection.receiving = false;
      if (!connection.closing && session.ending !== END_CLOSE) this.open(connection, session);
    }
    deferred.length = 0;
    for (let rounds = unsent.length; rounds > 0; rounds--) {
      const connection = unsent.pop()!;
      if (connection.tls === null || !connection.tls.unsent) continue;
      connection.tls.unsent = false;
      if (!connection.closing) this.loop.sockets.send(connection);
    }
  }

  onReceived(connection: Connection, result: number, buffer: number): void {
    const session = connection.tls!;
    const { buffers } = this.loop;
    if (result <= 0 || session.ending === END_CLOSE) {
      buffers.free(buffer);
      if (session.ending !== END_CLOSE) this.onReceiveEnd(connection, session, result);
      else if (session.lingering && result > 0) this.receiveUnwanted(connection);
      else if (session.lingering) this.loop.sockets.close(connection);
      return;
    }
    if (session.kernel === KERNEL_BOTH) {
      session.receivedBytes += result;
      this.loop.received(connection, result, buffer);
      return;
    }
    check(session.inBuffer === BUFFER_NONE);
    session.inBuffer = buffer;
    session.inStart = buffers.start(buffer);
    session.inEnd = session.inStart + result;
    session.heard = true;
    if (session.state === TLS_SHAKING) this.handshakes.shake(connection, session);
    else this.open(connection, session);
  }

  /** The peer's FIN (0), or an error. */
  private onReceiveEnd(connection: Connection, session: TlsSession, result: number): void {
    if (result === -ENOBUFS) this.loop.sockets.starve(connection);
    else if (session.state === TLS_SHAKING) {
      if (result !== -ECANCELED)
        this.handshakes.fail(connection, "closed", "the peer closed the connection");
    } else if (result === -EIO && session.kernel === KERNEL_BOTH) {
      this.onControl(connection, session);
    } else if (result === 0 && (connection.tunnel || connection.role !== ROLE_CLIENT)) {
      // Without close_notify anybody may have cut it: not the end of content that its end delimits.
      this.loop.received(connection, -EPROTO, BUFFER_NONE);
    } else this.loop.received(connection, result, BUFFER_NONE);
  }

  /** The kernel has met a record that is not content. */
  private onControl(connection: Connection, session: TlsSession): void {
    const said = this.kernel.readControl(connection, session);
    if (said === CONTROL_NOTHING) {
      // It has taken the place of what is still to come: of a head's rest, or of the next content.
      const { sockets, buffers } = this.loop;
      if (connection.hasInput) sockets.receiveMore(connection);
      else sockets.receive(connection, buffers.bodyGroup, false);
      return;
    }
    const ended = said === CONTROL_END;
    session.state = ended ? TLS_INPUT_ENDED : TLS_BROKEN;
    this.loop.received(connection, ended ? 0 : -EPROTO, BUFFER_NONE);
  }

  /** Opens the records that are here and hands their content on. */
  private open(connection: Connection, session: TlsSession): void {
    const { buffers, sockets } = this.loop;
    let buffer = BUFFER_NONE;
    let made = 0;
    if (session.state === TLS_ESTABLISHED) {
      if (!session.appends) {
        buffer = this.takeFor(session.bytesHere);
        if (buffer === BUFFER_NONE) {
          session.hasMore = true;
          sockets.starve(connection);
          return;
        }
      }
      const start = session.appends ? connection.inEnd : buffers.start(buffer);
      const limit = buffers.limit(session.appends ? connection.inBuffer : buffer);
      const result = this.steps.aside(session, TLS_OPEN, start, limit - start);
      made = this.steps.words[TLS_WORD_PLAIN_BYTES]!;
      this.judge(session, result, made);
      this.flush(connection, session);
      if (made === 0) buffers.free(buffer);
      // Now, and not with the next receive: a file that is asked for can then leave by sendfile.
      else if (!session.hasMore && this.isInputMovable(connection, session))
        this.moveInput(connection);
    }
    if (made > 0) this.loop.received(connection, made, buffer);
    else if (session.state === TLS_INPUT_ENDED) this.loop.received(connection, 0, BUFFER_NONE);
    else if (session.state === TLS_BROKEN) this.loop.received(connection, -EPROTO, BUFFER_NONE);
    else if (session.hasMore) sockets.starve(connection);
    else this.receiveRecords(connection, false);
  }

  /**
   * A buffer for content; a smaller one does as well, the rest comes later. When small ones run
   * out, large ones stand in for them as they do for bodies.
   */
  private takeFor(bytes: number): number {
    const { buffers } = this.loop;
    const fitsSmall = bytes <= SMALL_BYTES && buffers.hasSmall;
    const takesLarge = !fitsSmall && (bytes > SMALL_BYTES || buffers.bodyGroup === GROUP_LARGE);
    const large = takesLarge ? buffers.takeLarge() : BUFFER_NONE;
    return large !== BUFFER_NONE ? large : buffers.takeSmall();
  }

  /** Takes down what a step of opening came to. */
  private judge(session: TlsSession, result: number, made: number): void {
    const { words } = this.steps;
    const messages = words[TLS_WORD_MESSAGES]!;
    session.receivedBytes += made;
    session.heldBytes =
      words[TLS_WORD_HELD] === 0
        ? 0
        : session.heldBytes + Math.max(0, words[TLS_WORD_INPUT_BYTES]! - made);
    // With nothing aside there was no buffer: it is no fault of the peer's.
    const overflows = result === TLS_WANT_OUTPUT && session.nextBuffer !== BUFFER_NONE;
    if (result === TLS_ENDED) session.state = TLS_INPUT_ENDED;
    else if (result < 0 || overflows || session.isTalkative(messages)) session.state = TLS_BROKEN;
    session.hasMore = result !== TLS_WANT_INPUT;
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────

  /** Seals what waits in the send queue, as much as a buffer takes, and sends it. */
  send(connection: Connection): void {
    const session = connection.tls!;
    if (session.state === TLS_BROKEN || session.unsent) return;
    if (session.kernel >= KERNEL_OUTPUT) {
      this.loop.sockets.sendFirst(connection);
      return;
    }
    if (session.nextBuffer !== BUFFER_NONE) {
      this.flush(connection, session);
      return;
    }
    const { buffers, sockets } = this.loop;
    const wanted = sockets.segmentBytes(connection, 0) + RECORDS_GROWTH;
    const buffer = this.takeFor(wanted);
    if (buffer === BUFFER_NONE) {
      session.unsent = true;
      this.unsent.push(connection);
      return;
    }
    session.outBuffer = buffer;
    session.outStart = buffers.start(buffer);
    session.outEnd = session.outStart;
    session.outCut = false;
    sealQueue(this.loop, this.steps, connection, session);
    if (session.outEnd > session.outStart) this.sendRecords(connection, session);
    else {
      // Only what is broken seals nothing. Its role is told as of something received.
      this.freeOut(session);
      session.state = TLS_BROKEN;
      if (!connection.receiving) this.defer(connection, session);
    }
  }

  /** Sends handshake messages and alerts that were made aside, unless a send is in flight. */
  flush(connection: Connection, session: TlsSession): void {
    if (connection.sending || session.nextBuffer === BUFFER_NONE) return;
    if (session.kernel >= KERNEL_OUTPUT) {
      // An alert, or the answer to new keys: the kernel would take it for content.
      this.loop.buffers.free(session.nextBuffer);
      session.nextBuffer = BUFFER_NONE;
      session.state = TLS_BROKEN;
      return;
    }
    session.outBuffer = session.nextBuffer;
    session.outStart = this.loop.buffers.start(session.nextBuffer);
    session.outEnd = session.nextEnd;
    session.nextBuffer = BUFFER_NONE;
    this.sendRecords(connection, session);
  }

  private sendRecords(connection: Connection, { outStart, outEnd }: TlsSession): void {
    this.loop.sockets.sendRange(connection, outStart, outEnd - outStart);
  }

  onSent(connection: Connection, result: number): void {
    const session = connection.tls!;
    if (session.kernel >= KERNEL_OUTPUT) {
      this.onKernelSent(connection, session, result);
      return;
    }
    if (result < 0) {
      this.onSendFailed(connection, session, result);
      return;
    }
    session.outStart += result;
    if (session.outStart < session.outEnd) {
      session.outCut = true;
      if (session.state !== TLS_SHAKING)
        this.loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
      this.sendRecords(connection, session);
      return;
    }
    const content = session.outContentBytes;
    this.freeOut(session);
    if (content > 0 && session.ending !== END_CLOSE) this.book(connection, content);
    if (connection.closing || connection.sending) return;
    if (session.nextBuffer !== BUFFER_NONE) this.flush(connection, session);
    else if (session.kernel === KERNEL_WAITING) this.handshakes.moveToKernel(connection, session);
    else if (connection.segmentCount > 0) this.loop.sockets.send(connection);
    else if (session.ending !== END_NOT) this.finishEnd(connection, session);
    if (session.wantsOutput && !connection.closing) this.handshakes.shake(connection, session);
  }

  private onKernelSent(connection: Connection, session: TlsSession, result: number): void {
    if (!session.notifying) {
      this.loop.sent(connection, result);
      return;
    }
    session.notifying = false;
    this.finishEnd(connection, session);
  }

  private onSendFailed(connection: Connection, session: TlsSession, result: number): void {
    this.freeOut(session);
    if (session.state === TLS_SHAKING)
      this.handshakes.fail(connection, "closed", "the peer has gone");
    else if (session.ending === END_CLOSE) this.loop.sockets.close(connection);
    else this.loop.sent(connection, result);
  }

  /** Tells the role what of its content has gone, as if the segments had been sent one by one. */
  private book(connection: Connection, content: number): void {
    const { sockets } = this.loop;
    let left = content;
    for (let first = sockets.segmentBytes(connection, 0); left > first; ) {
      sockets.onSent(connection, first);
      left -= first;
      first = sockets.segmentBytes(connection, 0);
    }
    this.loop.sent(connection, left);
  }

  private freeOut(session: TlsSession): void {
    this.loop.buffers.free(session.outBuffer);
    session.outBuffer = BUFFER_NONE;
    session.outContentBytes = 0;
  }

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────

  /** Sends close_notify behind all else, then FIN; or closes, and its role hears no more of it. */
  end(connection: Connection, closes: boolean): void {
    const session = connection.tls!;
    if (session.ending === END_CLOSE) return;
    const notified = session.ending === END_OUTPUT;
    session.ending = closes ? END_CLOSE : END_OUTPUT;
    if (closes) connection.peer = null;
    if (session.state === TLS_ESTABLISHED || session.state === TLS_INPUT_ENDED) {
      if (session.kernel >= KERNEL_OUTPUT) {
        // Cut off in the middle of something, the end is not to look like a good one.
        if (!notified && !connection.sending) this.kernel.sendCloseNotify(connection, session);
      } else if (!notified) this.steps.aside(session, TLS_END, 0, 0);
      this.loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
      this.flush(connection, session);
    } else if (session.state === TLS_SHAKING && connection.role === ROLE_CLIENT) {
      this.handshakes.failures.noteClient(connection, "timeout", "");
    }
    if (!connection.sending) this.finishEnd(connection, session);
  }

  private finishEnd(connection: Connection, session: TlsSession): void {
    const { sockets, calls, timers } = this.loop;
    const closes = session.ending === END_CLOSE;
    session.lingering =
      closes && session.state === TLS_INPUT_ENDED && connection.role === ROLE_CLIENT;
    if (closes && !session.lingering) {
      sockets.close(connection);
      return;
    }
    calls.shutdownWrite(connection.fd);
    if (!session.lingering) return;
    // Something may have come behind its close_notify; closing with that unread would reset the
    // connection under the answer.
    timers.set(connection.slot, client.LINGER_MS);
    if (!connection.receiving) this.receiveUnwanted(connection);
  }

  private receiveUnwanted(connection: Connection): void {
    connection.receiving = true;
    connection.receiveGroup = this.loop.buffers.bodyGroup;
    this.loop.sockets.receiveSelected(connection, false);
  }

  // ── Handover ──────────────────────────────────────────────────────────────────────────────────

  /** Goes on with a session that is quiet. */
  adopt(connection: Connection, whereabouts: number): void {
    const isInKernel = whereabouts === TLS_IN_KERNEL;
    const session = this.attach(connection, isInKernel ? -1 : whereabouts);
    session.state = TLS_ESTABLISHED;
    if (!isInKernel) return;
    session.kernel = KERNEL_BOTH;
    connection.transport = TRANSPORT_KERNEL;
  }

  /** Whether the connection only waits for its close_notify to go out. */
  isEnding(connection: Connection): boolean {
    return connection.tls!.ending === END_CLOSE;
  }

  /** The connection's slot becomes free: gives back what its session holds. */
  release(connection: Connection): void {
    const session = connection.tls!;
    const { buffers, owner } = this.loop;
    buffers.free(session.inBuffer);
    buffers.free(session.outBuffer);
    buffers.free(session.nextBuffer);
    if (session.handle >= 0) this.calls.tlsFree(owner, session.handle);
    session.reset();
    this.pool.push(session);
    this.sessionCount--;
  }
}
