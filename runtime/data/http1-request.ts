// The head of a request (RFC 9112 §3): request line, fields, and what they mean for framing and
// routing. One object a worker, filled anew for each request; nothing here outlives the dispatch.

import { ascii, bytesEqualNoCase } from "./bytes.ts";
import { IS_TARGET, IS_TOKEN } from "./http1-classes.ts";
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  HeadFields,
  SCAN_BAD,
  SCAN_BAD_VERSION,
  SCAN_INCOMPLETE,
} from "./http1-fields.ts";
import { METHOD_CONNECT, METHOD_GET, METHOD_OPTIONS, METHOD_OTHER, methodBit } from "./method.ts";
import { normaliseHost, normalisePath, TargetRange } from "./request-target.ts";

export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
/** A response whose end is the end of the connection. */
export const BODY_UNTIL_CLOSE = 3;

const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const SLASH = 0x2f;
const ASTERISK = 0x2a;
const METHOD_BYTES_MAX = 32;

/** HTTP-version and the line's end; "0" stands for any digit. */
const VERSION = ascii("HTTP/0.0\r\n");
const DIGIT = 0x30;
const HTTP_SCHEME = ascii("http://");
const HTTPS_SCHEME = ascii("https://");
const CHUNKED = ascii("chunked");
const CLOSE = ascii("close");
const KEEP_ALIVE = ascii("keep-alive");
const UPGRADE = ascii("upgrade");
const H2C = ascii("h2c");
const CONTINUE_100 = ascii("100-continue");

export class RequestHead {
  bytes!: Uint8Array;
  /** Of the same memory as `bytes`. */
  view!: DataView;
  readonly fields = new HeadFields();
  methodStart = 0;
  methodEnd = 0;
  /** One of METHOD_*. */
  method = METHOD_OTHER;
  /** The request target as it was sent. */
  targetStart = 0;
  targetEnd = 0;
  /** Host in normal form. Empty for an HTTP/1.0 request without one. */
  readonly host = new TargetRange();
  /** The authority as it was sent: Host, or the target's in absolute form. */
  authorityStart = 0;
  authorityEnd = 0;
  /** Path in normal form, and the query with its "?" (empty range: none). */
  readonly path = new TargetRange();
  queryStart = 0;
  queryEnd = 0;
  minorVersion = 1;
  bodyMode = BODY_NONE;
  contentLength = 0;
  keepAlive = true;
  /** `OPTIONS *`: about the server, not a resource. */
  isAsterisk = false;
  /** OPTIONS of an absolute form without path and query: for its upstream, it is `OPTIONS *`. */
  isServerWide = false;
  /** The target's scheme is https. */
  isHttps = false;
  /** Asks for another protocol, which is passed on (RFC 9110 §7.8): a GET without a body. */
  wantsUpgrade = false;

  /** Whom it is from has been read; set by `readClientAddress`, where it matters. */
  isClientKnown = false;
  /** Comes from a trusted proxy; false while nobody has looked. */
  isForwarded = false;
  /** It came over TLS; set by who forwards it. */
  isSecure = false;

  constructor(bytes: Uint8Array) {
    this.setBytes(bytes);
  }

