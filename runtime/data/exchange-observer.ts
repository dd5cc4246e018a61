// Follows each request from its head to the end of its answer, and tells the log and the metrics.
// What is known of a request in between stands in a record of its own, one for each connection,
// laid out as it will be copied into the ring. In a bundle without observers every call of the
// functions below folds away.

import {
  CLOCK_MONOTONIC_MS,
  CLOCK_MONOTONIC_US,
  CLOCK_REALTIME_MILLIS,
  CLOCK_REALTIME_SECS,
} from "../../native/abi.ts";
import { readClientAddress, readPeerAddress } from "./client-address.ts";
import { type Connection, RESPONSE_NONE } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import {
  FLAG_BROKEN,
  FLAG_PATH_CUT,
  KIND_REQUEST,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_MS,
  RECORD_SECS,
  REQUEST_BYTES,
  REQUEST_CLIENT,
  REQUEST_CLIENT_FAMILY,
  REQUEST_FLAGS,
  REQUEST_HOST_BYTES,
  REQUEST_ID_NUMBER,
  REQUEST_ID_PREFIX,
  REQUEST_METHOD_BYTES,
  REQUEST_PATH_BYTES,
  REQUEST_ROUTE,
  REQUEST_SERVER,
  REQUEST_STATUS,
  REQUEST_TEXT,
  REQUEST_TOTAL_US,
  REQUEST_UPSTREAM_US,
} from "./log-record.ts";
import { type LogRingWriter, recordLength } from "./log-ring.ts";
import {
  COUNT_ACCEPTED,
  COUNT_RATE_LIMITED,
  COUNT_REFUSED,
  COUNT_UPSTREAMS_OPENED,
  type WorkerMetrics,
} from "./metrics.ts";

/** Method and host are short by the parser's own limits; the path gets what is left. */
const RECORD_BYTES_MAX = 2048;
/** Without a log a record needs no room for texts. */
const RECORD_BYTES_COUNTED = REQUEST_TEXT * Int32Array.BYTES_PER_ELEMENT;

// Words of what is known of a slot's request and goes into no record.
const STATE_WORDS = 8;
/** 1 from the request's head to the end of its answer. */
const OPEN = 0;
/** 1 when the head came in pieces: its first one set the start. */
const STARTED = 1;
const STARTED_US = 2;
const STARTED_MS = 3;
/** When the head was there as a whole. */
const BEGUN_US = 4;
const BEGUN_MS = 5;

/** The clock of microseconds wraps after 71 minutes; longer times are told from milliseconds. */
const MICROSECONDS_TRUSTED_MS = 4_000_000;

/** What nginx logs for a client that went before its answer began. */
const STATUS_CLIENT_GONE = 499;

export class ExchangeObserver {
  private readonly ring: LogRingWriter | null;
  private readonly metrics: WorkerMetrics | null;
  private readonly recordBytes: number;
  private readonly recordWords: number;
  private readonly clock: Uint32Array;
  private readonly words: Int32Array;
  private readonly doubles: Float64Array;
  private readonly texts: Uint8Array;
  private readonly state: Int32Array;
  /** Bytes queued for each slot's client since its request began. */
  private readonly queuedBytes: Float64Array;
  private readonly idPrefix: number;
  private requestCount = 0;

  /** `idPrefix`: the eight hexadecimal digits that the worker's request ids begin with. */
  constructor(
    ring: LogRingWriter | null,
    metrics: WorkerMetrics | null,
    clock: Uint32Array,
    slotCountMax: number,
    queuedBytes: Float64Array,
    idPrefix: string,
  ) {
    this.ring = ring;
    this.metrics = metrics;
    this.clock = clock;
    this.recordBytes = ring === null ? RECORD_BYTES_COUNTED : RECORD_BYTES_MAX;
    this.recordWords = this.recordBytes / Int32Array.BYTES_PER_ELEMENT;
    const memory = new ArrayBuffer(slotCountMax * this.recordBytes);
    this.words = new Int32Array(memory);
    this.doubles = new Float64Array(memory);
    this.texts = new Uint8Array(memory);
    this.state = new Int32Array(slotCountMax * STATE_WORDS);
    this.queuedBytes = queuedBytes;
    this.idPrefix = Number.parseInt(idPrefix, 16) | 0;
  }

  /** The first piece of a head is here. */
  headStarted(slot: number): void {
    const { state, clock } = this;
    const at = slot * STATE_WORDS;
    state[at + STARTED] = 1;
    state[at + STARTED_US] = clock[CLOCK_MONOTONIC_US]!;
    state[at + STARTED_MS] = clock[CLOCK_MONOTONIC_MS]!;
  }

