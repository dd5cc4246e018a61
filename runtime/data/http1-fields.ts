// The header section of a message: one pass over the bytes that finds each field line, knows the
// few fields a proxy acts on, and leaves all others where they are. Strict (RFC 9112 §5): no
// obs-fold, no space before the colon, no bare CR or LF, no control byte.

import { ascii, bytesEqualNoCase, findByte, LOWER, skipBlanks, trimBlanks } from "./bytes.ts";
import { IS_FIELD_VALUE, IS_TOKEN } from "./http1-classes.ts";
import { skipVisible } from "./words.ts";

/** Results below zero of every scan in this folder. */
export const SCAN_INCOMPLETE = -1;
export const SCAN_BAD = -2;
export const SCAN_TOO_MANY_FIELDS = -3;
export const SCAN_BAD_VERSION = -4;

/** More field lines than this are refused with 431; nginx and HAProxy default to about 100. */
const FIELD_COUNT_MAX = 128;

/**
 * Bytes of all Connection fields. Each of their members is held against every other field, which a
 * head full of both would make the most expensive thing that a client can ask for.
 */
export const CONNECTION_BYTES_MAX = 256;

/** What a field is to us. FIELD_OTHER is passed on unseen. */
export const FIELD_OTHER = 0;
export const FIELD_DROPPED = 1; // named by Connection, or hop-by-hop without a meaning of its own
export const FIELD_HOST = 2;
export const FIELD_CONNECTION = 3;
export const FIELD_CONTENT_LENGTH = 4;
export const FIELD_TRANSFER_ENCODING = 5;
export const FIELD_EXPECT = 6;
export const FIELD_UPGRADE = 7;
export const FIELD_TE = 8;
export const FIELD_DATE = 9;
export const FIELD_X_FORWARDED_FOR = 10;
export const FIELD_X_FORWARDED_PROTO = 11;
export const FIELD_X_FORWARDED_HOST = 12;
export const FIELD_IF_MATCH = 13;
export const FIELD_IF_NONE_MATCH = 14;
export const FIELD_IF_MODIFIED_SINCE = 15;
export const FIELD_IF_UNMODIFIED_SINCE = 16;
export const FIELD_IF_RANGE = 17;
export const FIELD_RANGE = 18;
export const FIELD_FORWARDED = 19;
/** X-Forwarded-* with an underscore: servers that make variables of names read it as the same. */
export const FIELD_LOOKALIKE = 20;

const HOST = ascii("host");
const CONNECTION = ascii("connection");
const CONTENT_LENGTH = ascii("content-length");
const TRANSFER_ENCODING = ascii("transfer-encoding");
const EXPECT = ascii("expect");
const UPGRADE = ascii("upgrade");
const TE = ascii("te");
const DATE = ascii("date");
const KEEP_ALIVE = ascii("keep-alive");
const PROXY_CONNECTION = ascii("proxy-connection");
const X_FORWARDED_FOR = ascii("x-forwarded-for");
const X_FORWARDED_PROTO = ascii("x-forwarded-proto");
const X_FORWARDED_HOST = ascii("x-forwarded-host");
const FORWARDED = ascii("forwarded");
const IF_MATCH = ascii("if-match");
const IF_NONE_MATCH = ascii("if-none-match");
const IF_MODIFIED_SINCE = ascii("if-modified-since");
const IF_UNMODIFIED_SINCE = ascii("if-unmodified-since");
const IF_RANGE = ascii("if-range");
const RANGE = ascii("range");

