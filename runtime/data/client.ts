// The client's side of a connection: heads in, answers out. A request is scanned, routed and
// checked here, then handed to its proxy or file route, or answered at once.

import { ECANCELED, ENOBUFS } from "../../native/abi.ts";
import { ROUTE_NONE } from "./api.ts";
import { BUFFER_NONE, GROUP_SMALL } from "./buffers.ts";
import { ascii } from "./bytes.ts";
import { ChunkState } from "./chunked.ts";
import {
  type Connection,
  REQUEST_BODY,
  REQUEST_DISCARD,
  REQUEST_DONE,
  REQUEST_HEAD,
  RESPONSE_BODY,
  RESPONSE_NONE,
  ROLE_CLIENT,
} from "./connection.ts";
import { type EventLoop, TARGET_SCRATCH } from "./event-loop.ts";
import { continueSending } from "./file-answer.ts";
import * as files from "./files.ts";
import { isHeadComplete } from "./head-end.ts";
import {
  FIELD_EXPECT,
  SCAN_BAD_VERSION,
  SCAN_INCOMPLETE,
  SCAN_TOO_MANY_FIELDS,
} from "./http1-fields.ts";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE } from "./http1-request.ts";
import * as proxy from "./proxy.ts";
import { CONNECTION_CLOSE, CONNECTION_KEEP_ALIVE, REPLY_BYTES_MAX } from "./reply.ts";
import * as response from "./response.ts";
import { checkRoute } from "./route-checks.ts";
import * as upstream from "./upstream.ts";

const KEEP_ALIVE_IDLE_MS = 60_000;
export const WRITE_TIMEOUT_MS = 30_000;
const LINGER_MS = 5_000;
/**
 * A refused request's body up to this size is read and dropped, so that the connection can stay.
 */
const DISCARD_BYTES_MAX = 65536;
/**
 * Segments that may wait before the next pipelined request is looked at: head and body must fit.
 */
const SEGMENTS_BEFORE_REQUEST = 2;

const NOTHING = ascii("");

export function onAccepted(loop: EventLoop, fd: number): void {
  const connection = loop.draining ? null : loop.table.take(ROLE_CLIENT);
  if (connection === null) {
    loop.closeFile(fd);
    return;
  }
  connection.fd = fd;
  if (!loop.table.admit(connection)) {
    loop.noteRefused();
    connection.keepAlive = false;
    connection.linger = true;
    reply(loop, connection, 503);
    return;
  }
  loop.timers.set(connection.slot, loop.headerTimeoutMs);
  loop.sockets.receive(connection, GROUP_SMALL, false);
}

export function onReceived(
  loop: EventLoop,
  connection: Connection,
  result: number,
  buffer: number,
): void {
  if (result <= 0) {
    loop.buffers.free(buffer);
    onReceiveEnd(loop, connection, result);
    return;
  }
  if (connection.linger || connection.requestState === REQUEST_DISCARD) {
    discard(loop, connection, buffer, result);
    return;
  }
  if (buffer !== BUFFER_NONE) {
    connection.inBuffer = buffer;
    connection.inStart = loop.buffers.start(buffer);
    connection.inEnd = connection.inStart + result;
  } else {
    connection.inEnd += result;
  }
  if (connection.requestState === REQUEST_BODY) proxy.pumpBody(loop, connection);
  else if (connection.requestState === REQUEST_HEAD) processInput(loop, connection);
  // REQUEST_DONE: the next request has come early; it waits for the answer to this one.
}

/** The peer's FIN (0), or an error. */
function onReceiveEnd(loop: EventLoop, connection: Connection, result: number): void {
  if (result === -ENOBUFS) {
    loop.sockets.starve(connection);
    return;
  }
  if (result === -ECANCELED) return;
  connection.inputEnded = true;
  connection.keepAlive = false;
  // A half-closed client still gets its answer; one that broke off in a request gets nothing.
  const { requestState } = connection;
  if (result < 0 || requestState === REQUEST_BODY) abort(loop, connection);
  else if (requestState === REQUEST_DONE) return;
  else if (connection.segmentCount === 0) abort(loop, connection);
  else connection.closeWhenSent = true;
}

/** Input that nobody wants: the rest of a refused request, or whatever follows an error. */
function discard(loop: EventLoop, connection: Connection, buffer: number, received: number): void {
  if (connection.linger || received < connection.bodyRemaining) {
    loop.buffers.free(buffer);
    connection.bodyRemaining -= received;
    loop.sockets.receive(connection, loop.buffers.bodyGroup, true);
    return;
  }
  connection.inBuffer = buffer;
  connection.inStart = loop.buffers.start(buffer) + connection.bodyRemaining;
  connection.inEnd = loop.buffers.start(buffer) + received;
  connection.requestState = REQUEST_HEAD;
  processInput(loop, connection);
}

