// The answer to a request whose file is found: whole, in parts, not modified, or refused by its
// conditions. A short body is read behind its head and leaves in one send; a long one goes by
// sendfile(2), a mebibyte at a time; several ranges go one after the other.

import {
  EAGAIN,
  IORING_OP_POLL_ADD,
  IORING_OP_READ,
  POLLOUT,
  USER_OP_FILE_READ,
  USER_OP_POLL,
} from "../../native/abi.ts";
import { BUFFER_NONE } from "./buffers.ts";
import { ascii, copyWithin, writeBytes, writeDecimal } from "./bytes.ts";
import * as client from "./client.ts";
import * as input from "./client-input.ts";
import { type Connection, RESPONSE_BODY, RESPONSE_NONE, TRANSPORT_TLS } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import { judgeConditions, rangeRecord, valueEnd, valueStart } from "./file-conditions.ts";
import { type FileEntry, READY_DATE } from "./file-entry.ts";
import {
  parseRanges,
  RANGE_COUNT_MAX,
  RANGES_IGNORED,
  RANGES_UNSATISFIABLE,
} from "./file-ranges.ts";
import { REPLY_BYTES_MAX } from "./reply.ts";

/** Bodies up to this size are read and sent with their head; above, sendfile saves the copy. */
const READ_BYTES_MAX = 32768;
/** One sendfile(2) call moves at most this much, so that one download never holds up the loop. */
const SENDFILE_BYTES = 1 << 20;
/** What is read at once to be sealed: four records. */
const SEALED_BYTES = 65536;
/** From memory, bodies up to this size are copied behind their head, others sent in place. */
const COPY_BYTES_MAX = 2048;

const OK = ascii("HTTP/1.1 200 OK\r\n");
const PARTIAL = ascii("HTTP/1.1 206 Partial Content\r\n");
const NOT_MODIFIED = ascii("HTTP/1.1 304 Not Modified\r\n");
const MULTIPART = ascii("Content-Type: multipart/byteranges; boundary=");
const CONTENT_RANGE = ascii("Content-Range: bytes ");
const CONTENT_LENGTH = ascii("Content-Length: ");
const DELIMITER = ascii("\r\n--");
const CLOSE_DELIMITER_END = ascii("--\r\n");
const LINE_END = ascii("\r\n");
const DASH = 0x2d;
const SLASH = 0x2f;

/**
 * Answers with `file`, one use of which becomes the connection's. The conditions stand in its file
 * buffer, which is given back.
 */
export function answer(loop: EventLoop, connection: Connection, file: FileEntry): void {
  const { bytes, buffers } = loop;
  const { conditionsStart, conditionsEnd } = connection;
  connection.file = file;
  let status = 0;
  let count = RANGES_IGNORED;
  if (conditionsEnd > conditionsStart) {
    const { nowSecs } = loop.replies;
    status = judgeConditions(bytes, conditionsStart, conditionsEnd, file, nowSecs);
    if (status === 0 && !connection.isHead) count = readRanges(loop, connection, file);
  }
  buffers.free(connection.fileBuffer);
  connection.fileBuffer = BUFFER_NONE;
  if (status === 304) notModified(loop, connection, file);
  else if (status !== 0) refuse(loop, connection, status);
  else if (count === RANGES_UNSATISFIABLE) {
    loop.replies.fileSize = file.size;
    refuse(loop, connection, 416);
  } else if (count > 1) sendParts(loop, connection, file, count);
  else if (count === 1) {
    const { ranges } = connection;
    sendRange(loop, connection, file, ranges![0]!, ranges![1]!, true);
  } else answerWhole(loop, connection, file);
}

/** Answers with all of `file`, one use of which becomes the connection's. */
export function answerWhole(loop: EventLoop, connection: Connection, file: FileEntry): void {
  connection.file = file;
  sendRange(loop, connection, file, 0, file.size, false);
}

/** Answers with an error; the file and its buffer are given back. */
export function refuse(loop: EventLoop, connection: Connection, status: number): void {
  const waited = connection.responseState !== RESPONSE_NONE;
  release(loop, connection);
  client.reply(loop, connection, status);
  if (waited) input.continueInput(loop, connection);
}

/** Gives back what a file request holds, but for what the send queue needs. */
function release(loop: EventLoop, connection: Connection): void {
  const { file } = connection;
  connection.fileSending = false;
  connection.file = null;
  if (file !== null && file.fd >= 0) loop.fileCache!.release(file);
  loop.buffers.free(connection.fileBuffer);
  connection.fileBuffer = BUFFER_NONE;
}