/** The FIELD_* of the name in `bytes[start, end)`: its length picks the only candidates. */
export function fieldKind(bytes: Uint8Array, start: number, end: number): number {
  switch (end - start) {
    case 2:
      return bytesEqualNoCase(bytes, start, end, TE) ? FIELD_TE : FIELD_OTHER;
    case 4:
      if (bytesEqualNoCase(bytes, start, end, HOST)) return FIELD_HOST;
      return bytesEqualNoCase(bytes, start, end, DATE) ? FIELD_DATE : FIELD_OTHER;
    case 5:
      return bytesEqualNoCase(bytes, start, end, RANGE) ? FIELD_RANGE : FIELD_OTHER;
    case 6:
      return bytesEqualNoCase(bytes, start, end, EXPECT) ? FIELD_EXPECT : FIELD_OTHER;
    case 7:
      return bytesEqualNoCase(bytes, start, end, UPGRADE) ? FIELD_UPGRADE : FIELD_OTHER;
    case 8:
      if (bytesEqualNoCase(bytes, start, end, IF_MATCH)) return FIELD_IF_MATCH;
      return bytesEqualNoCase(bytes, start, end, IF_RANGE) ? FIELD_IF_RANGE : FIELD_OTHER;
    case 9:
      return bytesEqualNoCase(bytes, start, end, FORWARDED) ? FIELD_FORWARDED : FIELD_OTHER;
    case 10:
      if (bytesEqualNoCase(bytes, start, end, CONNECTION)) return FIELD_CONNECTION;
      return bytesEqualNoCase(bytes, start, end, KEEP_ALIVE) ? FIELD_DROPPED : FIELD_OTHER;
    case 13:
      return bytesEqualNoCase(bytes, start, end, IF_NONE_MATCH) ? FIELD_IF_NONE_MATCH : FIELD_OTHER;
    case 14:
      return bytesEqualNoCase(bytes, start, end, CONTENT_LENGTH)
        ? FIELD_CONTENT_LENGTH
        : FIELD_OTHER;
    case 15:
      return bytesEqualNoCase(bytes, start, end, X_FORWARDED_FOR)
        ? FIELD_X_FORWARDED_FOR
        : lookalike(bytes, start, X_FORWARDED_FOR);
    case 16:
      if (bytesEqualNoCase(bytes, start, end, PROXY_CONNECTION)) return FIELD_DROPPED;
      return bytesEqualNoCase(bytes, start, end, X_FORWARDED_HOST)
        ? FIELD_X_FORWARDED_HOST
        : lookalike(bytes, start, X_FORWARDED_HOST);
    case 17:
      if (bytesEqualNoCase(bytes, start, end, TRANSFER_ENCODING)) return FIELD_TRANSFER_ENCODING;
      if (bytesEqualNoCase(bytes, start, end, IF_MODIFIED_SINCE)) return FIELD_IF_MODIFIED_SINCE;
      return bytesEqualNoCase(bytes, start, end, X_FORWARDED_PROTO)
        ? FIELD_X_FORWARDED_PROTO
        : lookalike(bytes, start, X_FORWARDED_PROTO);
    case 19:
      return bytesEqualNoCase(bytes, start, end, IF_UNMODIFIED_SINCE)
        ? FIELD_IF_UNMODIFIED_SINCE
        : FIELD_OTHER;
    default:
      return FIELD_OTHER;
  }
}

/** FIELD_LOOKALIKE for a name that is `name` (of the same length) when "_" counts as "-". */
function lookalike(bytes: Uint8Array, start: number, name: Uint8Array): number {
  for (let at = 0; at < name.length; at++) {
    const byte = LOWER[bytes[start + at]!];
    if ((byte === UNDERSCORE ? HYPHEN : byte) !== name[at]) return FIELD_OTHER;
  }
  return FIELD_LOOKALIKE;
}

const UNDERSCORE = 0x5f;
const HYPHEN = 0x2d;
const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const COMMA = 0x2c;

/**
 * The field lines of one head. One object a worker: a head is used up before the next is scanned.
 */
export class HeadFields {
  count = 0;
  /**
   * `lineStart[count]` is the start of the empty line, so that line i ends at `lineStart[i + 1]`.
   */
  readonly lineStart = new Int32Array(FIELD_COUNT_MAX + 1);
  readonly nameEnd = new Int32Array(FIELD_COUNT_MAX);
  readonly valueStart = new Int32Array(FIELD_COUNT_MAX);
  readonly valueEnd = new Int32Array(FIELD_COUNT_MAX);
  readonly kind = new Uint8Array(FIELD_COUNT_MAX);
  /** Bit k is set when a field of kind k is there. */
  present = 0;

  /**
   * Scans field lines from `start` up to and including the empty line. `bytes[end]` must be 0, and
   * WORD_SLACK bytes more be there; `view` is of the same memory. Returns the offset behind the
   * empty line, or a SCAN_* reason.
   */
  scan(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    let at = start;
    let count = 0;
    this.present = 0;
    for (;;) {
      this.lineStart[count] = at;
      if (bytes[at] === CR) {
        this.count = count;
        if (bytes[at + 1] === LF && at + 2 <= end) return at + 2;
        return at + 1 < end ? SCAN_BAD : SCAN_INCOMPLETE;
      }
      if (count === FIELD_COUNT_MAX) return at < end ? SCAN_TOO_MANY_FIELDS : SCAN_INCOMPLETE;
      const nameStart = at;
      while (IS_TOKEN[bytes[at]!] === 1) at++;
      if (bytes[at] !== COLON || at === nameStart) return at < end ? SCAN_BAD : SCAN_INCOMPLETE;
      const nameEnd = at;
      at++;
      while (bytes[at] === SPACE || bytes[at] === TAB) at++;
      const valueStart = at;
      at = skipVisible(view, at);
      while (IS_FIELD_VALUE[bytes[at]!] === 1) at++;
      if (bytes[at] !== CR) return at < end ? SCAN_BAD : SCAN_INCOMPLETE;
      if (bytes[at + 1] !== LF) return at + 1 < end ? SCAN_BAD : SCAN_INCOMPLETE;
      let valueEnd = at;
      while (
        valueEnd > valueStart &&
        (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)
      )
        valueEnd--;
      at += 2;
      const kind = fieldKind(bytes, nameStart, nameEnd);
      this.nameEnd[count] = nameEnd;
      this.valueStart[count] = valueStart;
      this.valueEnd[count] = valueEnd;
      this.kind[count] = kind;
      this.present |= 1 << kind;
      count++;
    }
  }