/** Takes requests from the input as long as they can be answered at once, then sends. */
export function processInput(loop: EventLoop, connection: Connection): void {
  while (
    connection.requestState === REQUEST_HEAD &&
    connection.responseState === RESPONSE_NONE &&
    connection.hasInput &&
    !connection.closeWhenSent &&
    !connection.closing &&
    connection.segmentCount <= SEGMENTS_BEFORE_REQUEST
  ) {
    if (!processHead(loop, connection)) break;
  }
  if (connection.closing) return;
  if (!connection.hasInput && !connection.receiving) loop.sockets.dropInput(connection);
  loop.sockets.send(connection);
  awaitInput(loop, connection);
}

/** Receives again, if it is the client's turn and nothing is received yet. */
function awaitInput(loop: EventLoop, connection: Connection): void {
  if (connection.hasInput || connection.inputEnded || connection.closeWhenSent) return;
  if (connection.requestState === REQUEST_BODY) return; // proxy.pumpBody receives
  if (connection.requestState === REQUEST_HEAD && !connection.sending)
    loop.timers.set(connection.slot, KEEP_ALIVE_IDLE_MS);
  if (connection.receiving || connection.starved) return;
  const group = connection.requestState === REQUEST_DISCARD ? loop.buffers.bodyGroup : GROUP_SMALL;
  loop.sockets.receive(connection, group, true);
}

/** Scans one head and dispatches it. Returns false when there is not a whole head yet. */
function processHead(loop: EventLoop, connection: Connection): boolean {
  const { request, bytes, buffers } = loop;
  const { inStart, inEnd } = connection;
  if (connection.headStartedTick >= 0) {
    const from = connection.headScanned;
    connection.headScanned = inEnd;
    if (inEnd - inStart < loop.headBytesMax && !isHeadComplete(bytes, inStart, from, inEnd)) {
      awaitHead(loop, connection);
      return false;
    }
  }
  bytes[inEnd] = 0;
  const headEnd = request.scan(inStart, inEnd, TARGET_SCRATCH);
  if (headEnd === SCAN_INCOMPLETE && inEnd - inStart < loop.headBytesMax) {
    if (connection.headStartedTick < 0) {
      connection.headStartedTick = loop.timers.tick;
      loop.timers.set(connection.slot, loop.headerTimeoutMs);
    }
    connection.headScanned = Math.max(inStart, inEnd - 1);
    awaitHead(loop, connection);
    return false;
  }
  if (headEnd < 0) {
    refuseHead(loop, connection, headEnd);
    return true;
  }
  connection.minorVersion = request.minorVersion;
  connection.isHead = request.isHead;
  connection.keepAlive = request.keepAlive && !loop.draining && !connection.inputEnded;
  connection.bodyMode = request.bodyMode;
  connection.expectsContinue = request.fields.has(FIELD_EXPECT);
  connection.bodyRemaining = request.contentLength;
  connection.inStart = headEnd;
  const waited = connection.headStartedTick < 0 ? 0 : loop.timers.tick - connection.headStartedTick;
  connection.headStartedTick = -1;
  connection.requestState = request.bodyMode === BODY_NONE ? REQUEST_DONE : REQUEST_BODY;
  loop.timers.clear(connection.slot);
  dispatch(loop, connection, headEnd - inStart, waited);
  if (connection.inBuffer !== BUFFER_NONE && !connection.hasInput && !connection.closing) {
    buffers.free(connection.inBuffer);
    connection.inBuffer = BUFFER_NONE;
  }
  return true;
}

/** Receives the rest of a head behind what is here of it. */
function awaitHead(loop: EventLoop, connection: Connection): void {
  if (connection.receiving || connection.inputEnded) return;
  if (loop.sockets.makeRoom(connection)) {
    loop.sockets.receiveMore(connection);
    return;
  }
  connection.keepAlive = false;
  connection.linger = true;
  reply(loop, connection, 503);
}

/** Answers a head that can't be read, and closes: what follows it can't be trusted. */
function refuseHead(loop: EventLoop, connection: Connection, reason: number): void {
  connection.keepAlive = false;
  connection.linger = true;
  connection.minorVersion = 1;
  connection.isHead = false;
  connection.bodyMode = BODY_NONE;
  let status = 400;
  if (reason === SCAN_BAD_VERSION) status = 505;
  else if (reason === SCAN_TOO_MANY_FIELDS) status = 431;
  else if (reason === SCAN_INCOMPLETE) {
    // How much has come of a head that is too large must not decide which part of it is.
    const lineEndMax = Math.min(connection.inEnd, connection.inStart + loop.headBytesMax);
    status = hasLineEnd(loop.bytes, connection.inStart, lineEndMax) ? 431 : 414;
  }
  reply(loop, connection, status);
}