  /** The head in `loop.request` is whole and sound. */
  begin(loop: EventLoop, connection: Connection): void {
    const { slot } = connection;
    const logged = this.ring !== null;
    this.open(loop, slot, logged && readClientAddress(loop, connection));
    if (logged) this.copyTexts(loop, slot);
  }

  private copyTexts({ request }: EventLoop, slot: number): void {
    const { words, texts, recordBytes } = this;
    const at = slot * this.recordWords;
    const { methodStart, methodEnd, host, targetStart, targetEnd } = request;
    const first = slot * recordBytes + REQUEST_TEXT * Int32Array.BYTES_PER_ELEMENT;
    const hostAt = copy(texts, first, request.bytes, methodStart, methodEnd);
    const pathAt = copy(texts, hostAt, request.bytes, host.start, host.end);
    const room = (slot + 1) * recordBytes - pathAt;
    const pathBytes = Math.min(room, targetEnd - targetStart);
    copy(texts, pathAt, request.bytes, targetStart, targetStart + pathBytes);
    words[at + REQUEST_METHOD_BYTES] = methodEnd - methodStart;
    words[at + REQUEST_HOST_BYTES] = host.end - host.start;
    words[at + REQUEST_PATH_BYTES] = pathBytes;
    if (pathBytes < targetEnd - targetStart) words[at + REQUEST_FLAGS] = FLAG_PATH_CUT;
  }

  /** Fills in what every record begins with, a request that could not be read among them. */
  private open(loop: EventLoop, slot: number, knowsClient: boolean): void {
    const { words, state, clock } = this;
    const { clientAddress } = loop;
    const us = clock[CLOCK_MONOTONIC_US]!;
    const ms = clock[CLOCK_MONOTONIC_MS]!;
    const own = slot * STATE_WORDS;
    if (state[own + STARTED] === 0) {
      state[own + STARTED_US] = us;
      state[own + STARTED_MS] = ms;
    }
    state[own + OPEN] = 1;
    state[own + STARTED] = 0;
    state[own + BEGUN_US] = us;
    state[own + BEGUN_MS] = ms;
    this.queuedBytes[slot] = 0;
    this.requestCount = (this.requestCount + 1) | 0;
    const at = slot * this.recordWords;
    words[at + RECORD_KIND] = KIND_REQUEST;
    words[at + REQUEST_ID_PREFIX] = this.idPrefix;
    words[at + REQUEST_ID_NUMBER] = this.requestCount;
    words[at + REQUEST_CLIENT_FAMILY] = knowsClient ? (clientAddress.isIpv4 ? 4 : 6) : 0;
    words[at + REQUEST_CLIENT] = clientAddress.word0;
    words[at + REQUEST_CLIENT + 1] = clientAddress.word1;
    words[at + REQUEST_CLIENT + 2] = clientAddress.word2;
    words[at + REQUEST_CLIENT + 3] = clientAddress.word3;
    words[at + REQUEST_STATUS] = 0;
    words[at + REQUEST_FLAGS] = 0;
    words[at + REQUEST_METHOD_BYTES] = 0;
    words[at + REQUEST_HOST_BYTES] = 0;
    words[at + REQUEST_PATH_BYTES] = 0;
    this.doubles[(at + REQUEST_UPSTREAM_US) >> 1] = -1;
  }

  /** The final status is known. */
  answer(loop: EventLoop, connection: Connection, status: number): void {
    const { slot } = connection;
    const own = slot * STATE_WORDS;
    if (this.state[own + OPEN] === 0)
      this.open(loop, slot, this.ring !== null && readPeerAddress(loop, connection));
    const at = slot * this.recordWords;
    this.words[at + REQUEST_STATUS] = status;
    if (passedOn(connection)) this.doubles[(at + REQUEST_UPSTREAM_US) >> 1] = this.sinceHead(own);
    loop.replies.givenNumber = this.words[at + REQUEST_ID_NUMBER]!;
  }

