// Answers of our own: status lines, the short text of a refusal, dates and request ids, all written
// into arena bytes from texts prepared at start.

import { ascii, writeBytes, writeDecimal } from "./bytes.ts";
import { HTTP_DATE_BYTES } from "./http-date.ts";

const REASONS: ReadonlyMap<number, string> = new Map([
  [200, "OK"],
  [400, "Bad Request"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [408, "Request Timeout"],
  [412, "Precondition Failed"],
  [413, "Content Too Large"],
  [414, "URI Too Long"],
  [416, "Range Not Satisfiable"],
  [417, "Expectation Failed"],
  [421, "Misdirected Request"],
  [429, "Too Many Requests"],
  [431, "Request Header Fields Too Large"],
  [500, "Internal Server Error"],
  [501, "Not Implemented"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
  [504, "Gateway Timeout"],
  [505, "HTTP Version Not Supported"],
]);

/** More than any reply of ours needs, but for the methods that `Allow` names. */
export const REPLY_BYTES_MAX = 1024;

const STATUS_LINES = new Map<number, Uint8Array>();
const TEXTS = new Map<number, Uint8Array>();
for (const [status, reason] of REASONS) {
  STATUS_LINES.set(status, ascii(`HTTP/1.1 ${status} ${reason}\r\n`));
  TEXTS.set(status, ascii(`${status} ${reason}, request `));
}

const DATE = ascii("Date: ");
const LINE_END = ascii("\r\n");
const TEXT_TYPE = ascii("Content-Type: text/plain\r\nContent-Length: ");
const EMPTY = ascii("Content-Length: 0\r\n");
const RETRY_AFTER = ascii("Retry-After: ");
const ALLOW = ascii("Allow: ");
const UNSATISFIED_RANGE = ascii("Content-Range: bytes */");
const ACCEPT_RANGES = ascii("\r\nAccept-Ranges: bytes\r\n");
export const CONNECTION_CLOSE = ascii("Connection: close\r\n");
export const CONNECTION_KEEP_ALIVE = ascii("Connection: keep-alive\r\n");

const ID_BYTES = 16;
const HEX = ascii("0123456789abcdef");

/** Writes replies; holds what they share: the current date and the request counter. */
export class ReplyWriter {
  private readonly bytes: Uint8Array;
  /** IMF-fixdate (RFC 9110 §5.6.7) of the current second. */
  private readonly date = new Uint8Array(HTTP_DATE_BYTES);
  /** The wall clock's second. */
  nowSecs = -1;
  /** What a 416 says the size of the file is. */
  fileSize = 0;
  /** Eight digits of the worker, eight of the request. */
  private readonly idPrefix: Uint8Array;
  private requestCount = 0;
  /** The number of the request that is answered, where requests have one; -1: count on. */
  givenNumber = -1;
  /** Goes with 429: set before it is written. */
  retryAfterSecs = 0;

  constructor(bytes: Uint8Array, idPrefix: string) {
    this.bytes = bytes;
    this.idPrefix = ascii(idPrefix);
  }

  /** Takes the wall clock's second; the date is printed anew once a second. */
  setClock(secs: number): void {
    if (secs === this.nowSecs) return;
    this.nowSecs = secs;
    this.date.set(ascii(new Date(secs * 1000).toUTCString()));
  }

  /** Writes the date alone. */
  writeDateText(to: number): void {
    writeBytes(this.bytes, to, this.date);
  }

  /** Writes `Date: …` and returns its end. */
  writeDate(to: number): number {
    let at = writeBytes(this.bytes, to, DATE);
    at = writeBytes(this.bytes, at, this.date);
    return writeBytes(this.bytes, at, LINE_END);
  }

  /**
   * Writes a whole reply with a short text. `withBody` is false for HEAD. `connection` is a whole
   * header line or empty. `allow` goes with 405, `fileSize` with 416. Returns the end; needs
   * REPLY_BYTES_MAX bytes, and those of `allow`.
   */
  write(
    to: number,
    status: number,
    withBody: boolean,
    connection: Uint8Array,
    allow: Uint8Array,
  ): number {
    const { bytes } = this;
    let at = writeBytes(bytes, to, STATUS_LINES.get(status) ?? STATUS_LINES.get(500)!);
    at = this.writeDate(at);
    if (status === 405) {
      at = writeBytes(bytes, at, ALLOW);
      at = writeBytes(bytes, at, allow);
      at = writeBytes(bytes, at, LINE_END);
    }
    if (status === 429) {
      at = writeBytes(bytes, at, RETRY_AFTER);
      at = writeDecimal(bytes, at, this.retryAfterSecs);
      at = writeBytes(bytes, at, LINE_END);
    }
    if (status === 416) {
      at = writeBytes(bytes, at, UNSATISFIED_RANGE);
      at = writeDecimal(bytes, at, this.fileSize);
      at = writeBytes(bytes, at, ACCEPT_RANGES);
    }
    at = writeBytes(bytes, at, connection);
    if (status < 400) return writeBytes(bytes, writeBytes(bytes, at, EMPTY), LINE_END);
    const text = TEXTS.get(status) ?? TEXTS.get(500)!;
    at = writeBytes(bytes, at, TEXT_TYPE);
    at = writeDecimal(bytes, at, text.length + ID_BYTES + 1);
    at = writeBytes(bytes, writeBytes(bytes, at, LINE_END), LINE_END);
    if (!withBody) return at;
    at = writeBytes(bytes, at, text);
    at = this.writeId(at);
    bytes[at] = 0x0a;
    return at + 1;
  }

  private writeId(to: number): number {
    let at = writeBytes(this.bytes, to, this.idPrefix);
    if (this.givenNumber === -1) this.requestCount = (this.requestCount + 1) | 0;
    else this.requestCount = this.givenNumber;
    for (let shift = 28; shift >= 0; shift -= 4)
      this.bytes[at++] = HEX[(this.requestCount >>> shift) & 15]!;
    return at;
  }
}
