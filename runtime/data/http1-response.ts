// The head of a response (RFC 9112 §4): status line, fields, and what they mean for framing. One
// object a worker, filled anew for each response.

import { ascii } from "./bytes.ts";
import { IS_FIELD_VALUE } from "./http1-classes.ts";
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_TRANSFER_ENCODING,
  HeadFields,
  SCAN_BAD,
  SCAN_INCOMPLETE,
} from "./http1-fields.ts";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from "./http1-request.ts";

const HTTP_1 = ascii("HTTP/1.");
const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const CHUNKED = ascii("chunked");
const CLOSE = ascii("close");
const KEEP_ALIVE = ascii("keep-alive");

export class ResponseHead {
  bytes!: Uint8Array;
  /** Of the same memory as `bytes`. */
  view!: DataView;
  readonly fields = new HeadFields();
  status = 0;
  minorVersion = 1;
  /** From behind the version to the end of the status line, CRLF included: " 200 OK\r\n". */
  statusStart = 0;
  statusEnd = 0;
  bodyMode = BODY_NONE;
  contentLength = 0;
  keepAlive = true;

  constructor(bytes: Uint8Array) {
    this.setBytes(bytes);
  }

  /** Reads heads in another memory from now on. */
  setBytes(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Scans one head in `bytes[start, end)`; `bytes[end]` must be 0. `toHead` says that the request
   * was HEAD, whose answers have no body (RFC 9112 §6.3). Returns the offset behind the head, or
   * SCAN_INCOMPLETE, SCAN_BAD or SCAN_TOO_MANY_FIELDS.
   */
  scan(start: number, end: number, toHead: boolean): number {
    const bytes = this.bytes;
    for (let index = 0; index < 13; index++) {
      const at = start + index;
      if (at >= end) return SCAN_INCOMPLETE;
      const byte = bytes[at]!;
      if (index < 7) {
        if (byte !== HTTP_1[index]) return SCAN_BAD;
      } else if (index === 8) {
        if (byte !== SPACE) return SCAN_BAD;
      } else if (index === 12) {
        if (byte !== SPACE && byte !== CR) return SCAN_BAD; // the reason may be left out
      } else if (byte < 0x30 || byte > 0x39) return SCAN_BAD;
    }
    this.minorVersion = bytes[start + 7] === 0x30 ? 0 : 1;
    this.status =
      (bytes[start + 9]! - 48) * 100 + (bytes[start + 10]! - 48) * 10 + (bytes[start + 11]! - 48);
    if (this.status < 100 || this.status > 599) return SCAN_BAD; // RFC 9110 §15
    this.statusStart = start + 8;
    let at = start + 12;
    while (IS_FIELD_VALUE[bytes[at]!] === 1) at++;
    if (bytes[at] !== CR) return at < end ? SCAN_BAD : SCAN_INCOMPLETE;
    if (bytes[at + 1] !== LF) return at + 1 < end ? SCAN_BAD : SCAN_INCOMPLETE;
    this.statusEnd = at + 2;
    const headEnd = this.fields.scan(bytes, this.view, at + 2, end);
    if (headEnd < 0) return headEnd;
    return this.readFraming(toHead) < 0 ? SCAN_BAD : headEnd;
  }

  /**
   * RFC 9112 §6.3, stricter: both lengths, or a coding other than chunked, is a malformed answer.
   */
  private readFraming(toHead: boolean): number {
    const { bytes, fields, status } = this;
    this.keepAlive = this.minorVersion === 1;
    if (fields.has(FIELD_CONNECTION)) {
      if (fields.isConnectionLong) return SCAN_BAD;
      if (fields.hasToken(bytes, FIELD_CONNECTION, CLOSE)) this.keepAlive = false;
      else if (fields.hasToken(bytes, FIELD_CONNECTION, KEEP_ALIVE)) this.keepAlive = true;
    }
    this.contentLength = 0;
    this.bodyMode = BODY_UNTIL_CLOSE;
    if (fields.has(FIELD_TRANSFER_ENCODING)) {
      if (fields.has(FIELD_CONTENT_LENGTH) || this.minorVersion === 0) return SCAN_BAD;
      if (!this.isOnlyChunked()) return SCAN_BAD;
      this.bodyMode = BODY_CHUNKED;
    } else if (fields.has(FIELD_CONTENT_LENGTH)) {
      const declared = fields.contentLength(bytes);
      if (declared < 0) return SCAN_BAD;
      this.contentLength = declared;
      this.bodyMode = declared > 0 ? BODY_LENGTH : BODY_NONE;
    }
    if (toHead || status < 200 || status === 204 || status === 304) this.bodyMode = BODY_NONE;
    if (this.bodyMode === BODY_UNTIL_CLOSE) this.keepAlive = false;
    return 0;
  }

  private isOnlyChunked(): boolean {
    const { bytes, fields } = this;
    const index = fields.find(FIELD_TRANSFER_ENCODING, 0);
    if (fields.find(FIELD_TRANSFER_ENCODING, index + 1) >= 0) return false;
    return (
      fields.valueEnd[index]! - fields.valueStart[index]! === CHUNKED.length &&
      fields.hasToken(bytes, FIELD_TRANSFER_ENCODING, CHUNKED)
    );
  }
}
