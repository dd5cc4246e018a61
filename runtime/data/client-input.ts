// Requests on their way in: heads are scanned, routed and checked here, then handed to their proxy
// or file route, or answered at once.

import { ECANCELED, ENOBUFS } from "../../native/abi.ts";
import { ROUTE_NONE } from "./api.ts";
import { BUFFER_NONE, GROUP_SMALL } from "./buffers.ts";
import { findByte } from "./bytes.ts";
import * as client from "./client.ts";
import {
  type Connection,
  REQUEST_BODY,
  REQUEST_DISCARD,
  REQUEST_DONE,
  REQUEST_HEAD,
  RESPONSE_NONE,
} from "./connection.ts";
import { type EventLoop, TARGET_SCRATCH } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import * as files from "./files.ts";
import { isScanDue } from "./head-end.ts";
import {
  FIELD_EXPECT,
  SCAN_BAD_VERSION,
  SCAN_INCOMPLETE,
  SCAN_TOO_MANY_FIELDS,
} from "./http1-fields.ts";
import { BODY_NONE } from "./http1-request.ts";
import { METHOD_HEAD } from "./method.ts";
import * as proxy from "./proxy.ts";
import { checkRoute, targetOf } from "./route-checks.ts";

const LF = 0x0a;

const KEEP_ALIVE_IDLE_MS = 60_000;
/**
 * Segments that may wait before the next pipelined request is looked at: head and body must fit.
 */
const SEGMENTS_BEFORE_REQUEST = 2;

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
  if (PROXY_ROUTES && connection.requestState === REQUEST_BODY) proxy.pumpBody(loop, connection);
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
  // A half-closed client still gets its answer, all of which may be in the send queue already; one
  // that broke off in a request gets nothing.
  const { requestState } = connection;
  if (result < 0) client.abort(loop, connection);
  else if (connection.closeWhenSent) return;
  else if (requestState === REQUEST_BODY) client.abort(loop, connection);
  else if (requestState === REQUEST_DONE) return;
  else if (connection.segmentCount === 0) client.closeQuiet(loop, connection);
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
export function awaitInput(loop: EventLoop, connection: Connection): void {
  if (connection.hasInput || connection.inputEnded || connection.closeWhenSent) return;
  if (connection.requestState === REQUEST_BODY) return; // proxy.pumpBody receives
  if (connection.requestState === REQUEST_HEAD && !connection.sending) {
    loop.timers.set(connection.slot, loop.draining ? client.LINGER_MS : KEEP_ALIVE_IDLE_MS);
    loop.idleSince[connection.slot] = loop.timers.tick;
  }
  if (loop.retiring && loop.handover.holds(connection)) return;
  if (connection.receiving || connection.starved) return;
  if (connection.ringFlags === 0) loop.sockets.fix(connection); // it stays: for what follows
  if (connection.requestState === REQUEST_DISCARD)
    loop.sockets.receive(connection, loop.buffers.bodyGroup, true);
  else loop.sockets.receiveNext(connection, GROUP_SMALL);
}

/** Scans one head and dispatches it. Returns false when there is not a whole head yet. */
function processHead(loop: EventLoop, connection: Connection): boolean {
  const { request, bytes, buffers } = loop;
  const { inStart, inEnd } = connection;
  if (connection.headStartedTick >= 0) {
    const from = connection.headScanned;
    connection.headScanned = inEnd;
    if (inEnd - inStart < loop.headBytesMax && !isScanDue(bytes, inStart, from, inEnd)) {
      awaitHead(loop, connection);
      return false;
    }
  }
  bytes[inEnd] = 0;
  const headEnd = request.scan(inStart, inEnd, TARGET_SCRATCH);
  if (headEnd === SCAN_INCOMPLETE && inEnd - inStart < loop.headBytesMax) {
    if (connection.headStartedTick < 0) {
      connection.headStartedTick = loop.timers.tick;
      observer.headStarted(loop, connection);
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
  connection.isHead = request.method === METHOD_HEAD;
  connection.keepAlive = request.keepAlive && !loop.lastAnswers && !connection.inputEnded;
  connection.bodyMode = request.bodyMode;
  connection.expectsContinue = request.fields.has(FIELD_EXPECT);
  connection.bodyRemaining = request.contentLength;
  connection.inStart = headEnd;
  const waited = connection.headStartedTick < 0 ? 0 : loop.timers.tick - connection.headStartedTick;
  connection.headStartedTick = -1;
  observer.begin(loop, connection);
  connection.requestState = request.bodyMode === BODY_NONE ? REQUEST_DONE : REQUEST_BODY;
  // The answer before this one may still be going out, to a client that has stopped reading.
  if (!connection.sending) loop.timers.clear(connection.slot);
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
  client.refuseUnread(loop, connection, 503);
}

/** Answers a head that can't be read, and closes: what follows it can't be trusted. */
function refuseHead(loop: EventLoop, connection: Connection, reason: number): void {
  let status = 400;
  if (reason === SCAN_BAD_VERSION) status = 505;
  else if (reason === SCAN_TOO_MANY_FIELDS) status = 431;
  else if (reason === SCAN_INCOMPLETE) {
    // How much has come of a head that is too large must not decide which part of it is.
    const lineEndMax = Math.min(connection.inEnd, connection.inStart + loop.headBytesMax);
    const lineEnd = findByte(loop.bytes, connection.inStart, lineEndMax, LF);
    status = lineEnd < lineEndMax ? 431 : 414;
  }
  client.refuseUnread(loop, connection, status);
}

/** The checks of a request in their order, then its route's handler. */
function dispatch(
  loop: EventLoop,
  connection: Connection,
  headBytes: number,
  waited: number,
): void {
  const { request } = loop;
  const refusal = request.refusal(connection.tls !== null);
  if (refusal !== 0) {
    client.refuse(loop, connection, refusal);
    return;
  }
  if (request.isAsterisk) {
    client.reply(loop, connection, 200);
    return;
  }
  const { host, path } = request;
  const index = loop.matchRoute(loop.bytes, host.start, host.end, path.start, path.end);
  if (index === ROUTE_NONE) {
    client.reply(loop, connection, 404);
    return;
  }
  const route = loop.routes[index]!;
  connection.route = route;
  const status = checkRoute(route, loop, connection, headBytes, waited);
  if (status !== 0) {
    if (status === 405) client.reply(loop, connection, 405, connection.route.allow);
    else client.refuse(loop, connection, status);
    return;
  }
  const target = targetOf(route, loop);
  connection.route = target;
  if (PROXY_ROUTES && target.isProxy) proxy.begin(loop, connection, target);
  else if (FILE_ROUTES) files.begin(loop, connection, target);
}

/** A pipelined request may have waited for the exchange that has just ended. */
export function continueInput(loop: EventLoop, connection: Connection): void {
  if (connection.closing || connection.closeWhenSent || connection.linger) return;
  if (connection.requestState === REQUEST_HEAD || connection.requestState === REQUEST_DISCARD)
    processInput(loop, connection);
}
