// The client's side of a connection: its start and end, answers out, time. What it sends is in
// client-input.ts.

import { BUFFER_NONE, GROUP_SMALL } from "./buffers.ts";
import { ascii } from "./bytes.ts";
import { ChunkState } from "./chunked.ts";
import * as input from "./client-input.ts";
import {
  type Connection,
  REQUEST_BODY,
  REQUEST_DISCARD,
  REQUEST_HEAD,
  RESPONSE_BODY,
  RESPONSE_NONE,
  ROLE_CLIENT,
} from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import { continueSending } from "./file-answer.ts";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE } from "./http1-request.ts";
import { CONNECTION_CLOSE, CONNECTION_KEEP_ALIVE, REPLY_BYTES_MAX } from "./reply.ts";
import * as response from "./response.ts";
import { TICK_MS } from "./timer-wheel.ts";
import * as upstream from "./upstream.ts";

/** A send may take so long. Then its receiver is looked at, and again each time this has passed: */
export const WRITE_TIMEOUT_MS = 30_000;
const LOOK_MS = 15_000;
/** One that takes less between two looks is let go. */
const TAKEN_BYTES_MIN = 16_384;
/** A look that is so long ago was about another send. */
const LOOKED_TICKS_MAX = Math.round((LOOK_MS + 5_000) / TICK_MS);
export const LINGER_MS = 5_000;
/** In `loop.idleSince`: a client that has had no answer yet. */
const NEVER_SERVED = -1;
/** Of a large table so many slots are looked at for an idle client, beginning behind the last. */
const IDLE_LOOKED_AT_MAX = 1024;
/**
 * A refused request's body up to this size is read and dropped, so that the connection can stay.
 */
const DISCARD_BYTES_MAX = 65536;

const NOTHING = ascii("");

/** A slot for a client; null: there is none, and its descriptor is closed. */
export function enter(loop: EventLoop, fd: number): Connection | null {
  if (loop.table.isCrowded) closeLongestIdle(loop);
  const connection = loop.table.take(ROLE_CLIENT);
  if (connection === null) loop.closeFile(fd);
  else loop.sockets.open(connection, fd);
  return connection;
}

export function onAccepted(loop: EventLoop, fd: number): void {
  const connection = enter(loop, fd);
  if (connection === null) return;
  observer.accepted(loop);
  if (!loop.table.admit(connection)) {
    observer.refused(loop);
    loop.noteRefused();
    if (TLS && loop.acceptsTls) {
      loop.sockets.close(connection); // an answer would first take a handshake
      return;
    }
    connection.keepAlive = false;
    connection.linger = true;
    reply(loop, connection, 503);
    return;
  }
  loop.idleSince[connection.slot] = NEVER_SERVED;
  if (TLS && loop.acceptsTls) loop.tls!.handshakes.accept(connection);
  else onEstablished(loop, connection);
}

/** The connection can bring its first request. */
export function onEstablished(loop: EventLoop, connection: Connection): void {
  // One that was accepted at the stop is answered, if it asks; a drain does not wait long for that.
  loop.timers.set(connection.slot, loop.draining ? LINGER_MS : loop.headerTimeoutMs);
  if (loop.retiring && loop.handover.takes(connection)) return;
  loop.sockets.receive(connection, GROUP_SMALL, false);
}

/** Makes room for a client by letting the one go that has been idle for longest, as nginx does. */
function closeLongestIdle(loop: EventLoop): void {
  const { table, idleSince } = loop;
  const { list } = table;
  const count = Math.min(list.length, IDLE_LOOKED_AT_MAX);
  let longest: Connection | null = null;
  for (let looks = 0; looks < count; looks++) {
    if (++table.idleCursor >= list.length) table.idleCursor = 0;
    const connection = list[table.idleCursor]!;
    const since = idleSince[connection.slot]!;
    if (connection.role !== ROLE_CLIENT || since === NEVER_SERVED || !isIdle(connection)) continue;
    if (longest === null || since < idleSince[longest.slot]!) longest = connection;
  }
  if (longest !== null) loop.sockets.close(longest);
}

/** Whether nothing is owed to a client, and nothing of a request has come. */
export function isIdle(connection: Connection): boolean {
  return isBetween(connection) && connection.segmentCount === 0 && !connection.closing;
}

