// One socket, client's or upstream's. Objects are pooled: every field is set in the constructor, in
// one order and of one kind, and `reset` mirrors it. Both roles share one class, so that the code
// which moves bytes from one connection to another is the same in both directions.

import { BUFFER_NONE } from "./buffers.ts";
import type { ChunkState } from "./chunked.ts";
import type { ConnectionLimit } from "./connection-limit.ts";
import type { FileEntry } from "./file-entry.ts";
import { BODY_NONE } from "./http1-request.ts";
import { MULTISHOT_NONE, NOT_ENDED } from "./multishot.ts";
import type { Route } from "./route.ts";
import type { TlsSession } from "./tls-session.ts";
import type { Server, SocketAddress } from "./upstream-server.ts";

const ROLE_FREE = 0;
export const ROLE_CLIENT = 1;
export const ROLE_UPSTREAM = 2;

// Where a client stands with the request it is sending.
/** Between requests, or inside a head. */
export const REQUEST_HEAD = 0;
/** The body is arriving and goes to the upstream. */
export const REQUEST_BODY = 1;
/** The body is arriving and is thrown away; the answer was given without it. */
export const REQUEST_DISCARD = 2;
/** All of the request is here. */
export const REQUEST_DONE = 3;

// Where an answer stands: on a client what it is being sent, on an upstream what it is sending.
export const RESPONSE_NONE = 0;
/** Nothing of the answer's final head has been passed on. */
export const RESPONSE_WAITING = 1;
export const RESPONSE_BODY = 2;

// What carries a connection's bytes.
/** The socket itself. */
export const TRANSPORT_PLAIN = 0;
/** Records that are opened and sealed in user space: see tls.ts. */
export const TRANSPORT_TLS = 1;
/** The socket itself, for which the kernel opens and seals the records: see ktls.ts. */
export const TRANSPORT_KERNEL = 2;

/** Segments that may wait behind each other on one socket. */
export const SEGMENT_COUNT_MAX = 4;

/** A tick that is long ago. */
const NEVER = -0x40000000;

export class Connection {
  readonly slot: number;
  generation = 0;
  role = ROLE_FREE;
  fd = -1;
  transport = TRANSPORT_PLAIN;
  /** Not null unless the transport is plain. */
  tls: TlsSession | null = null;
  /** What operations name it by: its descriptor, or its slot with IOSQE_FIXED_FILE. */
  ringFd = -1;
  ringFlags = 0;
  /** Operations the kernel has not completed yet. The slot is free again only at 0. */
  pendingOps = 0;
  closing = false;
  connecting = false;
  receiving = false;
  sending = false;
  /** The peer sent its FIN. */
  inputEnded = false;
  /** The socket had more than the last receive took: bytes, or an end. */
  socketHasMore = false;
  /** Waiting for a buffer: a receive failed with ENOBUFS. */
  starved = false;

  /** Received and not consumed: `bytes[inStart, inEnd)` of `inBuffer`. */
  inBuffer = BUFFER_NONE;
  inStart = 0;
  inEnd = 0;
  /** Group the next or current receive takes its buffer from, unless it is an armed one. */
  receiveGroup = 0;

  /** MULTISHOT_*: whether a receive stays armed. What it brings before somebody asks is early. */
  multishot = MULTISHOT_NONE;
  /** Early buffers, a list in `Multishot`; and the end behind them, a result, or NOT_ENDED. */
  earlyFirst = BUFFER_NONE;
  earlyLast = BUFFER_NONE;
  earlyEnd = NOT_ENDED;
  earlyCount = 0;
  /** What is received next goes behind the input. */
  appends = false;

  /**
   * The send queue: a ring of segments in `Sockets`. The first one is in flight while `sending`.
   */
  segmentHead = 0;
  segmentCount = 0;
  /** What its receiver had not taken when a send last took long, and when that was: `isTaking`. */
  untaken = 0;
  lookedTick = NEVER;
  /** Whether the last segment may still grow. */
  segmentOpen = false;
  /** What to do when the send queue is empty: close at once, or linger until the peer has read. */
  closeWhenSent = false;
  linger = false;

  /** Bytes pass unread between this socket and its peer's: an upgrade was agreed to. */
  tunnel = false;
  /** Nothing more can be sent: our FIN has been, in a tunnel, or a send to an upstream failed. */
  outputEnded = false;