  /** Reads heads in another memory from now on. */
  setBytes(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Scans one head in `bytes[start, end)`. `bytes[end]` must be 0; `scratch` needs room for the
   * head and 256 bytes more. Returns the offset behind the head, or a SCAN_* reason. `refusal()`
   * then says which status a head that was read but can't be served gets.
   */
  scan(start: number, end: number, scratch: number): number {
    const bytes = this.bytes;
    this.isClientKnown = false;
    this.isForwarded = false;
    let at = start;
    while (bytes[at] === CR && bytes[at + 1] === LF && at - start < 4) at += 2; // RFC 9112 §2.2
    this.methodStart = at;
    while (IS_TOKEN[bytes[at]!] === 1) at++;
    this.methodEnd = at;
    if (at - this.methodStart > METHOD_BYTES_MAX) return SCAN_BAD;
    if (bytes[at] !== SPACE || at === this.methodStart) {
      const partialLineEnd = bytes[at] === CR && at + 1 === end && at === this.methodStart;
      return at < end && !partialLineEnd ? SCAN_BAD : SCAN_INCOMPLETE;
    }
    this.targetStart = ++at;
    while (IS_TARGET[bytes[at]!] === 1) at++;
    this.targetEnd = at;
    if (bytes[at] !== SPACE || at === this.targetStart)
      return at < end ? SCAN_BAD : SCAN_INCOMPLETE;
    at++;
    const versionEnd = this.scanVersion(at, end);
    if (versionEnd < 0) return versionEnd;
    const headEnd = this.fields.scan(bytes, this.view, versionEnd, end);
    if (headEnd < 0) return headEnd;
    if (this.readFraming() < 0 || this.readTarget(scratch) < 0) return SCAN_BAD;
    return headEnd;
  }

  /** `HTTP/1.x CRLF`: returns the offset behind it or a SCAN_* reason. */
  private scanVersion(start: number, end: number): number {
    const bytes = this.bytes;
    for (let index = 0; index < VERSION.length; index++) {
      const at = start + index;
      if (at >= end) return SCAN_INCOMPLETE;
      const expected = VERSION[index]!;
      if (expected === DIGIT ? !isDigit(bytes[at]!) : bytes[at] !== expected) return SCAN_BAD;
    }
    if (bytes[start + 5] !== 0x31) return SCAN_BAD_VERSION;
    this.minorVersion = bytes[start + 7] === 0x30 ? 0 : 1;
    return start + VERSION.length;
  }

  /** Body length and connection persistence (RFC 9112 §6.3, §9.3). Returns 0 or SCAN_BAD. */
  private readFraming(): number {
    const { bytes, fields } = this;
    this.method = methodBit(bytes, this.methodStart, this.methodEnd);
    this.bodyMode = BODY_NONE;
    this.contentLength = 0;
    this.wantsUpgrade = false;
    this.keepAlive = this.minorVersion === 1;
    // HTTP/1.0 has no expectations (RFC 9110 §10.1.1); its client sends the body in any case.
    if (this.minorVersion === 0 && fields.has(FIELD_EXPECT)) fields.drop(FIELD_EXPECT);
    if (fields.has(FIELD_TRANSFER_ENCODING)) {
      // HTTP/1.0 knows no transfer codings: framing would differ between hops.
      if (fields.has(FIELD_CONTENT_LENGTH) || this.minorVersion === 0) return SCAN_BAD;
      this.bodyMode = BODY_CHUNKED;
    } else if (fields.has(FIELD_CONTENT_LENGTH)) {
      const declared = fields.contentLength(bytes);
      if (declared < 0) return SCAN_BAD;
      this.contentLength = declared;
      if (declared > 0) this.bodyMode = BODY_LENGTH;
    }
    if (fields.has(FIELD_CONNECTION)) {
      if (fields.isConnectionLong) return SCAN_BAD;
      if (fields.hasToken(bytes, FIELD_CONNECTION, CLOSE)) this.keepAlive = false;
      else if (fields.hasToken(bytes, FIELD_CONNECTION, KEEP_ALIVE)) this.keepAlive = true;
      // HTTP/2 in a tunnel would pass requests by the routes and their checks; RFC 9113 §3.1 has
      // given that upgrade up.
      this.wantsUpgrade =
        this.method === METHOD_GET &&
        this.minorVersion === 1 &&
        this.bodyMode === BODY_NONE &&
        fields.has(FIELD_UPGRADE) &&
        fields.hasToken(bytes, FIELD_CONNECTION, UPGRADE) &&
        !fields.hasToken(bytes, FIELD_UPGRADE, H2C);
    }
    return 0;
  }

  /** Host and path in normal form (RFC 9112 §3.2, §3.3). Returns 0 or SCAN_BAD. */
  private readTarget(scratch: number): number {
    const { bytes, fields } = this;
    const hostScratch = scratch;
    const pathScratch = scratch + 256;
    const hostField = fields.find(FIELD_HOST, 0);
    this.isAsterisk = false;
    this.isServerWide = false;
    this.isHttps = false;
    this.host.start = this.host.end = hostScratch;
    this.authorityStart = this.authorityEnd = hostScratch;
    if (hostField < 0) {
      if (this.minorVersion !== 0) return SCAN_BAD;
    } else {
      if (fields.find(FIELD_HOST, hostField + 1) >= 0) return SCAN_BAD;
      this.authorityStart = fields.valueStart[hostField]!;
      this.authorityEnd = fields.valueEnd[hostField]!;
      if (this.readAuthority(hostScratch) < 0) return SCAN_BAD;
    }
    let pathStart = this.targetStart;
    if (bytes[pathStart] !== SLASH) {
      if (bytes[pathStart] === ASTERISK && this.targetEnd === pathStart + 1) {
        return this.readAsterisk();
      }
      if (this.method === METHOD_CONNECT) {
        this.path.start = this.path.end = this.queryStart = this.queryEnd = pathStart;
        return 0; // authority-form; `refusal` answers 501
      }
      pathStart = this.readAbsoluteForm(hostScratch);
      if (pathStart < 0) return SCAN_BAD;
    }
    if (pathStart === this.targetEnd || bytes[pathStart] !== SLASH) {
      // Absolute form without a path: "http://host" and "http://host?query" mean "/".
      bytes[pathScratch] = SLASH;
      this.path.start = pathScratch;
      this.path.end = pathScratch + 1;
      this.queryStart = pathStart;
      this.queryEnd = this.targetEnd;
      // RFC 9112 §3.2.4
      this.isServerWide = pathStart === this.targetEnd && this.method === METHOD_OPTIONS;
      return 0;
    }
    const queryStart = normalisePath(bytes, pathStart, this.targetEnd, pathScratch, this.path);
    if (queryStart < 0) return SCAN_BAD;
    this.queryStart = queryStart;
    this.queryEnd = this.targetEnd;
    return 0;
  }

  private readAuthority(scratch: number): number {
    return normaliseHost(this.bytes, this.authorityStart, this.authorityEnd, scratch, this.host);
  }

  private readAsterisk(): number {
    if (this.method !== METHOD_OPTIONS) return SCAN_BAD;
    this.isAsterisk = true;
    this.path.start = this.targetStart;
    this.path.end = this.queryStart = this.queryEnd = this.targetEnd;
    return 0;
  }

  /**
   * `http://authority…`: the authority replaces Host (RFC 9112 §3.2.2). Returns the path's offset.
   */
  private readAbsoluteForm(scratch: number): number {
    const { bytes, targetStart, targetEnd } = this;
    const schemeEnd = bytesEqualNoCase(bytes, targetStart, targetStart + 7, HTTP_SCHEME)
      ? targetStart + 7
      : bytesEqualNoCase(bytes, targetStart, targetStart + 8, HTTPS_SCHEME)
        ? targetStart + 8
        : -1;
    if (schemeEnd < 0 || schemeEnd > targetEnd) return SCAN_BAD;
    this.isHttps = schemeEnd > targetStart + 7;
    let at = schemeEnd;
    while (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== 0x3f) at++;
    this.authorityStart = schemeEnd;
    this.authorityEnd = at;
    return this.readAuthority(scratch) < 0 ? SCAN_BAD : at;
  }

  /**
   * The status for a well-formed head that can't be served, or 0: 421 for an https resource, which
   * only a secured connection may ask for (RFC 9110 §7.4), 501 for CONNECT and for transfer codings
   * other than chunked, 417 for an unknown expectation.
   */
  refusal(isSecured: boolean): number {
    const { bytes, fields } = this;
    if (this.isHttps && !isSecured) return 421;
    if (this.bodyMode === BODY_CHUNKED) {
      const index = fields.find(FIELD_TRANSFER_ENCODING, 0);
      const end = fields.valueEnd[index]!;
      const only = fields.find(FIELD_TRANSFER_ENCODING, index + 1) < 0;
      if (!only || !bytesEqualNoCase(bytes, fields.valueStart[index]!, end, CHUNKED)) return 501;
    }
    if (fields.has(FIELD_EXPECT) && !this.expectsOnlyContinue()) return 417;
    return this.method === METHOD_CONNECT ? 501 : 0;
  }

  /** Whether 100-continue is all that the client expects, in whatever number of fields. */
  private expectsOnlyContinue(): boolean {
    const { bytes, fields } = this;
    for (let at = fields.find(FIELD_EXPECT, 0); at >= 0; at = fields.find(FIELD_EXPECT, at + 1)) {
      const start = fields.valueStart[at]!;
      if (!bytesEqualNoCase(bytes, start, fields.valueEnd[at]!, CONTINUE_100)) return false;
    }
    return true;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
