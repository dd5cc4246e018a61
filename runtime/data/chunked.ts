// The chunked coding (RFC 9112 §7.1), decoded as it passes. The bytes are forwarded as they are, so
// the grammar taken here must be the one every upstream reads the same way: exact CRLFs, bare
// hexadecimal sizes, bounded extensions, and no field among the trailers that would frame, or that
// a head would not have got past us with.

import { HEX_VALUE, IS_FIELD_VALUE, IS_TOKEN } from "./http1-classes.ts";
import {
  FIELD_CONTENT_LENGTH,
  FIELD_DATE,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_TRANSFER_ENCODING,
  fieldKind,
  SCAN_BAD,
} from "./http1-fields.ts";

// States of ChunkState.state, in the order of the wire.
const SIZE_FIRST = 0;
const SIZE = 1;
const EXTENSION = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
const TRAILER_FIRST = 7;
const TRAILER_NAME = 8;
const TRAILER_VALUE = 9;
const TRAILER_LF = 10;
const END_LF = 11;
const DONE = 12;

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const TAB = 0x09;

/** Bytes of chunk extensions in one body. Nobody uses them; attackers do. */
const EXTENSION_BYTES_MAX = 1024;
const TRAILER_BYTES_MAX = 8192;
/** Longest trailer name: long enough for real ones, short enough to be kept over a split. */
const TRAILER_NAME_BYTES_MAX = 64;
/** 2^48 bytes a chunk: below what a double counts exactly, and 12 digits at most. */
const SIZE_DIGITS_MAX = 12;

/** What no trailer may be: it would frame or route what has been framed and routed. */
const REFUSED = (1 << FIELD_CONTENT_LENGTH) | (1 << FIELD_TRANSFER_ENCODING) | (1 << FIELD_HOST);
/**
 * In requests, what we take out of a head, write ourselves or act on is refused as well. A server
 * that merges trailers into its head would take X-Forwarded-For, or Connection, from a stranger
 * (RFC 9110 §6.5.1 allows neither of them there).
 */
const REFUSED_IN_REQUESTS = ~((1 << FIELD_OTHER) | (1 << FIELD_DATE));

/** Where a chunked body stands between two receives. */
export class ChunkState {
  state = SIZE_FIRST;
  sizeDigits = 0;
  extensionBytes = 0;
  trailerBytes = 0;
  nameBytes = 0;
  /** The kinds of fields that no trailer may be, as a bit set. */
  private refused = REFUSED;
  /** Bytes of the current chunk still to come, in a typed array: no boxing of large numbers. */
  readonly remaining = new Float64Array(1);
  /** Bytes of content seen so far in the whole body. */
  readonly total = new Float64Array(1);
  private readonly name = new Uint8Array(TRAILER_NAME_BYTES_MAX);

  reset(isRequest: boolean): void {
    this.refused = isRequest ? REFUSED_IN_REQUESTS : REFUSED;
    this.state = SIZE_FIRST;
    this.sizeDigits = 0;
    this.extensionBytes = 0;
    this.trailerBytes = 0;
    this.nameBytes = 0;
    this.remaining[0] = 0;
    this.total[0] = 0;
  }

  get done(): boolean {
    return this.state === DONE;
  }

  /**
   * Bytes of content that have come or are announced by the current chunk's size. A size whose
   * digits are still coming announces nothing: it may yet turn out not to be one.
   */
  get announced(): number {
    return this.state === SIZE ? this.total[0]! : this.total[0]! + this.remaining[0]!;
  }

  /**
   * Moves over `bytes[start, end)`. Returns the offset behind what belongs to the body (`end` when
   * it goes on), or SCAN_BAD. With `compactTo` >= 0 the content alone is copied there, closed up
   * (`compactTo` <= `start`), and `compactEnd` is where it ends.
   */
  scan(bytes: Uint8Array, start: number, end: number, compactTo: number): number {
    let at = start;
    this.compactEnd = compactTo;
    while (at < end && this.state !== DONE) {
      if (this.state === DATA) {
        const take = Math.min(this.remaining[0]!, end - at);
        if (compactTo >= 0) {
          bytes.copyWithin(this.compactEnd, at, at + take);
          this.compactEnd += take;
        }
        at += take;
        this.total[0]! += take;
        this.remaining[0]! -= take;
        if (this.remaining[0] === 0) this.state = DATA_CR;
      } else if (this.state < TRAILER_FIRST) {
        if (!this.onFramingByte(bytes[at]!)) return SCAN_BAD;
        at++;
      } else {
        if (!this.onTrailerByte(bytes[at]!)) return SCAN_BAD;
        at++;
      }
    }
    return at;
  }

  /** Set by `scan`: the end of the closed-up content. */
  compactEnd = -1;

  /** One byte of chunk-size, chunk-ext or a chunk's CRLF. False: malformed. */
  private onFramingByte(byte: number): boolean {
    switch (this.state) {
      case SIZE_FIRST:
      case SIZE: {
        const digit = HEX_VALUE[byte]!;
        if (digit !== 255) {
          if (++this.sizeDigits > SIZE_DIGITS_MAX) return false;
          this.remaining[0] = this.remaining[0]! * 16 + digit;
          this.state = SIZE;
          return true;
        }
        if (this.state === SIZE_FIRST) return false;
        if (byte === CR) this.state = SIZE_LF;
        else if (byte === SEMICOLON) this.state = EXTENSION;
        else return false;
        return true;
      }
      case EXTENSION:
        if (byte === CR) this.state = SIZE_LF;
        else if (IS_FIELD_VALUE[byte] !== 1) return false;
        return ++this.extensionBytes <= EXTENSION_BYTES_MAX;
      case SIZE_LF:
        if (byte !== LF) return false;
        this.state = this.remaining[0] === 0 ? TRAILER_FIRST : DATA;
        this.sizeDigits = 0;
        return true;
      case DATA_CR:
        this.state = DATA_LF;
        return byte === CR;
      default: // DATA_LF
        this.state = SIZE_FIRST;
        return byte === LF;
    }
  }

  /** One byte of the trailer section. False: malformed, too long, or a field that is refused. */
  private onTrailerByte(byte: number): boolean {
    if (++this.trailerBytes > TRAILER_BYTES_MAX) return false;
    switch (this.state) {
      case TRAILER_FIRST:
        this.nameBytes = 0;
        if (byte === CR) {
          this.state = END_LF;
          return true;
        }
        this.state = TRAILER_NAME;
        return this.onTrailerNameByte(byte);
      case TRAILER_NAME:
        return this.onTrailerNameByte(byte);
      case TRAILER_VALUE:
        if (byte === CR) this.state = TRAILER_LF;
        else return IS_FIELD_VALUE[byte] === 1;
        return true;
      case TRAILER_LF:
        this.state = TRAILER_FIRST;
        return byte === LF;
      default: // END_LF
        this.state = DONE;
        return byte === LF;
    }
  }

  private onTrailerNameByte(byte: number): boolean {
    if (byte === COLON) {
      this.state = TRAILER_VALUE;
      const kind = fieldKind(this.name, 0, this.nameBytes);
      return this.nameBytes > 0 && ((this.refused >>> kind) & 1) === 0;
    }
    if (byte === SPACE || byte === TAB || IS_TOKEN[byte] !== 1) return false;
    if (this.nameBytes === TRAILER_NAME_BYTES_MAX) return false;
    this.name[this.nameBytes++] = byte;
    return true;
  }
}
