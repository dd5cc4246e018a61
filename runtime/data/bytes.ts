// Comparing, copying and printing bytes in place: the vocabulary of the data path.

/** The bytes of an ASCII text, for constants made at start. Throws for anything else. */
export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) throw new Error(`not ASCII: ${JSON.stringify(text)}`);
    bytes[at] = code;
  }
  return bytes;
}

/** Whether `bytes[start, end)` is exactly `expected`. */
export function bytesEqual(
  bytes: Uint8Array,
  start: number,
  end: number,
  expected: Uint8Array,
): boolean {
  const length = expected.length;
  if (end - start !== length) return false;
  for (let at = 0; at < length; at++) {
    if (bytes[start + at] !== expected[at]) return false;
  }
  return true;
}

const TAB = 0x09;
const SPACE = 0x20;
const SLASH = 0x2f;

/** The first offset from `start` on that holds `byte`; `end` when there is none. */
export function findByte(bytes: Uint8Array, start: number, end: number, byte: number): number {
  let at = start;
  while (at < end && bytes[at] !== byte) at++;
  return at;
}

/** The first offset from `start` on that holds no blank; `end` when there is none. */
export function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at;
}

/** The end of `bytes[start, end)` without the blanks there. */
export function trimBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--;
  return at;
}

/**
 * Whether `prefix` (no trailing slash) takes the path: the path is `prefix` itself or goes on
 * below it with a slash.
 */
export function pathHasPrefix(
  bytes: Uint8Array,
  pathStart: number,
  pathEnd: number,
  prefix: Uint8Array,
): boolean {
  const prefixEnd = pathStart + prefix.length;
  if (prefixEnd > pathEnd) return false;
  if (prefixEnd < pathEnd && bytes[prefixEnd] !== SLASH) return false;
  return bytesEqual(bytes, pathStart, prefixEnd, prefix);
}

/**
 * Copies `bytes[start, end)` to `to` and returns the end of the copy. Ranges may overlap.
 * Short ranges are copied by a loop: a built-in's call costs more than 48 byte moves.
 */
export function copyWithin(bytes: Uint8Array, to: number, start: number, end: number): number {
  const length = end - start;
  if (length > 48 || to > start) {
    bytes.copyWithin(to, start, end);
  } else {
    for (let at = 0; at < length; at++) bytes[to + at] = bytes[start + at]!;
  }
  return to + length;
}

/** Writes `text` at `to` and returns its end. */
export function writeBytes(bytes: Uint8Array, to: number, text: Uint8Array): number {
  const length = text.length;
  if (length > 64) {
    bytes.set(text, to);
  } else {
    for (let at = 0; at < length; at++) bytes[to + at] = text[at]!;
  }
  return to + length;
}

/** Writes a non-negative integer in decimal at `to` and returns its end. */
export function writeDecimal(bytes: Uint8Array, to: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let rest = value;
  for (let at = to + digits - 1; at >= to; at--) {
    const quotient = Math.floor(rest / 10);
    bytes[at] = 48 + (rest - quotient * 10);
    rest = quotient;
  }
  return to + digits;
}

/** Hexadecimal digits of a non-negative integer below 2^31. */
export function hexDigits(value: number): number {
  let digits = 1;
  for (let rest = value >>> 4; rest !== 0; rest >>>= 4) digits++;
  return digits;
}

/** Writes a non-negative integer below 2^31 in hexadecimal, without leading zeros. */
export function writeHex(bytes: Uint8Array, to: number, value: number): number {
  const digits = hexDigits(value);
  let rest = value;
  for (let at = to + digits - 1; at >= to; at--) {
    const digit = rest & 15;
    bytes[at] = digit < 10 ? 48 + digit : 87 + digit;
    rest >>>= 4;
  }
  return to + digits;
}

/**
 * Whether `bytes[start, end)` is `lower`, letters compared without case (`lower` is lower-case).
 */
export function bytesEqualNoCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  lower: Uint8Array,
): boolean {
  const length = lower.length;
  if (end - start !== length) return false;
  for (let at = 0; at < length; at++) {
    if (LOWER[bytes[start + at]!] !== lower[at]) return false;
  }
  return true;
}

/** Each byte's lower-case form: A to Z moved, all others themselves. */
export const LOWER = new Uint8Array(256).map((_, code) =>
  code >= 0x41 && code <= 0x5a ? code + 0x20 : code,
);