/** The answer is in the send queue as a whole. */
function end(loop: EventLoop, connection: Connection): void {
  const waited = connection.responseState !== RESPONSE_NONE;
  release(loop, connection);
  client.endExchange(loop, connection);
  if (waited) input.continueInput(loop, connection);
}

/** The ranges to send, in `connection.ranges`; or a RANGES_* result. */
function readRanges(loop: EventLoop, connection: Connection, file: FileEntry): number {
  const { bytes } = loop;
  const { conditionsStart, conditionsEnd } = connection;
  const { nowSecs } = loop.replies;
  const record = rangeRecord(bytes, conditionsStart, conditionsEnd, file, nowSecs);
  if (record < 0) return RANGES_IGNORED;
  if (connection.ranges === null) connection.ranges = new Float64Array(RANGE_COUNT_MAX * 2);
  const start = valueStart(record);
  return parseRanges(bytes, start, valueEnd(bytes, record), file.size, connection.ranges);
}

function notModified(loop: EventLoop, connection: Connection, file: FileEntry): void {
  const { bytes, replies } = loop;
  observer.answer(loop, connection, 304);
  const start = loop.sockets.compose(connection, REPLY_BYTES_MAX);
  if (start < 0) {
    client.abort(loop, connection);
    return;
  }
  let at = replies.writeDate(writeBytes(bytes, start, NOT_MODIFIED));
  at = file.writeLines(bytes, at, file.validatorsStart, file.validatorsEnd);
  loop.sockets.extend(connection, endHead(loop, connection, at));
  end(loop, connection);
}

function endHead(loop: EventLoop, connection: Connection, to: number): number {
  const at = writeBytes(loop.bytes, to, client.connectionLine(connection));
  return writeBytes(loop.bytes, at, LINE_END);
}

/** The head of an answer with the bytes [from, to) of the file; `partial` makes it a 206. */
function writeHead(
  loop: EventLoop,
  connection: Connection,
  start: number,
  file: FileEntry,
  from: number,
  to: number,
  partial: boolean,
): number {
  const { bytes, replies } = loop;
  observer.answer(loop, connection, partial ? 206 : 200);
  let at = replies.writeDate(writeBytes(bytes, start, partial ? PARTIAL : OK));
  if (partial) {
    at = file.writeLines(bytes, at, 0, file.validatorsEnd);
    at = writeContentRange(bytes, at, from, to, file.size);
    at = writeBytes(bytes, at, CONTENT_LENGTH);
    at = writeDecimal(bytes, at, to - from);
    at = writeBytes(bytes, at, LINE_END);
  } else {
    at = file.writeLines(bytes, at, 0, file.headEnd);
  }
  return endHead(loop, connection, at);
}

function writeContentRange(
  bytes: Uint8Array,
  start: number,
  from: number,
  to: number,
  size: number,
): number {
  let at = writeDecimal(bytes, writeBytes(bytes, start, CONTENT_RANGE), from);
  bytes[at] = DASH;
  at = writeDecimal(bytes, at + 1, to - 1);
  bytes[at] = SLASH;
  return writeBytes(bytes, writeDecimal(bytes, at + 1, size), LINE_END);
}

/** Sends the file's bytes [from, to) in one piece. */
function sendRange(
  loop: EventLoop,
  connection: Connection,
  file: FileEntry,
  from: number,
  to: number,
  partial: boolean,
): void {
  const { sockets } = loop;
  const size = connection.isHead ? 0 : to - from;
  if (file.fd < 0 && !partial && client.connectionLine(connection).length === 0) {
    sendReady(loop, connection, file, size);
    return;
  }
  if (file.fd >= 0 && size > 0 && size <= READ_BYTES_MAX) {
    readBehindHead(loop, connection, file, from, to, partial);
    return;
  }
  const copied = file.fd < 0 && size <= COPY_BYTES_MAX ? size : 0;
  const start = sockets.compose(connection, REPLY_BYTES_MAX + copied);
  if (start < 0) {
    client.abort(loop, connection);
    return;
  }
  let at = writeHead(loop, connection, start, file, from, to, partial);
  if (copied > 0) {
    const body = file.bodyStart + from;
    at = copyWithin(loop.bytes, at, body, body + copied);
  }
  sockets.extend(connection, at);
  if (size === copied) {
    end(loop, connection);
  } else if (file.fd < 0) {
    sockets.queue(connection, BUFFER_NONE, file.bodyStart + from, file.bodyStart + to);
    end(loop, connection);
  } else {
    connection.rangeCount = 0;
    startSending(loop, connection, from, to);
  }
}

