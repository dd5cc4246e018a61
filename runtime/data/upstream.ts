// Upstream connections: made, pooled, tried again, given up. What they bring is in response.ts.

import {
  EAGAIN,
  ECANCELED,
  EMFILE,
  ENFILE,
  ENOBUFS,
  EPROTO,
  ETIMEDOUT,
  IORING_OP_CONNECT,
  USER_OP_CONNECT,
} from "../../native/abi.ts";
import { NO_SERVER } from "./balance.ts";
import { BUFFER_NONE } from "./buffers.ts";
import { copyWithin } from "./bytes.ts";
import { check } from "./checks.ts";
import * as client from "./client.ts";
import {
  type Connection,
  REQUEST_BODY,
  RESPONSE_BODY,
  RESPONSE_WAITING,
  ROLE_UPSTREAM,
} from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import { isHeadWhole } from "./head-end.ts";
import { BODY_UNTIL_CLOSE } from "./http1-request.ts";
import * as proxy from "./proxy.ts";
import * as response from "./response.ts";
import type { Route } from "./route.ts";
import type { Server, SocketAddress, WriteSockaddr } from "./upstream-server.ts";

const RESPONSE_IDLE_MS = 60_000;

/** Finds a connection for a request whose head is in `sentBuffer`, and sends it. */
export function connect(loop: EventLoop, connection: Connection, route: Route): void {
  const server = route.group!.servers[connection.serverIndex]!;
  const idle = connection.retried ? null : server.idleTop;
  if (idle === null) {
    connectFresh(loop, connection, route, server);
    return;
  }
  server.remove(idle);
  idle.reused = true;
  attach(loop, connection, idle, route);
}

function connectFresh(loop: EventLoop, connection: Connection, route: Route, server: Server): void {
  const { addresses } = server;
  if (addresses.length === 0) {
    tryNext(loop, connection, 502);
    return;
  }
  if (connection.addressTries === 0)
    connection.addressStart = server.firstAddress(loop.timers.tick);
  const index = (connection.addressStart + connection.addressTries) % addresses.length;
  const address = addresses[index]!;
  const peer = loop.table.take(ROLE_UPSTREAM);
  if (peer === null) {
    client.fail(loop, connection, 503);
    return;
  }
  const fd = loop.calls.socket(loop.owner, address.ipv6);
  if (fd < 0) {
    loop.table.release(peer);
    // With descriptors left it is the address: IPv6, say, on a machine that has none of it.
    if (isShortage(fd)) client.fail(loop, connection, 503);
    else notConnected(loop, connection, address, fd);
    return;
  }
  loop.sockets.open(peer, fd);
  observer.upstreamOpened(loop);
  submitConnect(loop, peer, server, address);
  loop.timers.set(peer.slot, route.connectTimeoutMs);
  attach(loop, connection, peer, route);
}

function submitConnect(
  loop: EventLoop,
  peer: Connection,
  server: Server,
  address: SocketAddress,
): void {
  peer.server = server;
  peer.address = address;
  peer.connecting = true;
  peer.pendingOps++;
  const { buffers, ring } = loop;
  const { fd } = peer;
  const at = buffers.addressOf(address.offset);
  const opGeneration = (USER_OP_CONNECT << 24) | peer.generation;
  const high = buffers.addressHigh;
  ring.push(IORING_OP_CONNECT, fd, address.length, at, high, 0, 0, peer.slot, opGeneration, 0);
}

/** Makes the two one exchange and queues the request. */
function attach(loop: EventLoop, connection: Connection, peer: Connection, route: Route): void {
  const { sockets } = loop;
  connection.peer = peer;
  peer.peer = connection;
  peer.responseState = RESPONSE_WAITING;
  peer.counted = true;
  peer.server!.state.addInFlight(loop.owner, 1);
  peer.interimCount = 0;
  sockets.queue(peer, BUFFER_NONE, connection.sentStart, connection.sentEnd);
  sockets.send(peer);
  peer.keepAlive = route.limits.maxIdleConnectionsPerHost > 0;
  // The body waits for the connection: while nothing of it is queued, another server can be tried.
  if (peer.connecting) return;
  loop.timers.set(peer.slot, RESPONSE_IDLE_MS);
  if (!peer.receiving && !peer.starved) sockets.receive(peer, loop.buffers.bodyGroup, true);
  if (connection.requestState === REQUEST_BODY) proxy.pumpBody(loop, connection);
}

