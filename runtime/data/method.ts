// Methods as bits, so that what a route allows is a mask and a look at a request's method is an
// AND. The scanner compares the bytes once; methods without a bit of their own share one.

import { ascii, bytesEqual } from "./bytes.ts";

export const METHOD_GET = 1 << 0;
export const METHOD_HEAD = 1 << 1;
export const METHOD_POST = 1 << 2;
export const METHOD_PUT = 1 << 3;
export const METHOD_DELETE = 1 << 4;
export const METHOD_PATCH = 1 << 5;
export const METHOD_OPTIONS = 1 << 6;
export const METHOD_TRACE = 1 << 7;
export const METHOD_CONNECT = 1 << 8;
/** Any other: `M-SEARCH`, and `get` too, as methods are case-sensitive (RFC 9110 §9.1). */
export const METHOD_OTHER = 1 << 9;

export const METHODS_ALL = -1;
/** What files are read with. */
export const METHODS_READING = METHOD_GET | METHOD_HEAD;
/** RFC 9110 §9.2.2: those that may be sent twice. */
export const METHODS_IDEMPOTENT =
  METHODS_READING | METHOD_PUT | METHOD_DELETE | METHOD_OPTIONS | METHOD_TRACE;

const GET = ascii("GET");
const HEAD = ascii("HEAD");
const POST = ascii("POST");
const PUT = ascii("PUT");
const DELETE = ascii("DELETE");
const PATCH = ascii("PATCH");
const OPTIONS = ascii("OPTIONS");
const TRACE = ascii("TRACE");
const CONNECT = ascii("CONNECT");

/** The bit of the method in `bytes[start, end)`. The length tells most of them apart. */
export function methodBit(bytes: Uint8Array, start: number, end: number): number {
  switch (end - start) {
    case 3:
      if (bytesEqual(bytes, start, end, GET)) return METHOD_GET;
      if (bytesEqual(bytes, start, end, PUT)) return METHOD_PUT;
      break;
    case 4:
      if (bytesEqual(bytes, start, end, POST)) return METHOD_POST;
      if (bytesEqual(bytes, start, end, HEAD)) return METHOD_HEAD;
      break;
    case 5:
      if (bytesEqual(bytes, start, end, PATCH)) return METHOD_PATCH;
      if (bytesEqual(bytes, start, end, TRACE)) return METHOD_TRACE;
      break;
    case 6:
      if (bytesEqual(bytes, start, end, DELETE)) return METHOD_DELETE;
      break;
    case 7:
      if (bytesEqual(bytes, start, end, OPTIONS)) return METHOD_OPTIONS;
      if (bytesEqual(bytes, start, end, CONNECT)) return METHOD_CONNECT;
      break;
  }
  return METHOD_OTHER;
}

/** What a list of methods lets pass: a mask, and the texts of those without a bit. */
export class MethodRule {
  readonly mask: number;
  private readonly others: readonly Uint8Array[];

  /** An absent list lets every method pass. */
  constructor(methods: readonly string[] | undefined) {
    const texts = methods?.map(ascii) ?? [];
    const bits = texts.map((text) => methodBit(text, 0, text.length));
    const known = bits.reduce((mask, bit) => mask | bit, 0) & ~METHOD_OTHER;
    this.mask = methods === undefined ? METHODS_ALL : known;
    this.others = texts.filter((_, at) => bits[at] === METHOD_OTHER);
  }

  /** `bit` is that of the method in `bytes[start, end)`. */
  allows(bit: number, bytes: Uint8Array, start: number, end: number): boolean {
    if ((this.mask & bit) !== 0) return true;
    if (bit !== METHOD_OTHER) return false;
    for (let at = 0; at < this.others.length; at++) {
      if (bytesEqual(bytes, start, end, this.others[at]!)) return true;
    }
    return false;
  }
}
