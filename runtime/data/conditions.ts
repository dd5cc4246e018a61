// What the conditions of a route's other targets ask of a request, in the bytes it came in: its
// method, its headers, the parameters of its query, its cookies. Of several with a name, one that
// compares is enough. Texts to compare with are ASCII.

import { ascii, bytesEqual, bytesEqualNoCase, findByte, skipBlanks, trimBlanks } from "./bytes.ts";
import { HEX_VALUE } from "./http1-classes.ts";
import type { HeadFields } from "./http1-fields.ts";

/** What a condition may look at. */
export interface ConditionRequest {
  readonly bytes: Uint8Array;
  readonly methodStart: number;
  readonly methodEnd: number;
  readonly fields: HeadFields;
  /** The query with its "?"; an empty range when there is none. */
  readonly queryStart: number;
  readonly queryEnd: number;
}

// How a value is compared with a text.
const IS_THERE = 0;
const EQUALS = 1;
const STARTS = 2;
const ENDS = 3;
const CONTAINS = 4;

const NOTHING = ascii("");

const SPACE = 0x20;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;
const SEMICOLON = 0x3b;
const EQUALS_SIGN = 0x3d;

/** Methods are case-sensitive (RFC 9110 §9.1). */
export function methodEquals(request: ConditionRequest, method: Uint8Array): boolean {
  return bytesEqual(request.bytes, request.methodStart, request.methodEnd, method);
}

/** `name` is in lower case; the blanks around a value do not belong to it. */
export function hasHeader(request: ConditionRequest, name: Uint8Array): boolean {
  return someHeader(request, name, IS_THERE, NOTHING);
}

export function headerEquals(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someHeader(request, name, EQUALS, text);
}

export function headerStartsWith(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someHeader(request, name, STARTS, text);
}

export function headerEndsWith(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someHeader(request, name, ENDS, text);
}

export function headerContains(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someHeader(request, name, CONTAINS, text);
}

/** Cookies as RFC 6265 §4.2.1 has them sent; quotes belong to the value, names have a case. */
export function hasCookie(request: ConditionRequest, name: Uint8Array): boolean {
  return someCookie(request, name, IS_THERE, NOTHING);
}

export function cookieEquals(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someCookie(request, name, EQUALS, text);
}

export function cookieStartsWith(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someCookie(request, name, STARTS, text);
}

export function cookieEndsWith(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someCookie(request, name, ENDS, text);
}

export function cookieContains(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someCookie(request, name, CONTAINS, text);
}

/**
 * Parameters as forms send them: apart by "&", names and values decoded ("+" is a blank, a "%" that
 * is no escape stands for itself). A server behind would decode them too, so an escape is no way
 * around a condition.
 */
export function hasQuery(request: ConditionRequest, name: Uint8Array): boolean {
  return someParameter(request, name, IS_THERE, NOTHING);
}

export function queryEquals(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someParameter(request, name, EQUALS, text);
}

export function queryStartsWith(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someParameter(request, name, STARTS, text);
}

export function queryEndsWith(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someParameter(request, name, ENDS, text);
}

export function queryContains(
  request: ConditionRequest,
  name: Uint8Array,
  text: Uint8Array,
): boolean {
  return someParameter(request, name, CONTAINS, text);
}

function someHeader(
  { bytes, fields }: ConditionRequest,
  name: Uint8Array,
  relation: number,
  text: Uint8Array,
): boolean {
  for (let index = 0; index < fields.count; index++) {
    const nameStart = fields.lineStart[index]!;
    if (!bytesEqualNoCase(bytes, nameStart, fields.nameEnd[index]!, name)) continue;
    const start = fields.valueStart[index]!;
    if (compares(bytes, start, fields.valueEnd[index]!, relation, text)) return true;
  }
  return false;
}

const COOKIE = ascii("cookie");