/** The exchange of an upstream connection has ended, in whatever way. */
export function endCount(loop: EventLoop, peer: Connection): void {
  if (!peer.counted) return;
  peer.counted = false;
  peer.server!.state.addInFlight(loop.owner, -1);
}

export function onConnected(loop: EventLoop, peer: Connection, result: number): void {
  const connection = peer.peer;
  const { tlsPeer } = peer.server!;
  if (connection === null) {
    loop.sockets.close(peer);
  } else if (result < 0) {
    peer.connecting = false;
    connectFailed(loop, connection, peer, result);
  } else if (TLS && tlsPeer >= 0) {
    loop.tls!.handshakes.connect(peer, tlsPeer); // still connecting, and within the same time
  } else {
    onEstablished(loop, peer);
  }
}

/** The connection can take its first request. */
export function onEstablished(loop: EventLoop, peer: Connection): void {
  const connection = peer.peer!;
  peer.connecting = false;
  peer.address!.avoidedUntil = 0;
  loop.timers.set(peer.slot, RESPONSE_IDLE_MS);
  if (connection.requestState === REQUEST_BODY) {
    proxy.pumpBody(loop, connection);
    if (connection.peer !== peer) return;
  }
  loop.sockets.send(peer);
  if (!peer.receiving) loop.sockets.receive(peer, loop.buffers.bodyGroup, true);
}

/** The TLS handshake has failed: like a connect that was refused, but for its reason. */
export function onHandshakeFailed(loop: EventLoop, peer: Connection, reason: string): void {
  peer.connecting = false;
  loop.tls!.handshakes.failures.noteServer(peer.server!, reason);
  connectFailed(loop, peer.peer!, peer, -EPROTO);
}

function connectFailed(
  loop: EventLoop,
  connection: Connection,
  peer: Connection,
  result: number,
): void {
  const address = peer.address!;
  leave(loop, connection, peer);
  notConnected(loop, connection, address, result);
}

function notConnected(
  loop: EventLoop,
  connection: Connection,
  address: SocketAddress,
  result: number,
): void {
  const isOurs = isShortage(result) || result === -EAGAIN;
  if (!isOurs) address.avoid(loop.timers.tick);
  tryNext(loop, connection, isOurs ? 503 : result === -ETIMEDOUT ? 504 : 502);
}

/** Whether we have no descriptor left, wherever it was to lead. */
function isShortage(result: number): boolean {
  return result === -EMFILE || result === -ENFILE;
}

/**
 * Closes an upstream and parts it from its client. While the kernel may still read the request from
 * the client's buffer, the buffer goes with the upstream.
 */
export function leave(loop: EventLoop, connection: Connection, peer: Connection): void {
  if (peer.sending && loop.sockets.adoptFirstSegment(peer, connection.sentBuffer))
    connection.sentBuffer = BUFFER_NONE;
  connection.peer = null;
  endCount(loop, peer);
  loop.sockets.close(peer);
}

/**
 * Goes to the next address, or the next server, for a request that may go out again; when all have
 * been tried, the client gets `status`.
 */
function tryNext(loop: EventLoop, connection: Connection, status: number): void {
  const route = connection.route!;
  const { servers, balancer } = route.group!;
  const { serverIndex, firstServer, clientHash } = connection;
  connection.addressTries++;
  if (connection.addressTries >= servers[serverIndex]!.addresses.length) {
    const next = balancer.next(serverIndex, firstServer, clientHash);
    if (next === NO_SERVER) {
      client.fail(loop, connection, status);
      return;
    }
    proxy.renameHost(loop, connection, servers[next]!);
    connection.addressTries = 0;
    connection.serverIndex = next;
  }
  connect(loop, connection, route);
}

