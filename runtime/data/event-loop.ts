// A worker's turn: submit and wait, take every completion to the connection it belongs to, look at
// the clock. This is the only place that knows which operation means what.

import {
  CLOCK_MONOTONIC_MS,
  CLOCK_REALTIME_SECS,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IORING_CQE_F_SOCK_NONEMPTY,
  IORING_OP_READ,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  OPEN_HOW_BYTES,
  OPEN_HOW_FLAGS,
  OPEN_HOW_RESOLVE,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  USER_OP_ACCEPT,
  USER_OP_CONNECT,
  USER_OP_FILE_OPEN,
  USER_OP_FILE_READ,
  USER_OP_POLL,
  USER_OP_RECEIVE,
  USER_OP_SEND,
  USER_OP_WAKE,
} from "../../native/abi.ts";
import { Acceptor } from "./acceptor.ts";
import type { ClientAddress, MatchRoute } from "./api.ts";
import { BUFFER_NONE, type Buffers, GROUP_MULTISHOT } from "./buffers.ts";
import * as client from "./client.ts";
import * as clientInput from "./client-input.ts";
import {
  type Connection,
  type ConnectionTable,
  ROLE_CLIENT,
  TRANSPORT_PLAIN,
} from "./connection.ts";
import { ExchangeObserver } from "./exchange-observer.ts";
import * as fileAnswer from "./file-answer.ts";
import { FileCache } from "./file-cache.ts";
import type { FileStore } from "./file-store.ts";
import * as files from "./files.ts";
import { Handover } from "./handover.ts";
import { RequestHead } from "./http1-request.ts";
import { ResponseHead } from "./http1-response.ts";
import { IpAddress } from "./ip-address.ts";
import type { DataCalls, LoopParts } from "./loop-parts.ts";
import type { WorkerMetrics } from "./metrics.ts";
import { MULTISHOT_NONE } from "./multishot.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import { ReplyWriter } from "./reply.ts";
import type { CompletionSink, Ring } from "./ring.ts";
import type { Route } from "./route.ts";
import { Sockets } from "./sockets.ts";
import { TICK_MS, TimerWheel } from "./timer-wheel.ts";
import { TlsLayer } from "./tls.ts";
import * as tunnel from "./tunnel.ts";
import * as upstream from "./upstream.ts";

/** Arena offsets of the control area. */
const WAKE_WORD = 0;
/** struct open_how: below a root directory, and for a file that the config names itself. */
export const OPEN_HOW_BENEATH = 64;
export const OPEN_HOW_PLAIN = 128;
/** Scratch for a request's normalised host and path. */
export const TARGET_SCRATCH = 128 * 1024;
/** Scratch for a response head being rewritten. */
export const HEAD_SCRATCH = 256 * 1024;

/** Longest text form of an address: IPv6 with an embedded IPv4. */
export const ADDRESS_BYTES_MAX = 46;

/** Between two warnings about refused connections: a minute. */
const REFUSED_SILENT_TICKS = Math.round(60_000 / TICK_MS);

export class EventLoop implements CompletionSink {
  readonly ring: Ring;
  readonly buffers: Buffers;
  readonly bytes: Uint8Array;
  readonly table: ConnectionTable;
  readonly timers: TimerWheel;
  /** Null: neither a listener nor a server uses TLS. */
  readonly tls: TlsLayer | null;
  /** Clients speak TLS. */
  readonly acceptsTls: boolean;
  readonly sockets: Sockets;
  readonly calls: DataCalls;
  readonly replies: ReplyWriter;
  readonly request: RequestHead;
  readonly response: ResponseHead;
  readonly routes: readonly Route[];
  readonly matchRoute: MatchRoute;
  readonly isTrustedProxy: ((peer: ClientAddress) => boolean) | null;
  readonly rateLimiter: RateLimiter | null;
  readonly files: FileStore | null;
  readonly fileCache: FileCache | null;
  /** The tick at which each slot's client was last left waiting for; -1: it has asked nothing. */
  readonly idleSince: Int32Array;
  /** Client addresses as text, ADDRESS_BYTES_MAX a slot; filled when first needed. */
  readonly addresses: Uint8Array;
  /** The client of the request that is being looked at; set by `readClientAddress`. */
  readonly clientAddress = new IpAddress();
  readonly owner: number;
  /** Told about each request; null: nobody wants to know. */
  readonly observer: ExchangeObserver | null;
  private readonly metrics: WorkerMetrics | null;
  /** The largest head limit and header timeout of any route: they hold until a route is known. */
  readonly headBytesMax: number;
  readonly headerTimeoutMs: number;
  /** No new work: stop accepting, answer what is under way, then end. */
  draining = false;
  /** Clients that a drain lets go when what this turn has brought shows them idle. */
  private readonly drained: Connection[] = [];
  /** The next generation accepts; this worker ends with its last client. */
  retiring = false;
  /** Every answer is the last on its connection. */
  lastAnswers = false;
  readonly handover: Handover;
  /** Nothing more will be accepted, and it has been told. */
  private retired = false;
  private readonly onRetired: () => void;