function someCookie(
  { bytes, fields }: ConditionRequest,
  name: Uint8Array,
  relation: number,
  text: Uint8Array,
): boolean {
  for (let index = 0; index < fields.count; index++) {
    const nameStart = fields.lineStart[index]!;
    if (!bytesEqualNoCase(bytes, nameStart, fields.nameEnd[index]!, COOKIE)) continue;
    const end = fields.valueEnd[index]!;
    for (let at = fields.valueStart[index]!; at < end; at++) {
      const pairEnd = findByte(bytes, at, end, SEMICOLON);
      if (cookieCompares(bytes, at, pairEnd, name, relation, text)) return true;
      at = pairEnd;
    }
  }
  return false;
}

/** Whether the pair in `bytes[start, end)` is that cookie; one without "=" has no name. */
function cookieCompares(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: Uint8Array,
  relation: number,
  text: Uint8Array,
): boolean {
  const equals = findByte(bytes, start, end, EQUALS_SIGN);
  if (equals === end) return false;
  const nameStart = skipBlanks(bytes, start, equals);
  if (!bytesEqual(bytes, nameStart, trimBlanks(bytes, nameStart, equals), name)) return false;
  const valueStart = skipBlanks(bytes, equals + 1, end);
  return compares(bytes, valueStart, trimBlanks(bytes, valueStart, end), relation, text);
}

/** Compares `bytes[start, end)` as it is. */
function compares(
  bytes: Uint8Array,
  start: number,
  end: number,
  relation: number,
  text: Uint8Array,
): boolean {
  const last = end - text.length;
  if (relation === IS_THERE) return true;
  if (last < start) return false;
  if (relation === EQUALS) return bytesEqual(bytes, start, end, text);
  if (relation === STARTS) return bytesEqual(bytes, start, start + text.length, text);
  if (relation === ENDS) return bytesEqual(bytes, last, end, text);
  for (let at = start; at <= last; at++) {
    if (bytesEqual(bytes, at, at + text.length, text)) return true;
  }
  return false;
}

function someParameter(
  { bytes, queryStart, queryEnd }: ConditionRequest,
  name: Uint8Array,
  relation: number,
  text: Uint8Array,
): boolean {
  for (let at = queryStart + 1; at < queryEnd; at++) {
    const end = findByte(bytes, at, queryEnd, AMPERSAND);
    const equals = findByte(bytes, at, end, EQUALS_SIGN);
    // Nothing between two "&" is no parameter.
    if (end > at && decodedEnd(bytes, at, equals, name) === equals) {
      const valueStart = equals === end ? end : equals + 1;
      if (decodedCompares(bytes, valueStart, end, relation, text)) return true;
    }
    at = end;
  }
  return false;
}

/** Compares what `bytes[start, end)` means. */
function decodedCompares(
  bytes: Uint8Array,
  start: number,
  end: number,
  relation: number,
  text: Uint8Array,
): boolean {
  if (relation === IS_THERE) return true;
  if (relation === EQUALS) return decodedEnd(bytes, start, end, text) === end;
  if (relation === STARTS) return decodedEnd(bytes, start, end, text) >= 0;
  for (let at = start; at < end; at += isEscape(bytes, at, end) ? 3 : 1) {
    const found = decodedEnd(bytes, at, end, text);
    if (found >= 0 && (relation === CONTAINS || found === end)) return true;
  }
  return false;
}

/** Where `text` ends when the decoded bytes from `start` begin with it; -1 when they do not. */
function decodedEnd(bytes: Uint8Array, start: number, end: number, text: Uint8Array): number {
  let at = start;
  for (let index = 0; index < text.length; index++) {
    if (at >= end) return -1;
    let byte = bytes[at]!;
    if (isEscape(bytes, at, end)) {
      byte = (HEX_VALUE[bytes[at + 1]!]! << 4) | HEX_VALUE[bytes[at + 2]!]!;
      at += 3;
    } else {
      if (byte === PLUS) byte = SPACE;
      at++;
    }
    if (byte !== text[index]) return -1;
  }
  return at;
}

function isEscape(bytes: Uint8Array, at: number, end: number): boolean {
  return (
    bytes[at] === PERCENT &&
    at + 2 < end &&
    HEX_VALUE[bytes[at + 1]!] !== 255 &&
    HEX_VALUE[bytes[at + 2]!] !== 255
  );
}