  /** The other side of an exchange. */
  peer: Connection | null = null;
  /** Framing of the body this socket is sending us: BODY_*, and what is left of it. */
  bodyMode = BODY_NONE;
  bodyRemaining = 0;
  chunks: ChunkState | null = null;
  keepAlive = true;
  responseState = RESPONSE_NONE;
  /** Where the search for the end of an incomplete head goes on; an upstream's: 0 between heads. */
  headScanned = 0;

  // Clients only.
  /** Part of the count of connections that a limit is about. */
  admitted = false;
  /** On its way to a worker of the next generation: see handover.ts. */
  leaving = false;
  requestState = REQUEST_HEAD;
  /** The tick at which the first piece of an incomplete head came; -1 between heads. */
  headStartedTick = -1;
  isHead = false;
  /** The client waits for 100 (Continue) before it sends its body. */
  expectsContinue = false;
  isIdempotent = false;
  /** The request has asked for another protocol, so that the answer may be 101. */
  wantsUpgrade = false;
  /** The upstream is told the name that the client has used, and not its own. */
  keepsHost = false;
  minorVersion = 1;
  route: Route | null = null;
  /** The request as it was sent to the upstream, kept until it can't be sent again any more. */
  sentBuffer = BUFFER_NONE;
  sentStart = 0;
  sentEnd = 0;
  /** Body bytes beyond `sentBuffer` have gone out: the request can't be repeated. */
  bodyStreamed = false;
  /** It went out again, on a fresh connection: the pooled one had gone stale. */
  retried = false;
  /** It went on to another server or address, after the one that had taken it broke off. */
  movedOn = false;
  /** The hash of its address, for groups that choose by it. */
  clientHash = 0;
  /** The server that was chosen first, and the one that is being tried. */
  firstServer = 0;
  serverIndex = 0;
  /** The index of the address that was tried first, and how many have failed. */
  addressStart = 0;
  addressTries = 0;
  addressLength = 0;
  /** Response without length to a client that knows chunks: we frame it. */
  addChunks = false;
  /** Chunked response to a client that does not: content only. */
  removeChunks = false;

  // Files.
  /** The file that is being answered with; the connection has one use of it. */
  file: FileEntry | null = null;
  /** Its body follows piece by piece when the send queue is empty. */
  fileSending = false;
  /** What is left of the body, or of the present range: offsets in the file. */
  fileOffset = 0;
  fileEnd = 0;
  /** Where in the arena the next bytes of a short body go. */
  readTo = 0;
  /** First bytes of ranges and the bytes behind their last, made when first needed. */
  ranges: Float64Array | null = null;
  /** Ranges of an answer in several parts, 0 for others; and the one being sent. */
  rangeCount = 0;
  rangeIndex = 0;
  openTries = 0;
  /** The file request asked without its trailing index: tried once. */
  indexTried = false;
  /** Holds path and conditions until the file is found, then a short body with its head. */
  fileBuffer = BUFFER_NONE;
  pathEnd = 0;
  conditionsStart = 0;
  conditionsEnd = 0;

  // Upstreams only.
  server: Server | null = null;
  address: SocketAddress | null = null;
  /** Part of its server's requests in flight. */
  counted = false;
  /** 1xx heads that have come before the final one. */
  interimCount = 0;
  /** The pool: a stack of idle connections, newest on top. */
  poolNext: Connection | null = null;
  poolPrevious: Connection | null = null;
  pooled = false;
  reused = false;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Back to the constructor's state, with a new generation. */
  reset(): void {
    this.generation = (this.generation + 1) & 0xffffff;
    this.role = ROLE_FREE;
    this.fd = -1;
    this.transport = TRANSPORT_PLAIN;
    this.tls = null;
    this.ringFd = -1;
    this.ringFlags = 0;
    this.pendingOps = 0;
    this.closing = false;
    this.connecting = false;
    this.receiving = false;
    this.sending = false;
    this.inputEnded = false;
    this.socketHasMore = false;
    this.starved = false;
    this.inBuffer = BUFFER_NONE;
    this.inStart = 0;
    this.inEnd = 0;
    this.receiveGroup = 0;
    this.multishot = MULTISHOT_NONE;
    this.earlyFirst = BUFFER_NONE;
    this.earlyLast = BUFFER_NONE;
    this.earlyEnd = NOT_ENDED;
    this.earlyCount = 0;
    this.appends = false;
    this.segmentHead = 0;
    this.segmentCount = 0;
    this.untaken = 0;
    this.lookedTick = NEVER;
    this.segmentOpen = false;
    this.closeWhenSent = false;
    this.linger = false;
    this.tunnel = false;
    this.outputEnded = false;
    this.peer = null;
    this.bodyMode = BODY_NONE;
    this.bodyRemaining = 0;
    this.keepAlive = true;
    this.responseState = RESPONSE_NONE;
    this.headScanned = 0;
    this.resetRequest();
    this.resetFile();
    this.server = null;
    this.address = null;
    this.counted = false;
    this.interimCount = 0;
    this.poolNext = null;
    this.poolPrevious = null;
    this.pooled = false;
    this.reused = false;
  }

