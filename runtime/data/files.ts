// File routes. The kernel proves that a path stays below its root (openat2 with RESOLVE_BENEATH);
// opening goes through the ring, so that a slow disk never stops the loop. What is found is
// answered by file-answer.ts.

import {
  EACCES,
  EAGAIN,
  EISDIR,
  ELOOP,
  EMFILE,
  ENAMETOOLONG,
  ENFILE,
  ENODEV,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EXDEV,
  FILE_STATUS_IS_DIRECTORY,
  FILE_STATUS_IS_REGULAR,
  FILE_STATUS_MTIME_NANOS,
  FILE_STATUS_MTIME_SECS,
  FILE_STATUS_SIZE,
  FILE_STATUS_WORDS,
  IORING_OP_OPENAT2,
  OPEN_HOW_BYTES,
  USER_OP_FILE_OPEN,
} from "../../native/abi.ts";
import { BUFFER_NONE } from "./buffers.ts";
import { ascii, copyWithin, writeBytes } from "./bytes.ts";
import * as client from "./client.ts";
import { type Connection, REQUEST_DONE, RESPONSE_WAITING } from "./connection.ts";
import { type EventLoop, HEAD_SCRATCH, OPEN_HOW_BENEATH, OPEN_HOW_PLAIN } from "./event-loop.ts";
import { answer, answerWhole, refuse } from "./file-answer.ts";
import { conditionsBytes, copyConditions, hasConditions } from "./file-conditions.ts";
import { HEX_VALUE, IS_PLAIN_IN_PREFIX } from "./http1-classes.ts";
import type { Route } from "./route.ts";

const SLASH = 0x2f;
const PERCENT = 0x25;
const UPPER_HEX = ascii("0123456789ABCDEF");
/** Path, index name and terminator are shorter than the kernel's PATH_MAX. */
const PATH_BYTES_MAX = 3500;
/** openat2 gives up with EAGAIN when a rename runs while it proves a path; ask again. */
const OPEN_TRIES_MAX = 8;

const status = new Float64Array(FILE_STATUS_WORDS);

/** Takes a GET or HEAD whose head is in `loop.request` and whose route is a file or directory. */
export function begin(loop: EventLoop, connection: Connection, route: Route): void {
  const { request, buffers, bytes } = loop;
  const restStart = request.path.start + route.prefixBytes;
  const restEnd = request.path.end;
  if (!route.isDirectory && restEnd > restStart && !isBareRoot(route, bytes, restStart, restEnd)) {
    client.reply(loop, connection, 404);
    return;
  }
  if (connection.requestState !== REQUEST_DONE) {
    // GET with a body: allowed, without meaning (RFC 9110 §9.3.1). Close rather than wait for it.
    connection.keepAlive = false;
    connection.linger = true;
  }
  if (route.memoryFile !== null && !hasConditions(request.fields)) {
    answerWhole(loop, connection, route.memoryFile);
    return;
  }
  // The path, room for an index and a zero behind it, then the conditions.
  const pathBytes = route.isDirectory ? restEnd - restStart : route.filePath.length;
  const roomBytes = pathBytes + route.index.length + 2;
  const fields = hasConditions(request.fields) ? request.fields : null;
  const buffer = buffers.takeFor(roomBytes + (fields === null ? 0 : conditionsBytes(fields)));
  if (buffer === BUFFER_NONE) {
    client.reply(loop, connection, 503);
    return;
  }
  connection.fileBuffer = buffer;
  const start = buffers.start(buffer);
  const end = writePath(loop, route, restStart, restEnd, start);
  if (end < 0) {
    refuse(loop, connection, 404);
    return;
  }
  connection.conditionsStart = start + roomBytes;
  connection.conditionsEnd =
    fields === null ? start + roomBytes : copyConditions(bytes, fields, start + roomBytes);
  connection.pathEnd = end;
  connection.openTries = 0;
  connection.indexTried = end > start && bytes[end - 1] !== SLASH ? false : route.isDirectory;
  if (connection.indexTried) connection.pathEnd = writeBytes(bytes, end, route.index);
  if (route.memory !== null) serveMemory(loop, connection, route, start);
  else open(loop, connection, route, start);
}

/** A route for "/" or a whole host that is a single file answers exactly "/". */
function isBareRoot(route: Route, bytes: Uint8Array, start: number, end: number): boolean {
  return route.prefixBytes === 0 && end - start === 1 && bytes[start] === SLASH;
}

/**
 * Writes the file's path below its root at `to`, escapes decoded, and returns its end; -1 when no
 * file can have that name, or it is another route's. A route to a single file is its own path.
 */
function writePath(loop: EventLoop, route: Route, start: number, end: number, to: number): number {
  const { bytes } = loop;
  if (!route.isDirectory) return writeBytes(bytes, to, route.filePath);
  if (end - start + route.index.length + 2 > PATH_BYTES_MAX) return -1;
  let at = start;
  while (at < end && bytes[at] === SLASH) at++;
  let isRespelt = at > start + 1;
  let out = to;
  while (at < end) {
    const byte = bytes[at++]!;
    if (byte === SLASH && bytes[out - 1] === SLASH && out > to) {
      isRespelt = true; // several slashes are one, as the kernel reads them
      continue;
    }
    if (byte !== PERCENT) {
      if (IS_PLAIN_IN_PREFIX[byte] === 0) isRespelt = true;
      bytes[out++] = byte;
      continue;
    }
    // The normal form has whole escapes only, none of a control character.
    const code = (HEX_VALUE[bytes[at]!]! << 4) | HEX_VALUE[bytes[at + 1]!]!;
    if (code === SLASH) return -1; // no file name holds a slash
    if (IS_PLAIN_IN_PREFIX[code] === 1) isRespelt = true;
    bytes[out++] = code;
    at += 2;
  }
  return isRespelt && !isOwn(loop, start, to, out) ? -1 : out;
}