export function onSent(loop: EventLoop, peer: Connection, result: number): void {
  const connection = peer.peer;
  if (result < 0) {
    // The kernel reports a reset once: the receive may see no more of it than an end.
    peer.outputEnded = true;
    if (connection === null) loop.sockets.close(peer);
    else if (isUnsent(loop, connection, peer)) sendElsewhere(loop, connection, peer);
    else if (isEndDelayed(peer)) onEnd(loop, connection, peer, result);
    // The answer may be here all the same: an upstream that refuses a body closes early. What the
    // receive reports decides; there is nothing more to send.
    return;
  }
  if (isEndDelayed(peer)) {
    onEnd(loop, connection!, peer, 0);
    return;
  }
  loop.sockets.onSent(peer, result);
  loop.sockets.send(peer);
  if (connection === null) return;
  loop.timers.set(peer.slot, RESPONSE_IDLE_MS);
  if (connection.requestState === REQUEST_BODY) proxy.pumpBody(loop, connection);
}

export function onReceived(
  loop: EventLoop,
  peer: Connection,
  result: number,
  buffer: number,
): void {
  const connection = peer.peer;
  if (result === -ENOBUFS) {
    loop.sockets.starve(peer);
    return;
  }
  if (connection === null) {
    // An idle connection: the upstream closed it, or sent what nobody asked for.
    loop.buffers.free(buffer);
    if (peer.pooled) peer.server!.remove(peer);
    loop.sockets.close(peer);
    return;
  }
  if (result <= 0) {
    loop.buffers.free(buffer);
    if (result !== -ECANCELED) onEnd(loop, connection, peer, result);
    return;
  }
  if (peer.reused && isTooEarly(loop, connection, peer)) {
    // It was written before the head of our request had gone, so it answers something else: the 408
    // of an upstream that was tired of waiting, at best.
    loop.buffers.free(buffer);
    onEnd(loop, connection, peer, 0);
    return;
  }
  if (buffer === BUFFER_NONE) {
    peer.inEnd += result;
  } else {
    peer.inBuffer = buffer;
    peer.inStart = loop.buffers.start(buffer);
    peer.inEnd = peer.inStart + result;
  }
  loop.timers.set(peer.slot, RESPONSE_IDLE_MS);
  response.pump(loop, connection, peer);
}

/** Whether the upstream has not even got the request's head yet. */
function isTooEarly(loop: EventLoop, connection: Connection, peer: Connection): boolean {
  const sentEnd = loop.sockets.borrowedStart(peer);
  const { sentStart } = connection;
  return sentEnd >= 0 && !isHeadWhole(loop.bytes, sentStart, sentEnd);
}

/** The upstream's FIN (0), or an error. */
function onEnd(loop: EventLoop, connection: Connection, peer: Connection, result: number): void {
  const delayed = peer.inputEnded;
  peer.inputEnded = true;
  peer.keepAlive = false;
  if (peer.responseState === RESPONSE_BODY) {
    if (result === 0 && peer.bodyMode === BODY_UNTIL_CLOSE && !peer.outputEnded)
      response.finishUntilClose(loop, connection, peer);
    else client.abort(loop, connection);
    return;
  }
  if (isSilent(peer) && canRepeat(connection, peer)) {
    if (!peer.reused) connection.movedOn = true;
    sendElsewhere(loop, connection, peer);
    return;
  }
  // Whether anything has gone is known when the send completes. If it has not begun it fails now.
  if (peer.sending && !delayed && isUnsent(loop, connection, peer)) {
    loop.calls.shutdownWrite(peer.fd);
    return;
  }
  leave(loop, connection, peer);
  client.fail(loop, connection, 502);
}

/** Whether nothing of an answer has come, interim ones included. */
function isSilent(peer: Connection): boolean {
  return !peer.hasInput && peer.interimCount === 0;
}

/**
 * Whether a request that has gone out may go out again: it may be made twice, all of it is still
 * here, and this is not the second failure of its kind. More than one server that breaks off may
 * do so because of the request (RFC 9110 §9.2.2: a failed retry is not retried).
 */
function canRepeat(connection: Connection, peer: Connection): boolean {
  if (!connection.isIdempotent || connection.bodyStreamed) return false;
  return peer.reused || !connection.movedOn;
}

/** Whether a connection has ended before the send was complete that decides what follows. */
function isEndDelayed(peer: Connection): boolean {
  return peer.inputEnded && peer.responseState === RESPONSE_WAITING;
}

