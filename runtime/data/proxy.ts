// A proxied request on the client's side: its head for the upstream, its body as it arrives, and
// what happens to it when the upstream fails.

import { hashAddress, NO_SERVER } from "./balance.ts";
import { BUFFER_NONE } from "./buffers.ts";
import { bytesEqual, copyWithin, writeBytes } from "./bytes.ts";
import { check } from "./checks.ts";
import * as client from "./client.ts";
import { readClientAddress, readPeerText } from "./client-address.ts";
import {
  type Connection,
  REQUEST_BODY,
  REQUEST_DONE,
  RESPONSE_WAITING,
  TRANSPORT_PLAIN,
} from "./connection.ts";
import { ADDRESS_BYTES_MAX, type EventLoop } from "./event-loop.ts";
import { SCAN_BAD } from "./http1-fields.ts";
import { BODY_LENGTH } from "./http1-request.ts";
import { countForward } from "./max-forwards.ts";
import { METHODS_IDEMPOTENT } from "./method.ts";
import { keepsHost, REQUEST_HEAD_GROWTH, writeRequestHead } from "./proxy-head.ts";
import type { Route } from "./route.ts";
import * as upstream from "./upstream.ts";
import type { Server } from "./upstream-server.ts";

/** Segments that may wait for an upstream before the client is not read any further. */
const SEGMENTS_MAX = 1;

const LF = 0x0a;

/** Takes a request whose head is in `loop.request`: writes it for the upstream and finds one. */
export function begin(loop: EventLoop, connection: Connection, route: Route): void {
  const group = route.group!;
  const ownStatus = countForward(loop.request);
  if (ownStatus !== 0) {
    client.reply(loop, connection, ownStatus);
    return;
  }
  if (!readPeerText(loop, connection)) {
    // It has gone: nobody could say whom the request is from, and nobody waits for its answer.
    client.abort(loop, connection);
    return;
  }
  // What was checked may not have been about the client, but its upstream is told of it.
  if (loop.isTrustedProxy !== null) readClientAddress(loop, connection);
  connection.responseState = RESPONSE_WAITING;
  connection.isIdempotent = (loop.request.method & METHODS_IDEMPOTENT) !== 0;
  connection.wantsUpgrade = loop.request.wantsUpgrade;
  connection.keepsHost = keepsHost(loop.request, route);
  connection.bodyStreamed = false;
  connection.retried = false;
  connection.movedOn = false;
  connection.clientHash = group.hashesClients ? hashClient(loop, connection) : 0;
  connection.firstServer = group.balancer.first(connection.clientHash);
  connection.serverIndex = connection.firstServer;
  connection.addressTries = 0;
  if (connection.serverIndex === NO_SERVER) {
    client.fail(loop, connection, 503);
    return;
  }
  if (!writeHead(loop, connection, route)) {
    client.fail(loop, connection, 503);
    return;
  }
  if (connection.requestState === REQUEST_BODY) {
    client.startBody(connection, connection.bodyMode, connection.bodyRemaining);
    if (!appendBody(loop, connection)) return;
  }
  upstream.connect(loop, connection, route);
}

function hashClient(loop: EventLoop, connection: Connection): number {
  readClientAddress(loop, connection);
  const { word0, word1, word2, word3 } = loop.clientAddress;
  return hashAddress(word0, word1, word2, word3);
}

/** Writes the upstream's head into a buffer of its own, `sentBuffer`. False: no buffer is left. */
function writeHead(loop: EventLoop, connection: Connection, route: Route): boolean {
  const { request, buffers } = loop;
  const server = route.group!.servers[connection.serverIndex]!;
  request.isSecure = connection.transport !== TRANSPORT_PLAIN;
  const received = connection.inStart - request.methodStart;
  const authority = request.authorityEnd - request.authorityStart;
  const { hostLineBytesMax } = route.group!;
  const texts = route.basePath.length + hostLineBytesMax + ADDRESS_BYTES_MAX;
  const buffer = buffers.takeFor(received + authority * 2 + texts + REQUEST_HEAD_GROWTH);
  if (buffer === BUFFER_NONE) return false;
  // Room before it, should another server with a longer name have to be tried.
  const start = buffers.start(buffer) + hostLineBytesMax - server.hostLine.length;
  connection.sentBuffer = buffer;
  connection.sentStart = start;
  connection.sentEnd = writeRequestHead(
    request,
    route,
    server,
    loop.addresses,
    connection.slot * ADDRESS_BYTES_MAX,
    connection.addressLength,
    start,
  );
  return true;
}