function hasLineEnd(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === 0x0a) return true;
  return false;
}

/** The checks of a request in their order, then its route's handler. */
function dispatch(
  loop: EventLoop,
  connection: Connection,
  headBytes: number,
  waited: number,
): void {
  const { request } = loop;
  const refusal = request.refusal();
  if (refusal !== 0) {
    refuse(loop, connection, refusal);
    return;
  }
  if (request.isAsterisk) {
    reply(loop, connection, 200);
    return;
  }
  const { host, path } = request;
  const index = loop.matchRoute(loop.bytes, host.start, host.end, path.start, path.end);
  if (index === ROUTE_NONE) {
    reply(loop, connection, 404);
    return;
  }
  const route = loop.routes[index]!;
  const status = checkRoute(route, loop, connection, headBytes, waited);
  if (status !== 0) {
    if (status === 405) reply(loop, connection, 405, route.allow);
    else refuse(loop, connection, status);
    return;
  }
  connection.route = route;
  if (route.isProxy) proxy.begin(loop, connection, route);
  else files.begin(loop, connection, route);
}

/**
 * Answers with an error after which the connection closes, unless the request is whole and sound.
 */
export function refuse(loop: EventLoop, connection: Connection, status: number): void {
  if (status !== 404 && status !== 403 && status !== 429) {
    connection.keepAlive = false;
    connection.linger = true;
  }
  reply(loop, connection, status);
}

/**
 * Answers by ourselves and ends the exchange. A body that is still to come is dropped when it is
 * short; otherwise, or when the client waits for 100 (Continue), the connection closes.
 */
export function reply(
  loop: EventLoop,
  connection: Connection,
  status: number,
  allow: Uint8Array = NOTHING,
): void {
  const { sockets, replies } = loop;
  const bodyLeft = connection.requestState === REQUEST_BODY;
  if (bodyLeft) {
    const short =
      connection.bodyMode === BODY_LENGTH && connection.bodyRemaining <= DISCARD_BYTES_MAX;
    if (!short || connection.expectsContinue) {
      connection.keepAlive = false;
      connection.linger = true;
    }
  }
  const at = sockets.compose(connection, REPLY_BYTES_MAX + allow.length);
  if (at < 0) {
    abort(loop, connection);
    return;
  }
  const line = connectionLine(connection);
  sockets.extend(connection, replies.write(at, status, !connection.isHead, line, allow));
  endExchange(loop, connection);
}

/** The `Connection` line of an answer: empty when the version's default says it. */
export function connectionLine(connection: Connection): Uint8Array {
  if (!connection.keepAlive) return CONNECTION_CLOSE;
  return connection.minorVersion === 0 ? CONNECTION_KEEP_ALIVE : NOTHING;
}

/**
 * The answer is queued as a whole. Makes the connection ready for the next request, or for its end;
 * sends. What is left of the request's body is dropped.
 */
export function endExchange(loop: EventLoop, connection: Connection): void {
  connection.responseState = RESPONSE_NONE;
  connection.route = null;
  connection.peer = null;
  connection.retried = false;
  connection.addChunks = false;
  connection.removeChunks = false;
  if (connection.sentBuffer !== BUFFER_NONE) {
    loop.buffers.free(connection.sentBuffer);
    connection.sentBuffer = BUFFER_NONE;
  }
  loop.sockets.send(connection);
  loop.timers.set(connection.slot, WRITE_TIMEOUT_MS);
  if (!connection.keepAlive) {
    closeAfterSending(loop, connection);
    return;
  }
  if (connection.requestState !== REQUEST_BODY) {
    connection.requestState = REQUEST_HEAD;
    return;
  }
  connection.requestState = REQUEST_DISCARD;
  const here = Math.min(connection.inEnd - connection.inStart, connection.bodyRemaining);
  connection.inStart += here;
  connection.bodyRemaining -= here;
  if (connection.bodyRemaining === 0) connection.requestState = REQUEST_HEAD;
}

function closeAfterSending(loop: EventLoop, connection: Connection): void {
  connection.closeWhenSent = true;
  if (connection.segmentCount === 0) finish(loop, connection);
}