  private readonly owners: Uint8Array;
  private readonly ownerMark: number;
  private readonly clock: Uint32Array;
  private clockMs: number;
  private readonly acceptor: Acceptor;
  private readonly waits: boolean;
  private readonly wakeFd: number;
  private readonly onWake: () => void;
  readonly onWarning: (text: string) => void;
  readonly onNotice: (text: string) => void;
  /** Connections over the limit, and the tick from which on to say so again. */
  private refusedCount = 0;
  private refusedSilentUntil = 0;

  constructor(parts: LoopParts) {
    this.ring = parts.ring;
    this.buffers = parts.buffers;
    this.bytes = parts.buffers.bytes;
    this.table = parts.table;
    this.timers = new TimerWheel(parts.slotCountMax);
    this.calls = parts.calls;
    this.owner = parts.owner;
    this.owners = parts.owners;
    this.ownerMark = parts.owner + 1;
    this.tls = TLS && parts.tls !== null ? new TlsLayer(this, parts.tls) : null;
    this.acceptsTls = parts.tls !== null && parts.tls.context >= 0;
    this.sockets = new Sockets(
      parts.ring,
      parts.buffers,
      this.timers,
      parts.table,
      parts.slotCountMax,
      parts.owners,
      (file) => this.fileCache?.release(file),
      this.tls,
      (connection, result, buffer) => this.received(connection, result, buffer),
    );
    this.replies = new ReplyWriter(this.bytes, parts.idPrefix);
    this.metrics = parts.metrics ?? null;
    this.observer = this.makeObserver(parts);
    this.request = new RequestHead(this.bytes);
    this.response = new ResponseHead(this.bytes);
    this.routes = parts.routes;
    this.matchRoute = parts.matchRoute;
    this.isTrustedProxy = parts.isTrustedProxy;
    this.rateLimiter = parts.rateLimiter;
    this.files = parts.files;
    this.fileCache = FILE_ROUTES ? new FileCache(parts.calls) : null;
    this.idleSince = new Int32Array(parts.slotCountMax);
    this.addresses = new Uint8Array(parts.slotCountMax * ADDRESS_BYTES_MAX);
    this.writeOpenHow(OPEN_HOW_BENEATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    this.writeOpenHow(OPEN_HOW_PLAIN, RESOLVE_NO_MAGICLINKS);
    this.clock = parts.clock;
    this.clockMs = parts.clock[CLOCK_MONOTONIC_MS]!;
    this.acceptor = new Acceptor(parts.ring, parts.listeners);
    this.waits = parts.waits === true;
    this.wakeFd = parts.wakeFd;
    this.onWake = parts.onWake;
    this.onWarning = parts.onWarning;
    this.onNotice = parts.onNotice;
    this.onRetired = parts.onRetired ?? (() => {});
    this.handover = new Handover(this, parts.onHandover ?? (() => {}));
    this.headBytesMax = parts.routes.reduce(
      (most, route) => Math.max(most, route.limits.maxRequestHeaderSize),
      parts.routes.length === 0 ? 8192 : 0,
    );
    this.headerTimeoutMs = parts.routes.reduce(
      (most, route) => Math.max(most, route.headerTimeoutMs),
      parts.routes.length === 0 ? 30_000 : 0,
    );
  }

  private writeOpenHow(at: number, resolve: number): void {
    const words = new Uint32Array(this.bytes.buffer, at, OPEN_HOW_BYTES / 4).fill(0);
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    words[OPEN_HOW_FLAGS] = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    words[OPEN_HOW_RESOLVE] = resolve;
  }

  /** The wall clock at the beginning of this turn. */
  get realtimeSecs(): number {
    return this.clock[CLOCK_REALTIME_SECS]!;
  }

  private makeObserver({ accessLog, metrics, clock, slotCountMax, idPrefix }: LoopParts) {
    if (OBSERVED && (accessLog !== undefined || metrics !== undefined)) {
      const { sockets } = this;
      const observer = new ExchangeObserver(
        accessLog ?? null,
        metrics ?? null,
        clock,
        slotCountMax,
        sockets.queuedBytes,
        idPrefix,
      );
      sockets.onClose = (connection) => {
        // A tunnel has no end but that of its connection.
        if (connection.role === ROLE_CLIENT) observer.end(connection, !connection.tunnel);
      };
      return observer;
    }
    return null;
  }

  /** Serves until it is told to drain or retire and the last connection has gone. */
  run(): void {
    this.armWake();
    if (!this.waits) this.accept();
    while (!this.isDone()) this.turn(TICK_MS);
    if (FILE_ROUTES) this.fileCache!.clear();
  }

  private isDone(): boolean {
    if (this.table.clientCount > 0) return false;
    // An accept that is still armed may bring a client.
    return (this.draining || this.retiring) && this.acceptor.isStopped;
  }

  /** Accepts from now on. */
  accept(): void {
    if (!this.draining && !this.retiring) this.acceptor.start();
  }

  /** One turn, waiting at most `timeoutMs`. */
  turn(timeoutMs: number): void {
    if (this.sockets.starving.length > 0) this.sockets.feed();
    if (TLS && this.tls !== null) this.tls.run();
    const { multishot } = this.sockets;
    if (multishot.isDue) multishot.run();
    this.buffers.provide();
    const waits = !multishot.isDue && (!TLS || this.tls === null || !this.tls.isPending);
    const result = this.ring.submitAndWait(waits ? timeoutMs : 0);
    if (result < 0) throw new Error(`io_uring_enter failed with errno ${-result}`);
    const clockMs = this.clock[CLOCK_MONOTONIC_MS]!;
    const elapsedMs = (clockMs - this.clockMs) >>> 0; // the word wraps after 49 days
    this.clockMs = clockMs;
    this.replies.setClock(this.clock[CLOCK_REALTIME_SECS]!);
    this.timers.elapse(elapsedMs);
    if (FILE_ROUTES) this.fileCache!.expire(this.timers.tick);
    const completions = this.ring.reap(this);
    if (this.drained.length > 0) this.closeIdle();
    this.timers.fire(this);
    if (this.retiring) this.handover.run();
    if (this.retiring || this.draining) this.tellStopped();
    if (OBSERVED && this.metrics !== null)
      this.metrics.turn(completions, this.table.clientCount, this.table.upstreamCount);
    this.acceptor.run(this.timers.tick);
  }

  /** Stops accepting and lets go of idle connections; `run` returns when the last one has ended. */
  drain(): void {
    if (this.draining) return;
    this.draining = true;
    this.lastAnswers = true;
    this.handover.stop();
    this.acceptor.stop();
    for (const connection of this.table.list) {
      if (connection.role === ROLE_CLIENT) {
        client.drain(this, connection);
        this.drained.push(connection);
      } else if (PROXY_ROUTES) upstream.drain(this, connection);
    }
  }

  /** A request may stand behind what told the worker to drain. */
  private closeIdle(): void {
    for (const connection of this.drained) client.closeIdle(this, connection);
    this.drained.length = 0;
  }

  /**
   * Stops accepting, for a next generation that does. Clients leave for it when they are idle; or,
   * when it can't go on with them, with their next answer.
   */
  retire(handsOver: boolean): void {
    if (this.draining) return;
    this.lastAnswers = !handsOver;
    const first = !this.retiring;
    this.retiring = true;
    this.sockets.multishot.disable(); // a client may leave only when nothing is armed
    for (const connection of this.table.list) {
      if (connection.role === ROLE_CLIENT) this.sockets.multishot.stop(connection);
      if (connection.role === ROLE_CLIENT) connection.keepAlive &&= handsOver;
      else if (PROXY_ROUTES) upstream.drain(this, connection);
    }
    if (handsOver) this.handover.start();
    else this.handover.stop();
    if (first) this.acceptor.stop();
  }

  private tellStopped(): void {
    if (this.retired || !this.acceptor.isStopped) return;
    this.retired = true;
    this.onRetired();
  }

  onCompletion(slot: number, opGeneration: number, result: number, flags: number): void {
    const op = opGeneration >>> 24;
    if (op === USER_OP_ACCEPT) {
      this.onAccept(slot, result, flags);
      return;
    }
    if (op === USER_OP_WAKE) {
      this.onWake();
      this.armWake();
      return;
    }
    if (op === 0) return; // the cancellation of an accept
    const connection = this.table.list[slot]!;
    if (connection.generation !== (opGeneration & 0xffffff)) return;
    if ((flags & IORING_CQE_F_MORE) === 0) connection.pendingOps--;
    let buffer = BUFFER_NONE;
    if (op === USER_OP_RECEIVE) {
      const armed = connection.multishot !== MULTISHOT_NONE;
      connection.socketHasMore = (flags & IORING_CQE_F_SOCK_NONEMPTY) !== 0;
      if ((flags & IORING_CQE_F_BUFFER) !== 0) {
        const group = armed ? GROUP_MULTISHOT : connection.receiveGroup;
        buffer = this.buffers.received(group, flags);
      }
      if (!armed) connection.receiving = false;
      else if (
        !connection.closing &&
        !this.sockets.multishot.take(connection, result, buffer, flags)
      )
        return;
    } else if (op === USER_OP_SEND) connection.sending = false;
    if (connection.closing) {
      this.onClosing(connection, op, result, buffer);
      return;
    }
    switch (op) {
      case USER_OP_RECEIVE:
        if (TLS && connection.transport !== TRANSPORT_PLAIN)
          this.tls!.onReceived(connection, result, buffer);
        else this.received(connection, result, buffer);
        return;
      case USER_OP_SEND:
        if (TLS && connection.transport !== TRANSPORT_PLAIN) this.tls!.onSent(connection, result);
        else this.sent(connection, result);
        return;
      case USER_OP_CONNECT:
        if (PROXY_ROUTES) upstream.onConnected(this, connection, result);
        return;
      case USER_OP_FILE_OPEN:
        if (FILE_ROUTES) files.onOpened(this, connection, result);
        return;
      case USER_OP_FILE_READ:
        if (FILE_ROUTES) fileAnswer.onRead(this, connection, result);
        return;
      case USER_OP_POLL:
        if (FILE_ROUTES) fileAnswer.continueSending(this, connection);
        return;
    }
  }

  /** Hands on what a receive has brought: bytes, in `buffer` or behind the input; or an end. */
  received(connection: Connection, result: number, buffer: number): void {
    if (PROXY_ROUTES && connection.tunnel) tunnel.onReceived(this, connection, result, buffer);
    else if (connection.role === ROLE_CLIENT)
      clientInput.onReceived(this, connection, result, buffer);
    else if (PROXY_ROUTES) upstream.onReceived(this, connection, result, buffer);
  }

  /** Hands on how much of the send queue's first segment has gone, or an error. */
  sent(connection: Connection, result: number): void {
    if (PROXY_ROUTES && connection.tunnel) tunnel.onSent(this, connection, result);
    else if (connection.role === ROLE_CLIENT) client.onSent(this, connection, result);
    else if (PROXY_ROUTES) upstream.onSent(this, connection, result);
  }

  /** Tells the peer that nothing more comes: FIN, with TLS close_notify before it. */
  endOutput(connection: Connection): void {
    if (TLS && connection.transport !== TRANSPORT_PLAIN) this.tls!.end(connection, false);
    else this.calls.shutdownWrite(connection.fd);
  }

  /**
   * Closes a connection whose exchange has ended well: with TLS, once close_notify has gone. Where
   * something was cut off `sockets.close` says so by leaving that out.
   */
  closeGently(connection: Connection): void {
    if (TLS && connection.transport !== TRANSPORT_PLAIN) this.tls!.end(connection, true);
    else this.sockets.close(connection);
  }

  onTimer(slot: number): void {
    const connection = this.table.list[slot]!;
    if (connection.closing) return;
    if (TLS && connection.transport !== TRANSPORT_PLAIN && this.tls!.isEnding(connection))
      this.sockets.close(connection);
    else if (PROXY_ROUTES && connection.tunnel) tunnel.onTimer(this, connection);
    else if (connection.role === ROLE_CLIENT) client.onTimer(this, connection);
    else if (PROXY_ROUTES) upstream.onTimer(this, connection);
  }

  /** Notes a descriptor as ours, so that it is closed should this worker die. */
  own(fd: number): void {
    this.owners[fd] = this.ownerMark;
  }

  closeFile(fd: number): void {
    this.calls.close(fd);
  }

  private onClosing(connection: Connection, op: number, result: number, buffer: number): void {
    if (op === USER_OP_FILE_OPEN && result >= 0) this.closeFile(result);
    this.sockets.onClosing(connection, buffer);
  }

  /** Counts a connection over the limit, and says so once a minute. */
  noteRefused(): void {
    this.refusedCount++;
    const { tick } = this.timers;
    if (tick < this.refusedSilentUntil) return;
    this.refusedSilentUntil = tick + REFUSED_SILENT_TICKS;
    this.onWarning(`max_concurrent_connections is reached; ${this.refusedCount} refused so far`);
  }

  private onAccept(listener: number, result: number, flags: number): void {
    if (result >= 0) {
      this.own(result);
      client.onAccepted(this, result);
    }
    const warning = this.acceptor.onAccept(listener, result, flags, this.timers.tick);
    if (warning !== "") this.onWarning(warning);
  }

  private armWake(): void {
    const address = this.buffers.addressOf(WAKE_WORD);
    const { addressHigh } = this.buffers;
    const opGeneration = USER_OP_WAKE << 24;
    this.ring.push(IORING_OP_READ, this.wakeFd, 0, address, addressHigh, 8, 0, 0, opGeneration, 0);
  }
}