/** Sends a file in memory behind its ready head, short ones with it in one piece. */
function sendReady(loop: EventLoop, connection: Connection, file: FileEntry, size: number): void {
  const { bytes, sockets, replies } = loop;
  const { readyStart, bodyStart } = file;
  observer.answer(loop, connection, 200);
  if (file.readySecs !== replies.nowSecs) {
    file.readySecs = replies.nowSecs;
    replies.writeDateText(readyStart + READY_DATE);
  }
  const copied = size <= COPY_BYTES_MAX ? size : 0;
  const count = bodyStart - readyStart + copied;
  const start = sockets.compose(connection, count);
  if (start < 0) {
    client.abort(loop, connection);
    return;
  }
  bytes.copyWithin(start, readyStart, readyStart + count);
  sockets.extend(connection, start + count);
  if (copied < size) sockets.queue(connection, BUFFER_NONE, bodyStart, bodyStart + size);
  end(loop, connection);
}

/** Takes a buffer of its own: until the body is in it, nothing of it may be in the send queue. */
function readBehindHead(
  loop: EventLoop,
  connection: Connection,
  file: FileEntry,
  from: number,
  to: number,
  partial: boolean,
): void {
  const { buffers } = loop;
  const buffer = buffers.takeFor(REPLY_BYTES_MAX + to - from);
  if (buffer === BUFFER_NONE) {
    refuse(loop, connection, 503);
    return;
  }
  connection.fileBuffer = buffer;
  connection.fileOffset = from;
  connection.fileEnd = to;
  const start = buffers.start(buffer);
  connection.readTo = writeHead(loop, connection, start, file, from, to, partial);
  connection.responseState = RESPONSE_BODY;
  read(loop, connection, file, to - from);
}

function read(loop: EventLoop, connection: Connection, file: FileEntry, count: number): void {
  const { buffers, ring } = loop;
  const { fileOffset } = connection;
  connection.pendingOps++;
  ring.push(
    IORING_OP_READ,
    file.fd,
    fileOffset | 0,
    buffers.addressOf(connection.readTo),
    buffers.addressHigh,
    count,
    0,
    connection.slot,
    (USER_OP_FILE_READ << 24) | connection.generation,
    0,
  );
  if (fileOffset > 0xffffffff) ring.setOffHigh(Math.floor(fileOffset / 0x100000000));
}

/** Some of a short body is in its place, or a piece of a long one. */
export function onRead(loop: EventLoop, connection: Connection, result: number): void {
  if (result <= 0) {
    client.abort(loop, connection); // it shrank: the promised length can't be kept
    return;
  }
  connection.readTo += result;
  connection.fileOffset += result;
  const left = connection.fileEnd - connection.fileOffset;
  if (left > 0 && !connection.fileSending) {
    read(loop, connection, connection.file!, left);
    return;
  }
  const buffer = connection.fileBuffer;
  connection.fileBuffer = BUFFER_NONE;
  loop.sockets.queue(connection, buffer, loop.buffers.start(buffer), connection.readTo);
  if (connection.fileSending) {
    loop.sockets.send(connection);
    return;
  }
  end(loop, connection);
}

/** Several ranges: multipart/byteranges (RFC 9110 §14.6), one part after the other. */
function sendParts(loop: EventLoop, connection: Connection, file: FileEntry, count: number): void {
  const { bytes, sockets, replies } = loop;
  const ranges = connection.ranges!;
  observer.answer(loop, connection, 206);
  const start = sockets.compose(connection, REPLY_BYTES_MAX * 2);
  if (start < 0) {
    client.abort(loop, connection);
    return;
  }
  let length = writeLastDelimiter(loop, start) - start;
  for (let index = 0; index < count; index++) {
    const from = ranges[index * 2]!;
    const to = ranges[index * 2 + 1]!;
    length += writePartHead(loop, file, from, to, start) - start + (to - from); // overwritten below
  }
  let at = replies.writeDate(writeBytes(bytes, start, PARTIAL));
  at = writeBytes(bytes, writeBytes(bytes, at, MULTIPART), loop.files!.boundary);
  at = writeBytes(bytes, at, LINE_END);
  at = file.writeLines(bytes, at, file.validatorsStart, file.validatorsEnd);
  at = writeDecimal(bytes, writeBytes(bytes, at, CONTENT_LENGTH), length);
  at = endHead(loop, connection, writeBytes(bytes, at, LINE_END));
  at = writePartHead(loop, file, ranges[0]!, ranges[1]!, at);
  sockets.extend(connection, at);
  connection.rangeCount = count;
  connection.rangeIndex = 0;
  startSending(loop, connection, ranges[0]!, ranges[1]!);
}

function writePartHead(
  loop: EventLoop,
  file: FileEntry,
  from: number,
  to: number,
  start: number,
): number {
  const { bytes } = loop;
  let at = writeBytes(bytes, writeBytes(bytes, start, DELIMITER), loop.files!.boundary);
  at = writeBytes(bytes, at, LINE_END);
  at = file.writeLines(bytes, at, 0, file.validatorsStart);
  at = writeContentRange(bytes, at, from, to, file.size);
  return writeBytes(bytes, at, LINE_END);
}