/**
 * Whether the file's name `bytes[nameStart, nameEnd)`, spelt as prefixes are, leads to the route
 * that the request has come to; what leads there ends at `prefixEnd`. Another way to write a name
 * must not be a way around the rules of the route that has it.
 */
function isOwn(loop: EventLoop, prefixEnd: number, nameStart: number, nameEnd: number): boolean {
  const { bytes, request, matchRoute } = loop;
  const { host, path } = request;
  let out = copyWithin(bytes, HEAD_SCRATCH, path.start, prefixEnd);
  bytes[out++] = SLASH;
  for (let at = nameStart; at < nameEnd; at++) {
    const byte = bytes[at]!;
    if (IS_PLAIN_IN_PREFIX[byte] === 1) {
      bytes[out++] = byte;
      continue;
    }
    bytes[out++] = PERCENT;
    bytes[out++] = UPPER_HEX[byte >>> 4]!;
    bytes[out++] = UPPER_HEX[byte & 15]!;
  }
  return (
    matchRoute(bytes, host.start, host.end, HEAD_SCRATCH, out) ===
    matchRoute(bytes, host.start, host.end, path.start, path.end)
  );
}

function open(loop: EventLoop, connection: Connection, route: Route, start: number): void {
  const { fileCache, bytes, timers } = loop;
  const file = fileCache!.find(route.rootFd, bytes, start, connection.pathEnd, timers.tick);
  if (file === null) submitOpen(loop, connection, route, start);
  else answer(loop, connection, file);
}

function submitOpen(loop: EventLoop, connection: Connection, route: Route, start: number): void {
  const { buffers, ring, bytes } = loop;
  bytes[connection.pathEnd] = 0;
  connection.responseState = RESPONSE_WAITING;
  connection.pendingOps++;
  ring.push(
    IORING_OP_OPENAT2,
    route.rootFd,
    buffers.addressOf(route.isDirectory ? OPEN_HOW_BENEATH : OPEN_HOW_PLAIN),
    buffers.addressOf(start),
    buffers.addressHigh,
    OPEN_HOW_BYTES,
    0,
    connection.slot,
    (USER_OP_FILE_OPEN << 24) | connection.generation,
    0,
  );
  ring.setOffHigh(buffers.addressHigh);
}

export function onOpened(loop: EventLoop, connection: Connection, result: number): void {
  const route = connection.route!;
  const start = loop.buffers.start(connection.fileBuffer);
  if (result < 0) {
    if (result === -EAGAIN && ++connection.openTries < OPEN_TRIES_MAX)
      submitOpen(loop, connection, route, start);
    else refuse(loop, connection, statusOfError(result));
    return;
  }
  loop.own(result);
  if (loop.calls.fileStatus(result, status, 0) < 0) {
    loop.closeFile(result);
    refuse(loop, connection, 500);
    return;
  }
  if (status[FILE_STATUS_IS_DIRECTORY] === 1) {
    loop.closeFile(result);
    openIndex(loop, connection, route);
    return;
  }
  if (status[FILE_STATUS_IS_REGULAR] !== 1) {
    loop.closeFile(result);
    refuse(loop, connection, 403);
    return;
  }
  const { bytes, timers } = loop;
  const file = loop.fileCache!.add(
    result,
    route.rootFd,
    bytes,
    start,
    connection.pathEnd,
    timers.tick,
  );
  file.describe(
    loop.files!.typeOf(bytes, start, connection.pathEnd),
    status[FILE_STATUS_SIZE]!,
    status[FILE_STATUS_MTIME_SECS]!,
    status[FILE_STATUS_MTIME_NANOS]!,
    loop.replies.nowSecs,
  );
  answer(loop, connection, file);
}

/** The path was a directory: its index, once. */
function openIndex(loop: EventLoop, connection: Connection, route: Route): void {
  if (connection.indexTried || !route.isDirectory) {
    refuse(loop, connection, 404);
    return;
  }
  connection.indexTried = true;
  appendIndex(loop, connection, route);
  open(loop, connection, route, loop.buffers.start(connection.fileBuffer));
}

function appendIndex(loop: EventLoop, connection: Connection, route: Route): void {
  const { bytes } = loop;
  bytes[connection.pathEnd] = SLASH;
  connection.pathEnd = writeBytes(bytes, connection.pathEnd + 1, route.index);
}

function statusOfError(result: number): number {
  switch (-result) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
      return 404;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV:
    case ENXIO: // a socket, or a device that is not there
    case ENODEV:
      return 403;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      return 503;
    default:
      return 500;
  }
}

function serveMemory(loop: EventLoop, connection: Connection, route: Route, start: number): void {
  const { files, bytes } = loop;
  const memory = route.memory!;
  let index = memory.get(bytes, start, connection.pathEnd);
  if (index < 0 && !connection.indexTried && route.isDirectory) {
    appendIndex(loop, connection, route);
    index = memory.get(bytes, start, connection.pathEnd);
  }
  if (index < 0) refuse(loop, connection, 404);
  else if (files!.memory[index]!.forbidden) refuse(loop, connection, 403);
  else answer(loop, connection, files!.memory[index]!);
}