/** Whether nothing of a request has gone out: then it may, whatever its method. */
function isUnsent(loop: EventLoop, connection: Connection, peer: Connection): boolean {
  if (connection.bodyStreamed || !isSilent(peer)) return false;
  if (TLS && peer.tls?.outCut === true) return false;
  return loop.sockets.isUnsent(peer, connection.sentStart);
}

/**
 * Sends the request once more: over a fresh connection to the same server when a pooled one had
 * gone stale, otherwise to the next address or server.
 */
function sendElsewhere(loop: EventLoop, connection: Connection, peer: Connection): void {
  const copied = !peer.sending || copyRequest(loop, connection, peer);
  leave(loop, connection, peer);
  if (!copied) {
    client.fail(loop, connection, 502);
  } else if (peer.reused) {
    connection.retried = true;
    connect(loop, connection, connection.route!);
  } else {
    tryNext(loop, connection, 502);
  }
}

/**
 * The failed connection may still be reading the request's buffer: leaves it that one and gives the
 * client a copy. False: no buffer is left.
 */
function copyRequest(loop: EventLoop, connection: Connection, peer: Connection): boolean {
  const { buffers, bytes, sockets } = loop;
  const { sentBuffer, sentStart, sentEnd } = connection;
  // With the same room before it: see `renameHost`.
  const room = connection.route!.group!.hostLineBytesMax;
  const copy = buffers.takeFor(room + sentEnd - sentStart);
  if (copy === BUFFER_NONE) return false;
  const start = buffers.start(copy) + room;
  connection.sentEnd = copyWithin(bytes, start, sentStart, sentEnd);
  connection.sentStart = start;
  connection.sentBuffer = copy;
  if (!sockets.adoptFirstSegment(peer, sentBuffer)) buffers.free(sentBuffer);
  return true;
}

/** Puts an upstream connection into its server's pool, on the terms of the route that used it. */
export function release(loop: EventLoop, peer: Connection, route: Route): void {
  const server = peer.server!;
  check(peer.earlyCount === 0);
  endCount(loop, peer);
  if (
    loop.retiring ||
    loop.draining ||
    !peer.address!.current ||
    server.idleCount >= route.limits.maxIdleConnectionsPerHost
  ) {
    loop.closeGently(peer);
    return;
  }
  server.push(peer);
  loop.timers.set(peer.slot, route.idleTimeoutMs);
  if (peer.ringFlags === 0) loop.sockets.fix(peer);
  if (peer.receiving || peer.starved) return;
  if (server.isBrief) loop.sockets.receiveNext(peer, loop.buffers.bodyGroup);
  else loop.sockets.receive(peer, loop.buffers.bodyGroup, true);
}

export function onTimer(loop: EventLoop, peer: Connection): void {
  const connection = peer.peer;
  if (connection === null) {
    if (peer.pooled) peer.server!.remove(peer);
    loop.closeGently(peer);
  } else if (peer.connecting) {
    peer.address!.avoid(loop.timers.tick);
    leave(loop, connection, peer);
    tryNext(loop, connection, 504);
  } else if (peer.starved || (connection.sending && !peer.receiving)) {
    // We are slow, or the client is, whose own timer looks after it; not the upstream.
    loop.timers.set(peer.slot, RESPONSE_IDLE_MS);
  } else if (
    connection.requestState === REQUEST_BODY &&
    (connection.receiving || connection.starved)
  ) {
    loop.timers.set(peer.slot, RESPONSE_IDLE_MS); // likewise, while it sends its body
  } else {
    leave(loop, connection, peer);
    client.fail(loop, connection, 504);
  }
}

/**
 * Takes the addresses that a server's name has now. Under steady load no connection is ever idle
 * for long: those to an address that has gone end here, or with the exchange that they are part of.
 */
export function setAddresses(
  loop: EventLoop,
  server: Server,
  literals: readonly string[],
  write: WriteSockaddr,
): void {
  server.setAddresses(literals, write);
  let idle = server.idleTop;
  while (idle !== null) {
    const next = idle.poolNext;
    if (!idle.address!.current) drain(loop, idle);
    idle = next;
  }
}

/** Closes a pooled connection when the worker drains, or its address has gone. */
export function drain(loop: EventLoop, peer: Connection): void {
  if (!peer.pooled || peer.closing) return;
  peer.server!.remove(peer);
  loop.closeGently(peer);
}