function writeLastDelimiter(loop: EventLoop, start: number): number {
  const at = writeBytes(loop.bytes, start, DELIMITER);
  return writeBytes(
    loop.bytes,
    writeBytes(loop.bytes, at, loop.files!.boundary),
    CLOSE_DELIMITER_END,
  );
}

/** The head is queued; the bytes [from, to) follow when it has gone. */
function startSending(loop: EventLoop, connection: Connection, from: number, to: number): void {
  connection.responseState = RESPONSE_BODY;
  connection.fileSending = true;
  connection.fileOffset = from;
  connection.fileEnd = to;
  loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
  loop.sockets.send(connection);
}

/** The send queue is empty, or has room again: goes on with a body that is sent piece by piece. */
export function continueSending(loop: EventLoop, connection: Connection): void {
  if (!connection.fileSending) return;
  const file = connection.file!;
  if (connection.fileOffset < connection.fileEnd) {
    if (file.fd < 0) queueFromMemory(loop, connection, file);
    else if (TLS && connection.transport === TRANSPORT_TLS) readPiece(loop, connection, file);
    else sendPiece(loop, connection, file);
    return;
  }
  connection.rangeIndex++;
  if (connection.rangeIndex < connection.rangeCount) nextPart(loop, connection, file);
  else if (connection.rangeCount > 0) lastPart(loop, connection);
  else end(loop, connection);
}

function queueFromMemory(loop: EventLoop, connection: Connection, file: FileEntry): void {
  const { fileOffset, fileEnd } = connection;
  connection.fileOffset = fileEnd;
  loop.sockets.queue(
    connection,
    BUFFER_NONE,
    file.bodyStart + fileOffset,
    file.bodyStart + fileEnd,
  );
  loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
  loop.sockets.send(connection);
}

/** Reads what is to be sealed next: sendfile(2) would send it as it is. */
function readPiece(loop: EventLoop, connection: Connection, file: FileEntry): void {
  const { buffers } = loop;
  const left = connection.fileEnd - connection.fileOffset;
  const large = buffers.takeLarge();
  const buffer = large === BUFFER_NONE ? buffers.takeSmall() : large;
  if (buffer === BUFFER_NONE) {
    client.abort(loop, connection);
    return;
  }
  connection.fileBuffer = buffer;
  connection.readTo = buffers.start(buffer);
  const room = Math.min(buffers.limit(buffer) - connection.readTo, SEALED_BYTES);
  loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
  read(loop, connection, file, Math.min(left, room));
}

/** Sends on while the socket takes it; waits for room when it does not. */
function sendPiece(loop: EventLoop, connection: Connection, file: FileEntry): void {
  const left = connection.fileEnd - connection.fileOffset;
  const sent = loop.calls.sendfile(
    connection.fd,
    file.fd,
    connection.fileOffset,
    Math.min(left, SENDFILE_BYTES),
  );
  if (sent === 0 || (sent < 0 && sent !== -EAGAIN)) {
    client.abort(loop, connection); // the file shrank, or the client has gone
    return;
  }
  if (sent > 0) connection.fileOffset += sent;
  if (OBSERVED && sent > 0) loop.sockets.queuedBytes[connection.slot]! += sent;
  if (connection.fileOffset === connection.fileEnd) {
    continueSending(loop, connection);
    return;
  }
  loop.timers.set(connection.slot, client.WRITE_TIMEOUT_MS);
  loop.sockets.submit(
    connection,
    USER_OP_POLL,
    IORING_OP_POLL_ADD,
    connection.fd,
    0,
    0,
    POLLOUT,
    0,
  );
}

function nextPart(loop: EventLoop, connection: Connection, file: FileEntry): void {
  const { sockets } = loop;
  const start = sockets.compose(connection, REPLY_BYTES_MAX);
  if (start < 0) {
    client.abort(loop, connection);
    return;
  }
  const ranges = connection.ranges!;
  const from = ranges[connection.rangeIndex * 2]!;
  const to = ranges[connection.rangeIndex * 2 + 1]!;
  sockets.extend(connection, writePartHead(loop, file, from, to, start));
  startSending(loop, connection, from, to);
}

function lastPart(loop: EventLoop, connection: Connection): void {
  const start = loop.sockets.compose(connection, REPLY_BYTES_MAX);
  if (start < 0) {
    client.abort(loop, connection);
    return;
  }
  loop.sockets.extend(connection, writeLastDelimiter(loop, start));
  end(loop, connection);
}