  /** The answer is queued as a whole, or its connection closes; `broken`: too early. */
  end(connection: Connection, broken: boolean): void {
    const { slot, route } = connection;
    const own = slot * STATE_WORDS;
    const { state, words, doubles, clock } = this;
    state[own + STARTED] = 0;
    if (state[own + OPEN] === 0) return;
    state[own + OPEN] = 0;
    const at = slot * this.recordWords;
    words[at + RECORD_SECS] = clock[CLOCK_REALTIME_SECS]!;
    words[at + RECORD_MS] = clock[CLOCK_REALTIME_MILLIS]!;
    words[at + REQUEST_ROUTE] = route === null ? -1 : route.place;
    words[at + REQUEST_SERVER] = passedOn(connection) ? connection.serverIndex : -1;
    if (words[at + REQUEST_STATUS] === 0) {
      words[at + REQUEST_STATUS] = STATUS_CLIENT_GONE;
      if (passedOn(connection)) doubles[(at + REQUEST_UPSTREAM_US) >> 1] = this.sinceHead(own);
    }
    if (broken) words[at + REQUEST_FLAGS] = words[at + REQUEST_FLAGS]! | FLAG_BROKEN;
    const bytes = this.queuedBytes[slot]!;
    const totalUs = this.elapsedUs(state[own + STARTED_US]!, state[own + STARTED_MS]!);
    doubles[(at + REQUEST_BYTES) >> 1] = bytes;
    doubles[(at + REQUEST_TOTAL_US) >> 1] = totalUs;
    if (this.ring !== null) this.log(this.ring, at);
    if (this.metrics !== null)
      this.metrics.request(words[at + REQUEST_ROUTE]!, words[at + REQUEST_STATUS]!, bytes, totalUs);
  }

  /** Counts something that is no request: a COUNT_* word. */
  count(word: number): void {
    if (this.metrics !== null) this.metrics.count(word);
  }

  private log(ring: LogRingWriter, at: number): void {
    const { words } = this;
    const texts =
      words[at + REQUEST_METHOD_BYTES]! +
      words[at + REQUEST_HOST_BYTES]! +
      words[at + REQUEST_PATH_BYTES]!;
    const length = recordLength(REQUEST_TEXT * Int32Array.BYTES_PER_ELEMENT + texts);
    const to = ring.reserve(length);
    if (to < 0) return;
    words[at + RECORD_LENGTH] = length;
    const target = ring.words;
    const count = length >> 2;
    for (let word = 0; word < count; word++) target[to + word] = words[at + word]!;
    ring.publish(length);
  }

  private sinceHead(own: number): number {
    return this.elapsedUs(this.state[own + BEGUN_US]!, this.state[own + BEGUN_MS]!);
  }

  private elapsedUs(us: number, ms: number): number {
    const { clock } = this;
    const elapsedMs = (clock[CLOCK_MONOTONIC_MS]! - ms) >>> 0;
    if (elapsedMs > MICROSECONDS_TRUSTED_MS) return elapsedMs * 1000;
    return (clock[CLOCK_MONOTONIC_US]! - us) >>> 0;
  }
}

/** Whether the request has been given to a server. */
function passedOn({ route, responseState, serverIndex }: Connection): boolean {
  return route?.isProxy === true && responseState !== RESPONSE_NONE && serverIndex >= 0;
}

/** Copies a short text and returns the end of the copy. */
function copy(to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): number {
  const shift = at - start;
  for (let index = start; index < end; index++) to[index + shift] = from[index]!;
  return end + shift;
}

/** The first piece of a head is here. */
export function headStarted(loop: EventLoop, connection: Connection): void {
  if (OBSERVED && loop.observer !== null) loop.observer.headStarted(connection.slot);
}

/** The head in `loop.request` is whole and sound. */
export function begin(loop: EventLoop, connection: Connection): void {
  if (OBSERVED && loop.observer !== null) loop.observer.begin(loop, connection);
}

/** The final status of the answer is known. */
export function answer(loop: EventLoop, connection: Connection, status: number): void {
  if (OBSERVED && loop.observer !== null) loop.observer.answer(loop, connection, status);
}

/** The answer is queued as a whole. */
export function end(loop: EventLoop, connection: Connection): void {
  if (OBSERVED && loop.observer !== null) loop.observer.end(connection, false);
}

/** Counts something that is no request: a COUNT_* word. */
export function count(loop: EventLoop, word: number): void {
  if (OBSERVED && loop.observer !== null) loop.observer.count(word);
}

/** A client has connected. */
export function accepted(loop: EventLoop): void {
  if (OBSERVED && loop.observer !== null) loop.observer.count(COUNT_ACCEPTED);
}

/** A client is one too many. */
export function refused(loop: EventLoop): void {
  if (OBSERVED && loop.observer !== null) loop.observer.count(COUNT_REFUSED);
}

/** A connection to an upstream has been begun: none in its pool would do. */
export function upstreamOpened(loop: EventLoop): void {
  if (OBSERVED && loop.observer !== null) loop.observer.count(COUNT_UPSTREAMS_OPENED);
}

/** A request came too soon after others. */
export function rateLimited(loop: EventLoop): void {
  if (OBSERVED && loop.observer !== null) loop.observer.count(COUNT_RATE_LIMITED);
}
