// Conditional requests (RFC 9110 §13). A file may have to be opened before its conditions can be
// judged, and by then another request is in the scanner: so the fields are kept as a copy, one
// record for each: its kind, its length in two bytes, its value.

import { copyWithin, skipBlanks } from "./bytes.ts";
import { HTTP_DATE_BAD, parseHttpDate } from "./http-date.ts";
import {
  FIELD_IF_MATCH,
  FIELD_IF_MODIFIED_SINCE,
  FIELD_IF_NONE_MATCH,
  FIELD_IF_RANGE,
  FIELD_IF_UNMODIFIED_SINCE,
  FIELD_RANGE,
  type HeadFields,
} from "./http1-fields.ts";

const CONDITIONS =
  (1 << FIELD_IF_MATCH) |
  (1 << FIELD_IF_NONE_MATCH) |
  (1 << FIELD_IF_MODIFIED_SINCE) |
  (1 << FIELD_IF_UNMODIFIED_SINCE) |
  (1 << FIELD_IF_RANGE) |
  (1 << FIELD_RANGE);

const RECORD_BYTES = 3;
const QUOTE = 0x22;
const ASTERISK = 0x2a;
const COMMA = 0x2c;
const SLASH = 0x2f;
const SPACE = 0x20;
const TAB = 0x09;
const UPPER_W = 0x57;

/** What conditions are judged against. `bytes[tagStart, tagEnd)` of `tagBytes` is `"…"`. */
export interface Validators {
  readonly tagBytes: Uint8Array;
  readonly tagStart: number;
  readonly tagEnd: number;
  /** Seconds since the epoch, as Last-Modified says them. */
  readonly modifiedSecs: number;
}

/** Whether a head has any field that a file's answer depends on. */
export function hasConditions(fields: HeadFields): boolean {
  return (fields.present & CONDITIONS) !== 0;
}

/** Bytes that `copyConditions` writes. */
export function conditionsBytes(fields: HeadFields): number {
  let sum = 0;
  for (let index = 0; index < fields.count; index++)
    if (((CONDITIONS >>> fields.kind[index]!) & 1) !== 0)
      sum += RECORD_BYTES + fields.valueEnd[index]! - fields.valueStart[index]!;
  return sum;
}

/** Writes the records at `to` and returns their end. */
export function copyConditions(bytes: Uint8Array, fields: HeadFields, to: number): number {
  let at = to;
  for (let index = 0; index < fields.count; index++) {
    const kind = fields.kind[index]!;
    if (((CONDITIONS >>> kind) & 1) === 0) continue;
    const start = fields.valueStart[index]!;
    const length = fields.valueEnd[index]! - start;
    bytes[at] = kind;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length & 0xff;
    at = copyWithin(bytes, at + RECORD_BYTES, start, start + length);
  }
  return at;
}

/**
 * Judges the records in `bytes[start, end)` in the order of RFC 9110 §13.2.2, for GET and HEAD of a
 * file that is there. Returns 0 to go on, 304 or 412.
 */
export function judgeConditions(
  bytes: Uint8Array,
  start: number,
  end: number,
  file: Validators,
  nowSecs: number,
): number {
  if (find(bytes, start, end, FIELD_IF_MATCH) >= 0) {
    if (!listMatches(bytes, start, end, FIELD_IF_MATCH, file, false)) return 412;
  } else {
    const date = dateOf(bytes, start, end, FIELD_IF_UNMODIFIED_SINCE, nowSecs);
    if (date !== HTTP_DATE_BAD && file.modifiedSecs > date) return 412;
  }
  if (find(bytes, start, end, FIELD_IF_NONE_MATCH) >= 0)
    return listMatches(bytes, start, end, FIELD_IF_NONE_MATCH, file, true) ? 304 : 0;
  const date = dateOf(bytes, start, end, FIELD_IF_MODIFIED_SINCE, nowSecs);
  return date !== HTTP_DATE_BAD && file.modifiedSecs <= date ? 304 : 0;
}

/**
 * The record whose value is the Range field to follow, or -1: there is none or more than one, or
 * If-Range says that the client's part is of another state (RFC 9110 §13.1.5). A date is a strong
 * validator only when its second is over.
 */