/** Changes the head's `Host` line, which stands behind the request line, to another server's. */
export function renameHost(loop: EventLoop, connection: Connection, to: Server): void {
  const { bytes } = loop;
  if (connection.keepsHost) return; // the client's own stands there
  const from = connection.route!.group!.servers[connection.serverIndex]!;
  const { sentStart } = connection;
  const lineEnd = bytes.indexOf(LF, sentStart) + 1;
  const hostEnd = lineEnd + from.hostLine.length;
  check(bytesEqual(bytes, lineEnd, hostEnd, from.hostLine));
  const hostStart = hostEnd - to.hostLine.length;
  connection.sentStart = hostStart - (lineEnd - sentStart);
  bytes.copyWithin(connection.sentStart, sentStart, lineEnd);
  writeBytes(bytes, hostStart, to.hostLine);
}

/**
 * Puts body bytes that came with the head behind it in the same buffer, so that a short request is
 * one send and can be repeated as a whole. False: the body is malformed and was refused.
 */
function appendBody(loop: EventLoop, connection: Connection): boolean {
  const { buffers, bytes } = loop;
  const room = buffers.limit(connection.sentBuffer) - connection.sentEnd;
  const here = connection.inEnd - connection.inStart;
  if (here === 0 || here > room) return true;
  const end = takeBody(loop, connection, connection.inStart, connection.inEnd);
  if (end < 0) {
    client.fail(loop, connection, -end);
    return false;
  }
  connection.sentEnd = copyWithin(bytes, connection.sentEnd, connection.inStart, end);
  connection.inStart = end;
  return true;
}

/**
 * Moves the framing of the client's body over `bytes[start, end)`. Returns the offset behind the
 * body's part of it, or minus the status that refuses the request: 400 or 413.
 */
function takeBody(loop: EventLoop, connection: Connection, start: number, end: number): number {
  if (connection.bodyMode === BODY_LENGTH) {
    const take = Math.min(connection.bodyRemaining, end - start);
    connection.bodyRemaining -= take;
    if (connection.bodyRemaining === 0) connection.requestState = REQUEST_DONE;
    return start + take;
  }
  const chunks = client.chunksOf(connection);
  const at = chunks.scan(loop.bytes, start, end, -1);
  // The limit first: whether what is malformed came in the same piece must not decide.
  if (chunks.announced > connection.route!.limits.maxChunkedBodySize) return -413;
  if (at === SCAN_BAD) return -400;
  if (chunks.done) connection.requestState = REQUEST_DONE;
  return at;
}

/** Passes the body on: what is here now, then waits for more as the upstream takes it. */
export function pumpBody(loop: EventLoop, connection: Connection): void {
  const { sockets } = loop;
  const { peer } = connection;
  if (connection.requestState !== REQUEST_BODY || peer === null || peer.connecting) return;
  if (connection.hasInput) {
    if (peer.segmentCount > SEGMENTS_MAX) return;
    const start = connection.inStart;
    const end = takeBody(loop, connection, start, connection.inEnd);
    if (end < 0) {
      upstream.leave(loop, connection, peer);
      client.fail(loop, connection, -end);
      return;
    }
    connection.bodyStreamed = true;
    moveInput(loop, connection, peer, start, end);
    sockets.send(peer);
  }
  if (connection.requestState !== REQUEST_BODY) {
    if (!connection.sending) loop.timers.clear(connection.slot);
    if (!connection.receiving && !connection.hasInput && !connection.inputEnded)
      sockets.receive(connection, 0, true);
    return;
  }
  if (connection.receiving || connection.starved || connection.hasInput) return;
  if (peer.segmentCount > SEGMENTS_MAX) return;
  if (connection.inputEnded) return;
  loop.timers.set(connection.slot, connection.route!.bodyTimeoutMs);
  sockets.receive(connection, loop.buffers.bodyGroup, false);
}

/**
 * Gives the input buffer with the body's part `[start, end)` to the peer's send queue. A pipelined
 * request behind it moves to a buffer of its own.
 */
function moveInput(
  loop: EventLoop,
  connection: Connection,
  peer: Connection,
  start: number,
  end: number,
): void {
  const { buffers, bytes, sockets } = loop;
  const buffer = connection.inBuffer;
  const rest = connection.inEnd - end;
  connection.inBuffer = BUFFER_NONE;
  if (rest > 0) {
    const other = buffers.takeFor(rest);
    if (other === BUFFER_NONE) {
      // Without memory the next request can't be kept; the client sees its connection end.
      connection.keepAlive = false;
      connection.inStart = connection.inEnd = 0;
    } else {
      connection.inBuffer = other;
      connection.inStart = buffers.start(other);
      connection.inEnd = copyWithin(bytes, connection.inStart, end, end + rest);
    }
  } else {
    connection.inStart = connection.inEnd = 0;
  }
  sockets.queue(peer, buffer, start, end);
}
