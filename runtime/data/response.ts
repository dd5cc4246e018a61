// The response on its way to the client. A body is sent from the buffer it was received in; only
// heads are rewritten, in the room before it.

import { BUFFER_NONE, SMALL_BYTES } from "./buffers.ts";
import { ascii, copyWithin, hexDigits, writeBytes, writeHex } from "./bytes.ts";
import * as client from "./client.ts";
import * as input from "./client-input.ts";
import {
  type Connection,
  REQUEST_BODY,
  REQUEST_DONE,
  RESPONSE_BODY,
  RESPONSE_NONE,
  RESPONSE_WAITING,
  TRANSPORT_KERNEL,
} from "./connection.ts";
import { type EventLoop, HEAD_SCRATCH } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import { isScanDue } from "./head-end.ts";
import { FIELD_UPGRADE, SCAN_BAD, SCAN_INCOMPLETE } from "./http1-fields.ts";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from "./http1-request.ts";
import { RESPONSE_HEAD_GROWTH, writeResponseHead } from "./proxy-head.ts";
import * as tunnel from "./tunnel.ts";
import * as upstream from "./upstream.ts";

/** Interim (1xx) answers to one request; more are an upstream that never comes to its answer. */
const INTERIM_MAX = 32;

/** Segments that may wait for a client before its upstream is not read any further. */
const SEGMENTS_MAX = 1;

const LINE_END = ascii("\r\n");
const LAST_CHUNK = ascii("0\r\n\r\n");

/** The client has taken something: its upstream may go on. */
export function resume(loop: EventLoop, connection: Connection): void {
  const { peer } = connection;
  if (peer !== null) pump(loop, connection, peer);
}

/** Passes on what has been received, as far as the client takes it, then receives more. */
export function pump(loop: EventLoop, connection: Connection, peer: Connection): void {
  while (peer.hasInput) {
    if (connection.segmentCount > SEGMENTS_MAX) return;
    if (peer.responseState === RESPONSE_WAITING) {
      // The rest of a head may be here already, behind what is known of it: touch nothing.
      if (peer.receiving) return;
      if (!pumpHead(loop, connection, peer)) return;
    } else {
      pumpBody(loop, connection, peer);
    }
    if (connection.peer !== peer) return;
  }
  if (peer.receiving || peer.starved || connection.segmentCount > SEGMENTS_MAX) return;
  if (peer.inputEnded || peer.connecting) return;
  loop.sockets.receive(peer, loop.buffers.bodyGroup, false);
}

/** Scans and passes on one head. False: it is not all here, or the exchange has ended. */
function pumpHead(loop: EventLoop, connection: Connection, peer: Connection): boolean {
  const { bytes, response } = loop;
  bytes[peer.inEnd] = 0;
  const from = peer.headScanned;
  const headEnd =
    from > 0 && !isScanDue(bytes, peer.inStart, from, peer.inEnd)
      ? SCAN_INCOMPLETE
      : response.scan(peer.inStart, peer.inEnd, connection.isHead);
  if (headEnd === SCAN_INCOMPLETE && loop.sockets.makeRoom(peer)) {
    peer.headScanned = peer.inEnd;
    if (!peer.receiving) loop.sockets.receiveMore(peer);
    return false;
  }
  peer.headScanned = 0;
  // 101 ends HTTP on this connection: only for a client that has asked, and to a named protocol.
  const switches = headEnd >= 0 && response.status === 101;
  const agreed = connection.wantsUpgrade && response.fields.has(FIELD_UPGRADE);
  const endless = headEnd >= 0 && response.status < 200 && peer.interimCount++ === INTERIM_MAX;
  if (headEnd < 0 || (switches && !agreed) || endless) {
    upstream.leave(loop, connection, peer);
    client.fail(loop, connection, 502);
    return false;
  }
  if (switches) {
    observer.answer(loop, connection, 101);
    if (passHead(loop, connection, peer, headEnd)) tunnel.open(loop, connection, peer);
    return false;
  }
  if (response.status < 200) return pumpInterim(loop, connection, peer, headEnd);
  startResponse(loop, connection, peer, headEnd);
  return connection.peer === peer;
}