export function rangeRecord(
  bytes: Uint8Array,
  start: number,
  end: number,
  file: Validators,
  nowSecs: number,
): number {
  const range = onlyOne(bytes, start, end, FIELD_RANGE);
  if (range < 0) return -1;
  if (find(bytes, start, end, FIELD_IF_RANGE) < 0) return range;
  const record = onlyOne(bytes, start, end, FIELD_IF_RANGE);
  if (record < 0) return -1;
  const at = valueStart(record);
  const valueLimit = valueEnd(bytes, record);
  if (bytes[at] === QUOTE) return isTag(bytes, at, valueLimit, file) ? range : -1;
  const date = parseHttpDate(bytes, at, valueLimit, nowSecs);
  return date === file.modifiedSecs && date < nowSecs ? range : -1;
}

/** Where a record's value begins. */
export function valueStart(record: number): number {
  return record + RECORD_BYTES;
}

/** Where a record's value ends, and the next record begins. */
export function valueEnd(bytes: Uint8Array, record: number): number {
  return record + RECORD_BYTES + ((bytes[record + 1]! << 8) | bytes[record + 2]!);
}

function find(bytes: Uint8Array, start: number, end: number, kind: number): number {
  let at = start;
  while (at < end && bytes[at] !== kind) at = valueEnd(bytes, at);
  return at < end ? at : -1;
}

/** The one record of `kind`; -1 when there is none, or more than one. */
function onlyOne(bytes: Uint8Array, start: number, end: number, kind: number): number {
  const record = find(bytes, start, end, kind);
  if (record < 0) return -1;
  return find(bytes, valueEnd(bytes, record), end, kind) < 0 ? record : -1;
}

/** A date field's value; a field that is repeated or no date is ignored (RFC 9110 §13.1.3). */
function dateOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  kind: number,
  nowSecs: number,
): number {
  const record = onlyOne(bytes, start, end, kind);
  if (record < 0) return HTTP_DATE_BAD;
  return parseHttpDate(bytes, valueStart(record), valueEnd(bytes, record), nowSecs);
}

/**
 * Whether the fields of `kind` are `*` or name the file's tag. `weak`: a tag that is marked as weak
 * counts too (If-None-Match); ours is always strong.
 */
function listMatches(
  bytes: Uint8Array,
  start: number,
  end: number,
  kind: number,
  file: Validators,
  weak: boolean,
): boolean {
  for (
    let record = find(bytes, start, end, kind);
    record >= 0;
    record = find(bytes, valueEnd(bytes, record), end, kind)
  ) {
    if (valueMatches(bytes, valueStart(record), valueEnd(bytes, record), file, weak)) return true;
  }
  return false;
}

/** One field's list of tags. What follows a malformed tag is not looked at. */
function valueMatches(
  bytes: Uint8Array,
  start: number,
  end: number,
  file: Validators,
  weak: boolean,
): boolean {
  if (end - start === 1 && bytes[start] === ASTERISK) return true;
  let at = start;
  while (at < end) {
    if (bytes[at] === COMMA || bytes[at] === SPACE || bytes[at] === TAB) {
      at++;
      continue;
    }
    const isWeak = bytes[at] === UPPER_W && bytes[at + 1] === SLASH && at + 1 < end;
    if (isWeak) at += 2;
    if (at >= end || bytes[at] !== QUOTE) return false;
    let close = at + 1;
    while (close < end && bytes[close]! > SPACE && bytes[close] !== QUOTE) close++;
    if (close >= end || bytes[close] !== QUOTE) return false;
    if ((weak || !isWeak) && isTag(bytes, at, close + 1, file)) return true;
    at = skipBlanks(bytes, close + 1, end);
    if (at < end && bytes[at] !== COMMA) return false;
  }
  return false;
}

function isTag(bytes: Uint8Array, start: number, end: number, file: Validators): boolean {
  const { tagBytes, tagStart, tagEnd } = file;
  if (end - start !== tagEnd - tagStart) return false;
  for (let offset = 0; offset < end - start; offset++)
    if (bytes[start + offset] !== tagBytes[tagStart + offset]) return false;
  return true;
}