  private resetRequest(): void {
    this.admitted = false;
    this.leaving = false;
    this.requestState = REQUEST_HEAD;
    this.headStartedTick = -1;
    this.isHead = false;
    this.expectsContinue = false;
    this.isIdempotent = false;
    this.wantsUpgrade = false;
    this.keepsHost = false;
    this.minorVersion = 1;
    this.route = null;
    this.sentBuffer = BUFFER_NONE;
    this.sentStart = 0;
    this.sentEnd = 0;
    this.bodyStreamed = false;
    this.retried = false;
    this.movedOn = false;
    this.clientHash = 0;
    this.firstServer = 0;
    this.serverIndex = 0;
    this.addressStart = 0;
    this.addressTries = 0;
    this.addressLength = 0;
    this.addChunks = false;
    this.removeChunks = false;
  }

  private resetFile(): void {
    this.file = null;
    this.fileSending = false;
    this.fileOffset = 0;
    this.fileEnd = 0;
    this.readTo = 0;
    this.rangeCount = 0;
    this.rangeIndex = 0;
    this.openTries = 0;
    this.indexTried = false;
    this.fileBuffer = BUFFER_NONE;
    this.pathEnd = 0;
    this.conditionsStart = 0;
    this.conditionsEnd = 0;
  }

  get hasInput(): boolean {
    return this.inStart < this.inEnd;
  }
}

/** Connections of a worker: made on demand, reused for ever. */
export class ConnectionTable {
  readonly list: Connection[] = [];
  private readonly free: Connection[] = [];
  private readonly slotCountMax: number;
  private readonly limit: ConnectionLimit | null;
  clientCount = 0;
  upstreamCount = 0;
  /** What is above is kept for upstreams: clients that wait for them must not take their place. */
  private readonly clientCountMax: number;
  /** From so many clients on, idle ones have to go. */
  private readonly clientCountHigh: number;
  /** Where a search for an idle client goes on. */
  idleCursor = 0;

  /** `limit`: on clients over all workers; null is none. */
  constructor(slotCountMax: number, limit: ConnectionLimit | null = null) {
    this.slotCountMax = slotCountMax;
    this.clientCountMax = slotCountMax - (slotCountMax >> 3);
    this.clientCountHigh = this.clientCountMax - (slotCountMax >> 5);
    this.limit = limit;
  }

  /** A connection in its constructor's state, or null when the worker holds its maximum. */
  take(role: number): Connection | null {
    if (role === ROLE_CLIENT && this.clientCount === this.clientCountMax) return null;
    let connection = this.free.pop() ?? null;
    if (connection === null) {
      if (this.list.length === this.slotCountMax) return null;
      connection = new Connection(this.list.length);
      this.list.push(connection);
    }
    connection.role = role;
    if (role === ROLE_CLIENT) this.clientCount++;
    else this.upstreamCount++;
    return connection;
  }

  /** Whether there is hardly a slot left for another client. */
  get isCrowded(): boolean {
    return this.clientCount >= this.clientCountHigh;
  }

  /** Counts a new client. False: it is one too many, and is to be told so. */
  admit(connection: Connection): boolean {
    if (this.limit === null) return true;
    connection.admitted = this.limit.take();
    return connection.admitted;
  }

  /** Counts a client that another worker has let go of, whatever the limit is by now. */
  adopt(connection: Connection): void {
    if (this.limit === null) return;
    this.limit.add();
    connection.admitted = true;
  }

  release(connection: Connection): void {
    if (connection.admitted) this.limit!.release();
    if (connection.role === ROLE_CLIENT) this.clientCount--;
    else this.upstreamCount--;
    connection.reset();
    this.free.push(connection);
  }

  /** Slots that hold a connection. */
  get inUse(): number {
    return this.list.length - this.free.length;
  }
}
