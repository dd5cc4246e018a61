// One file that is being served: an open descriptor, or bytes in the arena, and the part of its
// answers' heads that does not change, printed once.

import { ascii, writeBytes, writeDecimal } from "./bytes.ts";
import type { Validators } from "./file-conditions.ts";
import { HTTP_DATE_BYTES, writeHttpDate } from "./http-date.ts";

/** Longest content type that fits. */
export const TYPE_BYTES_MAX = 256;
const HEAD_BYTES = 512;

const READY = ascii(`HTTP/1.1 200 OK\r\nDate: ${" ".repeat(HTTP_DATE_BYTES)}\r\n`);
/** Where in a ready head the date goes. */
export const READY_DATE = READY.length - HTTP_DATE_BYTES - 2;
/** The longest ready head. */
export const READY_BYTES_MAX = READY.length + HEAD_BYTES + 2;

const CONTENT_TYPE = ascii("Content-Type: ");
const LAST_MODIFIED = ascii("\r\nLast-Modified: ");
const ENTITY_TAG = ascii("\r\nETag: ");
const ACCEPT_RANGES = ascii("\r\nAccept-Ranges: bytes\r\n");
const CONTENT_LENGTH = ascii("Content-Length: ");
const LINE_END = ascii("\r\n");
const QUOTE = 0x22;
const DASH = 0x2d;

export class FileEntry implements Validators {
  /** The open file, or -1 for one in memory. */
  fd = -1;
  /** Arena offset of a file in memory, and of the ready head before it, which a `Date` is in. */
  bodyStart = 0;
  readyStart = 0;
  /** The second that the ready head's `Date` tells. */
  readySecs = -1;
  /** A name in memory mode that answers 403: it leads out of the root, or can't be read. */
  forbidden = false;
  size = 0;
  /** The modification time, and what of it Last-Modified says: never later than now. */
  mtimeSecs = 0;
  mtimeNanos = 0;
  modifiedSecs = 0;

  /** `| Content-Type | Last-Modified, ETag, Accept-Ranges | Content-Length |`, whole lines. */
  readonly head = new Uint8Array(HEAD_BYTES);
  validatorsStart = 0;
  validatorsEnd = 0;
  headEnd = 0;
  tagStart = 0;
  tagEnd = 0;

  /** Connections that serve it, and the cache: closed at 0. */
  users = 0;

  // What the cache knows it by.
  rootFd = -1;
  hash = 0;
  readonly key: Uint8Array;
  keyBytes = 0;
  openedTick = 0;
  listed = false;
  /** The next entry of the same hash bucket, and the neighbours in age. */
  next: FileEntry | null = null;
  older: FileEntry | null = null;
  newer: FileEntry | null = null;

  /** `keyBytesMax`: 0 for an entry that no cache holds. */
  constructor(keyBytesMax: number) {
    this.key = new Uint8Array(keyBytesMax);
  }

  get tagBytes(): Uint8Array {
    return this.head;
  }

  /** Takes size and modification time and prints the lines. `nowSecs` is the wall clock. */
  describe(
    type: Uint8Array,
    size: number,
    mtimeSecs: number,
    mtimeNanos: number,
    nowSecs: number,
  ): void {
    const { head } = this;
    this.size = size;
    this.mtimeSecs = mtimeSecs;
    this.mtimeNanos = mtimeNanos;
    // A date in the future would promise what is not known yet (RFC 9110 §8.8.2.1).
    this.modifiedSecs = Math.max(Math.min(mtimeSecs, nowSecs), 0);
    let at = writeBytes(head, 0, CONTENT_TYPE);
    at = writeBytes(head, at, type);
    this.validatorsStart = at + LINE_END.length;
    at = writeBytes(head, at, LAST_MODIFIED);
    at = writeHttpDate(head, at, this.modifiedSecs);
    at = writeBytes(head, at, ENTITY_TAG);
    this.tagStart = at;
    head[at] = QUOTE;
    at = writeLargeHex(head, at + 1, Math.abs(mtimeSecs));
    head[at] = DASH;
    at = writeLargeHex(head, at + 1, mtimeNanos);
    head[at] = DASH;
    at = writeLargeHex(head, at + 1, size);
    head[at] = QUOTE;
    this.tagEnd = at + 1;
    at = writeBytes(head, at + 1, ACCEPT_RANGES);
    this.validatorsEnd = at;
    at = writeBytes(head, at, CONTENT_LENGTH);
    at = writeDecimal(head, at, size);
    this.headEnd = writeBytes(head, at, LINE_END);
  }

  /**
   * Puts a file in memory into the arena at `to`, behind the head of an answer with all of it, to
   * which only the date is missing. Returns the end of both.
   */
  place(bytes: Uint8Array, to: number, content: Uint8Array): number {
    this.readyStart = to;
    let at = writeBytes(bytes, to, READY);
    at = this.writeLines(bytes, at, 0, this.headEnd);
    this.bodyStart = writeBytes(bytes, at, LINE_END);
    bytes.set(content, this.bodyStart);
    return this.bodyStart + content.length;
  }

  /** Copies the printed lines from `start` to `end` and returns the copy's end. */
  writeLines(bytes: Uint8Array, to: number, start: number, end: number): number {
    const { head } = this;
    for (let at = start; at < end; at++) bytes[to + at - start] = head[at]!;
    return to + end - start;
  }

  /** Whether the file still is what was described. */
  isSame(size: number, mtimeSecs: number, mtimeNanos: number): boolean {
    return size === this.size && mtimeNanos === this.mtimeNanos && mtimeSecs === this.mtimeSecs;
  }
}

/** Writes a non-negative integer up to 2^53 in hexadecimal. */
function writeLargeHex(bytes: Uint8Array, to: number, value: number): number {
  let digits = 1;
  for (let rest = Math.floor(value / 16); rest > 0; rest = Math.floor(rest / 16)) digits++;
  let rest = value;
  for (let at = to + digits - 1; at >= to; at--) {
    const quotient = Math.floor(rest / 16);
    const digit = rest - quotient * 16;
    bytes[at] = digit < 10 ? 48 + digit : 87 + digit;
    rest = quotient;
  }
  return to + digits;
}