/** Whether nothing of a request has come, though the answer before may still be on its way. */
function isBetween(connection: Connection): boolean {
  return (
    connection.requestState === REQUEST_HEAD &&
    connection.responseState === RESPONSE_NONE &&
    connection.headStartedTick < 0 &&
    !connection.hasInput &&
    connection.earlyCount === 0
  );
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
 * Answers a head that was not read, and closes. What stands in the connection is about the request
 * before it.
 */
export function refuseUnread(loop: EventLoop, connection: Connection, status: number): void {
  connection.keepAlive = false;
  connection.linger = true;
  connection.minorVersion = 1;
  connection.isHead = false;
  connection.bodyMode = BODY_NONE;
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
  observer.answer(loop, connection, status);
  const bodyLeft = connection.requestState === REQUEST_BODY;
  if (bodyLeft) {
    const short =
      connection.bodyMode === BODY_LENGTH && connection.bodyRemaining <= DISCARD_BYTES_MAX;
    if (!short || connection.expectsContinue) connection.keepAlive = false;
    if (!connection.keepAlive) connection.linger = true;
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
  observer.end(loop, connection);
  connection.responseState = RESPONSE_NONE;
  connection.route = null;
  connection.peer = null;
  connection.addChunks = false;
  connection.removeChunks = false;
  if (connection.sentBuffer !== BUFFER_NONE) {
    loop.buffers.free(connection.sentBuffer);
    connection.sentBuffer = BUFFER_NONE;
  }
  loop.sockets.send(connection);
  loop.timers.set(connection.slot, WRITE_TIMEOUT_MS);
  if (!connection.keepAlive) {
    // A client that is told to go may have sent its next requests already.
    if (loop.lastAnswers) connection.linger = true;
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
  const sendsOn = connection.hasInput || connection.earlyCount > 0;
  if (connection.inputEnded || !(connection.linger || sendsOn)) {
    closeQuiet(loop, connection);
    return;
  }
  // Closing now would reset the connection under the answer if the client is still sending, or has
  // sent another request (RFC 9112 §9.6): say FIN, read on for a while, then close.
  connection.linger = true;
  connection.closeWhenSent = false;
  connection.requestState = REQUEST_DISCARD;
  if (!connection.receiving) loop.sockets.dropInput(connection);
  loop.endOutput(connection);
  loop.timers.set(connection.slot, LINGER_MS);
  if (!connection.receiving) loop.sockets.receive(connection, loop.buffers.bodyGroup, false);
}

/** Closes a connection that has nothing to say any more. */
export function closeQuiet(loop: EventLoop, connection: Connection): void {
  connection.closeWhenSent = true;
  loop.closeGently(connection);
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
  } else if (FILE_ROUTES && connection.fileSending) {
    continueSending(loop, connection);
    return;
  } else if (connection.closeWhenSent) {
    finish(loop, connection);
    return;
  }
  if (PROXY_ROUTES && connection.responseState !== RESPONSE_NONE) {
    if (empty) awaitOthers(loop, connection);
    response.resume(loop, connection);
  } else if (connection.requestState === REQUEST_HEAD && connection.headStartedTick < 0) {
    input.processInput(loop, connection);
  } else if (connection.requestState === REQUEST_DISCARD) {
    input.awaitInput(loop, connection);
  }
}

/** Nothing is being sent: the client's time runs only while it owes us its body. */
function awaitOthers(loop: EventLoop, connection: Connection): void {
  if (connection.requestState === REQUEST_BODY && (connection.receiving || connection.starved))
    loop.timers.set(connection.slot, connection.route!.bodyTimeoutMs);
  else loop.timers.clear(connection.slot);
}

/** Breaks the connection off, its exchange with it. */
export function abort(loop: EventLoop, connection: Connection): void {
  if (PROXY_ROUTES && connection.peer !== null) upstream.leave(loop, connection, connection.peer);
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
  input.continueInput(loop, connection);
}

export function onTimer(loop: EventLoop, connection: Connection): void {
  if (connection.linger && !connection.sending) {
    loop.sockets.close(connection);
  } else if (connection.sending || connection.fileSending) {
    if (!isTaking(loop, connection)) abort(loop, connection);
  } else if (connection.requestState === REQUEST_HEAD) {
    if (connection.headStartedTick < 0) {
      closeQuiet(loop, connection);
      return;
    }
    connection.headStartedTick = -1;
    refuseUnread(loop, connection, 408);
  } else if (connection.requestState === REQUEST_BODY && connection.starved) {
    // Its bytes may be here; we had no buffer for them. Its time runs on once there is one.
    loop.timers.set(connection.slot, connection.route!.bodyTimeoutMs);
  } else if (connection.requestState === REQUEST_BODY && connection.receiving) {
    if (PROXY_ROUTES && connection.peer !== null) upstream.leave(loop, connection, connection.peer);
    fail(loop, connection, 408);
  } else if (connection.requestState === REQUEST_DISCARD) {
    abort(loop, connection);
  }
}

/**
 * Whether the receiver of a send that takes long takes something all the same, and is waited for:
 * the kernel completes a send when a third of the socket's buffer is free, which may be megabytes.
 */
export function isTaking(loop: EventLoop, connection: Connection): boolean {
  const { tick } = loop.timers;
  const untaken = loop.calls.unacknowledged(connection.fd);
  const isFirst = tick - connection.lookedTick > LOOKED_TICKS_MAX;
  const takesEnough = isFirst || connection.untaken - untaken >= TAKEN_BYTES_MIN;
  connection.untaken = untaken;
  connection.lookedTick = tick;
  if (takesEnough) loop.timers.set(connection.slot, LOOK_MS);
  return takesEnough;
}

/** The worker drains: a connection ends with its answer. Idle ones are seen to by `closeIdle`. */
export function drain(loop: EventLoop, connection: Connection): void {
  if (connection.closing) return;
  connection.keepAlive = false;
  if (connection.requestState !== REQUEST_DISCARD || connection.linger) return;
  // All that it still owes is a body that nobody wants; its answer is queued.
  connection.linger = true;
  closeAfterSending(loop, connection);
}

/** Lets a connection go on which no request is under way. */
export function closeIdle(loop: EventLoop, connection: Connection): void {
  if (!isBetween(connection) || connection.closing) return;
  if (TLS && loop.tls?.handshakes.isUnderWay(connection)) return;
  if (isRequestHere(loop, connection)) {
    // It is answered, unless it is none after all; the answer is the last.
    if (!connection.sending) loop.timers.set(connection.slot, LINGER_MS);
    return;
  }
  connection.linger = connection.segmentCount > 0; // its next request may cross with its answer
  closeAfterSending(loop, connection);
}

/** Whether something of a next request has come that no receive has brought yet. */
function isRequestHere(loop: EventLoop, connection: Connection): boolean {
  if (connection.starved || loop.calls.readable(connection.fd) > 0) return true;
  return TLS && connection.tls?.holdsInput === true;
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
  if (mode === BODY_CHUNKED) chunksOf(connection).reset(connection.role === ROLE_CLIENT);
}