/** A 1xx head goes to the client as it is; HTTP/1.0 does not know them (RFC 9110 §15.2). */
function pumpInterim(
  loop: EventLoop,
  connection: Connection,
  peer: Connection,
  headEnd: number,
): boolean {
  if (connection.minorVersion === 1) {
    if (!passHead(loop, connection, peer, headEnd)) return false;
  } else {
    peer.inStart = headEnd;
  }
  if (!peer.hasInput) loop.sockets.dropInput(peer);
  return true;
}

/** Sends a 1xx head and takes it out of the input. False: no memory, the exchange has ended. */
function passHead(
  loop: EventLoop,
  connection: Connection,
  peer: Connection,
  headEnd: number,
): boolean {
  const { sockets } = loop;
  const room = headEnd - peer.inStart + RESPONSE_HEAD_GROWTH;
  const at = sockets.compose(connection, room);
  if (at < 0) {
    client.abort(loop, connection);
    return false;
  }
  sockets.extend(connection, writeResponseHead(loop.response, connection, loop.replies, at));
  sockets.send(connection);
  peer.inStart = headEnd;
  return true;
}

/** The final head: decides how the answer is framed for the client and sends its beginning. */
function startResponse(
  loop: EventLoop,
  connection: Connection,
  peer: Connection,
  headEnd: number,
): void {
  const { response, bytes, sockets } = loop;
  peer.responseState = RESPONSE_BODY;
  client.startBody(peer, response.bodyMode, response.contentLength);
  peer.keepAlive = peer.keepAlive && response.keepAlive;
  const http10 = connection.minorVersion === 0;
  connection.addChunks = response.bodyMode === BODY_UNTIL_CLOSE && !http10;
  connection.removeChunks = response.bodyMode === BODY_CHUNKED && http10;
  if (http10 && (response.bodyMode === BODY_UNTIL_CLOSE || response.bodyMode === BODY_CHUNKED))
    connection.keepAlive = false;
  if (loop.lastAnswers || connection.requestState === REQUEST_BODY) connection.keepAlive = false;
  const bodyEnd = takeBody(loop, connection, peer, headEnd, peer.inEnd);
  if (bodyEnd < 0) {
    upstream.leave(loop, connection, peer);
    client.fail(loop, connection, 502);
    return;
  }
  observer.answer(loop, connection, response.status);
  // Written aside: its source is where it goes, and where a chunk's size line goes.
  const scratchEnd = writeResponseHead(response, connection, loop.replies, HEAD_SCRATCH);
  let bodyStart = headEnd;
  let end = bodyEnd;
  if (connection.addChunks && end > bodyStart) {
    bodyStart = openChunk(bytes, bodyStart, end);
    end = writeBytes(bytes, end, LINE_END);
  }
  const start = bodyStart - (scratchEnd - HEAD_SCRATCH);
  copyWithin(bytes, start, HEAD_SCRATCH, scratchEnd);
  connection.responseState = RESPONSE_BODY;
  sockets.queue(connection, peer.inBuffer, start, end);
  const isWhole = isBodyDone(peer);
  peer.server!.isBrief = isWhole && peer.inEnd - peer.inStart <= SMALL_BYTES;
  peer.inBuffer = BUFFER_NONE;
  peer.inStart = peer.inEnd = 0;
  if (isWhole) finishResponse(loop, connection, peer);
  else {
    loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
    sockets.send(connection);
  }
}

/**
 * Moves the framing of the upstream's body over `bytes[start, end)`; what is behind its end was not
 * asked for, and costs the upstream its place in the pool. Returns the end of what goes to the
 * client (content alone when chunks are removed), or SCAN_BAD.
 */