  /** Whether a field of `kind` is there. */
  has(kind: number): boolean {
    return (this.present & (1 << kind)) !== 0;
  }

  /**
   * The one Content-Length of the head, or SCAN_BAD: several differing, a list, a sign, more than
   * 15 digits (RFC 9112 §6.3). Equal repetitions are refused too: servers disagree on them.
   */
  contentLength(bytes: Uint8Array): number {
    let length = -1;
    for (let index = 0; index < this.count; index++) {
      if (this.kind[index] !== FIELD_CONTENT_LENGTH) continue;
      if (length >= 0) return SCAN_BAD;
      const start = this.valueStart[index]!;
      const end = this.valueEnd[index]!;
      if (end === start || end - start > 15) return SCAN_BAD;
      length = 0;
      for (let at = start; at < end; at++) {
        const digit = bytes[at]! - 0x30;
        if (digit < 0 || digit > 9) return SCAN_BAD;
        length = length * 10 + digit;
      }
    }
    return length;
  }

  /** Index of the next field of `kind` at or after `from`, or -1. */
  find(kind: number, from: number): number {
    for (let index = from; index < this.count; index++) if (this.kind[index] === kind) return index;
    return -1;
  }

  /** Whether the comma-separated values of all fields of `kind` hold `token` (lower-case). */
  hasToken(bytes: Uint8Array, kind: number, token: Uint8Array): boolean {
    for (let index = this.find(kind, 0); index >= 0; index = this.find(kind, index + 1)) {
      let at = this.valueStart[index]!;
      const end = this.valueEnd[index]!;
      while (at < end) {
        const itemStart = skipBlanks(bytes, at, end);
        const itemEnd = findByte(bytes, itemStart, end, COMMA);
        if (bytesEqualNoCase(bytes, itemStart, trimBlanks(bytes, itemStart, itemEnd), token))
          return true;
        at = itemEnd + 1;
      }
    }
    return false;
  }

  /** Whether Connection says more than anybody has to say there. */
  get isConnectionLong(): boolean {
    let bytes = 0;
    for (let at = this.find(FIELD_CONNECTION, 0); at >= 0; at = this.find(FIELD_CONNECTION, at + 1))
      bytes += this.valueEnd[at]! - this.valueStart[at]!;
    return bytes > CONNECTION_BYTES_MAX;
  }

  /** Leaves out all fields of a kind. */
  drop(kind: number): void {
    for (let index = 0; index < this.count; index++)
      if (this.kind[index] === kind) this.kind[index] = FIELD_DROPPED;
    this.present = (this.present & ~(1 << kind)) | (1 << FIELD_DROPPED);
  }

  /**
   * Marks as FIELD_DROPPED every field that Connection names (RFC 9110 §7.6.1). The framing and
   * routing fields that we act on ourselves keep their kind: naming them changes nothing.
   */
  dropNamedByConnection(bytes: Uint8Array): void {
    for (let c = this.find(FIELD_CONNECTION, 0); c >= 0; c = this.find(FIELD_CONNECTION, c + 1)) {
      let at = this.valueStart[c]!;
      const end = this.valueEnd[c]!;
      while (at < end) {
        const itemStart = skipBlanks(bytes, at, end);
        const itemEnd = findByte(bytes, itemStart, end, COMMA);
        this.dropNamed(bytes, itemStart, trimBlanks(bytes, itemStart, itemEnd));
        at = itemEnd + 1;
      }
    }
  }

  private dropNamed(bytes: Uint8Array, nameStart: number, nameEnd: number): void {
    const length = nameEnd - nameStart;
    for (let index = 0; index < this.count; index++) {
      const kind = this.kind[index]!;
      if (kind !== FIELD_OTHER && kind !== FIELD_DATE && kind < FIELD_X_FORWARDED_FOR) continue;
      const start = this.lineStart[index]!;
      if (this.nameEnd[index]! - start !== length) continue;
      if (!sameNoCase(bytes, start, nameStart, length)) continue;
      this.kind[index] = FIELD_DROPPED;
      if (kind !== FIELD_OTHER) this.present &= ~(1 << kind); // all of that name go
      this.present |= 1 << FIELD_DROPPED;
    }
  }
}

function sameNoCase(bytes: Uint8Array, left: number, right: number, length: number): boolean {
  for (let at = 0; at < length; at++) {
    const a = bytes[left + at]!;
    const b = bytes[right + at]!;
    if (a === b) continue;
    if ((a | 0x20) !== (b | 0x20) || (a | 0x20) < 0x61 || (a | 0x20) > 0x7a) return false;
  }
  return true;
}
