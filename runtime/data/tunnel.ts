// Two sockets after 101 (Switching Protocols): what one sends goes to the other as it is, until
// both have ended (RFC 9110 §7.8). The same code serves both directions. There is no idle limit:
// a send that makes no progress ends a tunnel, and the kernel's keepalive finds a peer gone.

import { ENOBUFS } from "../../native/abi.ts";
import { BUFFER_NONE } from "./buffers.ts";
import { isTaking, WRITE_TIMEOUT_MS } from "./client.ts";
import { type Connection, RESPONSE_BODY, ROLE_UPSTREAM } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import * as upstream from "./upstream.ts";

/** Segments that may wait for one side before the other is not read any further. */
const SEGMENTS_MAX = 1;

/** Makes a tunnel of an exchange whose 101 is queued; bytes that came early go out first. */
export function open(loop: EventLoop, connection: Connection, peer: Connection): void {
  const { sockets, timers } = loop;
  connection.tunnel = true;
  peer.tunnel = true;
  connection.responseState = RESPONSE_BODY;
  // The request won't go out again, but the kernel may still be reading it.
  if (!sockets.adoptFirstSegment(peer, connection.sentBuffer))
    loop.buffers.free(connection.sentBuffer);
  connection.sentBuffer = BUFFER_NONE;
  if (!connection.sending) timers.clear(connection.slot);
  else timers.set(connection.slot, WRITE_TIMEOUT_MS);
  if (!peer.sending) timers.clear(peer.slot);
  else timers.set(peer.slot, WRITE_TIMEOUT_MS);
  move(loop, peer, connection);
  if (connection.peer === peer) move(loop, connection, peer);
}

/** Passes on what `from` has received, as far as `to` takes it, then receives more. */
function move(loop: EventLoop, from: Connection, to: Connection): void {
  const { sockets } = loop;
  if (to.segmentCount > SEGMENTS_MAX) return;
  if (from.hasInput) {
    sockets.queue(to, from.inBuffer, from.inStart, from.inEnd);
    from.inBuffer = BUFFER_NONE;
    from.inStart = from.inEnd = 0;
    if (!to.sending) {
      loop.timers.set(to.slot, WRITE_TIMEOUT_MS);
      sockets.send(to);
    }
  } else if (from.inBuffer !== BUFFER_NONE && !from.receiving) {
    sockets.dropInput(from);
  }
  if (from.inputEnded) {
    if (to.segmentCount === 0) endOutput(loop, to);
    return;
  }
  if (from.receiving || from.starved || to.segmentCount > SEGMENTS_MAX) return;
  sockets.receive(from, loop.buffers.bodyGroup, true);
}

/** The other side has ended and all it sent has gone: FIN. Both directions ended: the end. */
function endOutput(loop: EventLoop, to: Connection): void {
  if (to.outputEnded) return;
  to.outputEnded = true;
  if (to.peer!.outputEnded) endGently(loop, to);
  else loop.endOutput(to);
}

export function onReceived(
  loop: EventLoop,
  from: Connection,
  result: number,
  buffer: number,
): void {
  if (result > 0) {
    if (buffer !== BUFFER_NONE) {
      from.inBuffer = buffer;
      from.inStart = loop.buffers.start(buffer);
      from.inEnd = from.inStart;
    }
    from.inEnd += result;
    move(loop, from, from.peer!);
    return;
  }
  loop.buffers.free(buffer);
  if (result === -ENOBUFS) loop.sockets.starve(from);
  else if (result < 0) end(loop, from);
  else {
    from.inputEnded = true;
    move(loop, from, from.peer!);
  }
}

export function onSent(loop: EventLoop, to: Connection, result: number): void {
  if (result < 0) {
    end(loop, to);
    return;
  }
  if (loop.sockets.onSent(to, result)) {
    loop.timers.clear(to.slot);
  } else {
    loop.timers.set(to.slot, WRITE_TIMEOUT_MS);
    loop.sockets.send(to);
  }
  move(loop, to.peer!, to);
}

export function onTimer(loop: EventLoop, to: Connection): void {
  if (!isTaking(loop, to)) end(loop, to);
}

/** Ends a tunnel whose sides have both ended. */
function endGently(loop: EventLoop, side: Connection): void {
  const other = side.peer!;
  upstream.endCount(loop, other.role === ROLE_UPSTREAM ? other : side);
  loop.closeGently(other);
  loop.closeGently(side);
}

/** Breaks a tunnel off from either side: one broke, or takes nothing any more. */
export function end(loop: EventLoop, side: Connection): void {
  const other = side.peer!;
  upstream.endCount(loop, other.role === ROLE_UPSTREAM ? other : side);
  loop.sockets.close(other);
  loop.sockets.close(side);
}