/** All is sent and the connection is to end. */
function finish(loop: EventLoop, connection: Connection): void {
  if (!connection.linger || connection.inputEnded) {
    loop.sockets.close(connection);
    return;
  }
  // Closing now would reset the connection under the answer if the client is still sending
  // (RFC 9112 §9.6): say FIN, read on for a while, then close.
  connection.closeWhenSent = false;
  connection.requestState = REQUEST_DISCARD;
  if (!connection.receiving) loop.sockets.dropInput(connection);
  loop.calls.shutdownWrite(connection.fd);
  loop.timers.set(connection.slot, LINGER_MS);
  if (!connection.receiving) loop.sockets.receive(connection, loop.buffers.bodyGroup, false);
}

export function onSent(loop: EventLoop, connection: Connection, result: number): void {
  if (result < 0) {
    abort(loop, connection);
    return;
  }
  const empty = loop.sockets.onSent(connection, result);
  if (!empty) {
    loop.timers.set(connection.slot, WRITE_TIMEOUT_MS);
    loop.sockets.send(connection);
  } else if (connection.fileSending) {
    continueSending(loop, connection);
    return;
  } else if (connection.closeWhenSent) {
    finish(loop, connection);
    return;
  }
  if (connection.responseState !== RESPONSE_NONE) {
    if (empty) awaitOthers(loop, connection);
    response.resume(loop, connection);
  } else if (connection.requestState === REQUEST_HEAD && connection.headStartedTick < 0) {
    processInput(loop, connection);
  } else if (connection.requestState === REQUEST_DISCARD) {
    awaitInput(loop, connection);
  }
}

/** Nothing is being sent: the client's time runs only while it owes us its body. */
function awaitOthers(loop: EventLoop, connection: Connection): void {
  if (connection.requestState === REQUEST_BODY && connection.receiving)
    loop.timers.set(connection.slot, connection.route!.bodyTimeoutMs);
  else loop.timers.clear(connection.slot);
}

/** A pipelined request may have waited for the exchange that has just ended. */
export function continueInput(loop: EventLoop, connection: Connection): void {
  if (connection.closing || connection.closeWhenSent || connection.linger) return;
  if (connection.requestState === REQUEST_HEAD || connection.requestState === REQUEST_DISCARD)
    processInput(loop, connection);
}

/** Breaks the connection off, its exchange with it. */
export function abort(loop: EventLoop, connection: Connection): void {
  if (connection.peer !== null) upstream.leave(loop, connection, connection.peer);
  loop.sockets.close(connection);
}

/**
 * Ends an exchange whose upstream failed: with `status` while no answer has begun, otherwise by
 * breaking off, so that a cut answer is never taken for a whole one.
 */
export function fail(loop: EventLoop, connection: Connection, status: number): void {
  if (connection.responseState === RESPONSE_BODY) {
    abort(loop, connection);
    return;
  }
  if (status === 400 || status === 413 || status === 408) {
    connection.keepAlive = false;
    connection.linger = true;
  }
  reply(loop, connection, status);
  continueInput(loop, connection);
}

export function onTimer(loop: EventLoop, connection: Connection): void {
  if (connection.linger && !connection.sending) {
    loop.sockets.close(connection);
  } else if (connection.sending || connection.fileSending) {
    abort(loop, connection);
  } else if (connection.requestState === REQUEST_HEAD) {
    if (connection.headStartedTick < 0) {
      loop.sockets.close(connection);
      return;
    }
    connection.headStartedTick = -1;
    connection.isHead = false;
    connection.minorVersion = 1;
    connection.keepAlive = false;
    connection.linger = true;
    reply(loop, connection, 408);
  } else if (connection.requestState === REQUEST_BODY && connection.receiving) {
    if (connection.peer !== null) upstream.leave(loop, connection, connection.peer);
    fail(loop, connection, 408);
  } else if (connection.requestState === REQUEST_DISCARD) {
    abort(loop, connection);
  }
}

/** Lets an idle connection go when the worker drains; busy ones end with their answer. */
export function drain(loop: EventLoop, connection: Connection): void {
  if (connection.closing) return;
  connection.keepAlive = false;
  const idle =
    connection.requestState === REQUEST_HEAD &&
    connection.responseState === RESPONSE_NONE &&
    connection.headStartedTick < 0 &&
    !connection.hasInput;
  if (idle) closeAfterSending(loop, connection);
}

/** The chunk decoder of a connection, made when it is first needed. */
export function chunksOf(connection: Connection): ChunkState {
  if (connection.chunks === null) connection.chunks = new ChunkState();
  return connection.chunks;
}

/** Starts the framing of an incoming body. */
export function startBody(connection: Connection, mode: number, length: number): void {
  connection.bodyMode = mode;
  connection.bodyRemaining = length;
  if (mode === BODY_CHUNKED) chunksOf(connection).reset();
}