function takeBody(
  loop: EventLoop,
  connection: Connection,
  peer: Connection,
  start: number,
  end: number,
): number {
  let bodyEnd = end;
  let sendEnd = end;
  switch (peer.bodyMode) {
    case BODY_NONE:
      bodyEnd = sendEnd = start;
      break;
    case BODY_LENGTH: {
      const take = Math.min(peer.bodyRemaining, end - start);
      peer.bodyRemaining -= take;
      bodyEnd = sendEnd = start + take;
      break;
    }
    case BODY_CHUNKED: {
      const chunks = client.chunksOf(peer);
      bodyEnd = chunks.scan(loop.bytes, start, end, connection.removeChunks ? start : -1);
      if (bodyEnd < 0) return SCAN_BAD;
      sendEnd = connection.removeChunks ? chunks.compactEnd : bodyEnd;
      break;
    }
  }
  if (bodyEnd < end) peer.keepAlive = false;
  return sendEnd;
}

function isBodyDone(peer: Connection): boolean {
  switch (peer.bodyMode) {
    case BODY_NONE:
      return true;
    case BODY_LENGTH:
      return peer.bodyRemaining === 0;
    case BODY_CHUNKED:
      return client.chunksOf(peer).done;
    default:
      return false;
  }
}

function pumpBody(loop: EventLoop, connection: Connection, peer: Connection): void {
  const { bytes, sockets, buffers } = loop;
  const buffer = peer.inBuffer;
  let start = peer.inStart;
  let end = takeBody(loop, connection, peer, start, peer.inEnd);
  if (end < 0) {
    client.abort(loop, connection);
    return;
  }
  peer.inBuffer = BUFFER_NONE;
  peer.inStart = peer.inEnd = 0;
  if (end > start) {
    if (connection.addChunks) {
      start = openChunk(bytes, start, end);
      end = writeBytes(bytes, end, LINE_END);
    }
    sockets.queue(connection, buffer, start, end);
  } else {
    buffers.free(buffer);
  }
  if (isBodyDone(peer)) finishResponse(loop, connection, peer);
  else {
    loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
    sockets.send(connection);
  }
}

/**
 * Writes a chunk's size line right before its data; there is HEADROOM for it. Returns its start.
 */
function openChunk(bytes: Uint8Array, start: number, end: number): number {
  const lineStart = start - hexDigits(end - start) - LINE_END.length;
  writeBytes(bytes, writeHex(bytes, lineStart, end - start), LINE_END);
  return lineStart;
}

/** A body without length has ended with its connection. */
export function finishUntilClose(loop: EventLoop, connection: Connection, peer: Connection): void {
  if (connection.addChunks) {
    const at = loop.sockets.compose(connection, LAST_CHUNK.length);
    if (at < 0) {
      client.abort(loop, connection);
      return;
    }
    loop.sockets.extend(connection, writeBytes(loop.bytes, at, LAST_CHUNK));
  }
  finishResponse(loop, connection, peer);
}

/** Whether more has come than was received. Of a socket that opens TLS the kernel says nothing. */
function hasMoreHere({ socketHasMore, transport }: Connection): boolean {
  return socketHasMore && (!TLS || transport !== TRANSPORT_KERNEL);
}

/** The answer is queued as a whole: parts the two and looks at the client's next request. */
function finishResponse(loop: EventLoop, connection: Connection, peer: Connection): void {
  const route = connection.route!;
  const requestWhole = connection.requestState === REQUEST_DONE;
  connection.peer = null;
  peer.peer = null;
  peer.responseState = RESPONSE_NONE;
  // What is here early is its end, or an answer to nothing: it must not be the next request's.
  const ended = peer.inputEnded || peer.earlyCount > 0 || hasMoreHere(peer);
  const quiet = !peer.sending && peer.segmentCount === 0 && !ended;
  if (peer.keepAlive && requestWhole && quiet) {
    upstream.release(loop, peer, route);
  } else {
    upstream.leave(loop, connection, peer);
  }
  if (!requestWhole) {
    connection.keepAlive = false;
    connection.linger = true;
  }
  client.endExchange(loop, connection);
  input.continueInput(loop, connection);
}
