// HTTP dates (RFC 9110 §5.6.7): printed as IMF-fixdate, read in all three formats. Both work on
// bytes in place, so that neither a Date nor a string is made for a request.

import { ascii } from "./bytes.ts";

/** Bytes of an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT". */
export const HTTP_DATE_BYTES = 29;
/** `parseHttpDate`: not a date. Below every date that has four digits for its year. */
export const HTTP_DATE_BAD = -1e15;

const DAY_SECS = 86_400;
/** The last second of the year 9999: later ones have no four digits. */
const SECS_MAX = 253_402_300_799;
const DAYS = ascii("ThuFriSatSunMonTueWed"); // the epoch was a Thursday
const MONTHS = ascii("JanFebMarAprMayJunJulAugSepOctNovDec");
const LONG_DAYS = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const LONG_DAY_BYTES: readonly Uint8Array[] = LONG_DAYS.map(ascii);
const SPACE = 0x20;
const COMMA = 0x2c;
const DASH = 0x2d;
const COLON = 0x3a;

/**
 * Writes seconds since the epoch as an IMF-fixdate at `to` and returns its end. Times before the
 * epoch are written as the epoch, times beyond the year 9999 as its last second.
 */
export function writeHttpDate(bytes: Uint8Array, to: number, secs: number): number {
  const time = Math.min(Math.max(Math.floor(secs), 0), SECS_MAX);
  const days = Math.floor(time / DAY_SECS);
  const rest = time - days * DAY_SECS;
  // Days to a civil date, in years that begin on 1 March and eras of 400 of them.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 2 : marchMonth - 10; // from 0
  const year = yearOfEra + era * 400 + (month < 2 ? 1 : 0);
  let at = writeThree(bytes, to, DAYS, days % 7);
  bytes[at++] = COMMA;
  bytes[at++] = SPACE;
  at = writeTwo(bytes, at, day);
  bytes[at++] = SPACE;
  at = writeThree(bytes, at, MONTHS, month);
  bytes[at++] = SPACE;
  at = writeTwo(bytes, at, Math.floor(year / 100));
  at = writeTwo(bytes, at, year % 100);
  bytes[at++] = SPACE;
  at = writeTwo(bytes, at, Math.floor(rest / 3600));
  bytes[at++] = COLON;
  at = writeTwo(bytes, at, Math.floor(rest / 60) % 60);
  bytes[at++] = COLON;
  at = writeTwo(bytes, at, rest % 60);
  bytes[at++] = SPACE;
  bytes[at++] = 0x47; // "GMT"
  bytes[at++] = 0x4d;
  bytes[at++] = 0x54;
  return at;
}

function writeThree(bytes: Uint8Array, to: number, names: Uint8Array, index: number): number {
  for (let offset = 0; offset < 3; offset++) bytes[to + offset] = names[index * 3 + offset]!;
  return to + 3;
}

function writeTwo(bytes: Uint8Array, to: number, value: number): number {
  bytes[to] = 0x30 + Math.floor(value / 10);
  bytes[to + 1] = 0x30 + (value % 10);
  return to + 2;
}

/**
 * Reads `bytes[start, end)` as an IMF-fixdate, an RFC 850 date or an asctime date. Returns seconds
 * since the epoch (below 0 before it) or HTTP_DATE_BAD. `nowSecs` places two-digit years: more than
 * fifty years ahead means the century before. The day's name must be one, but need not be right.
 */
export function parseHttpDate(
  bytes: Uint8Array,
  start: number,
  end: number,
  nowSecs: number,
): number {
  if (end - start === HTTP_DATE_BYTES && bytes[start + 3] === COMMA)
    return parseFixdate(bytes, start);
  if (end - start === 24) return parseAsctime(bytes, start);
  return parseRfc850(bytes, start, end, nowSecs);
}

/** "Sun, 06 Nov 1994 08:49:37 GMT" */
function parseFixdate(bytes: Uint8Array, at: number): number {
  if (indexOfName(bytes, at, DAYS) < 0) return HTTP_DATE_BAD;
  if (!isGap(bytes, at + 4) || !isGap(bytes, at + 7) || !isGap(bytes, at + 11))
    return HTTP_DATE_BAD;
  if (!isGap(bytes, at + 16) || !isGmt(bytes, at + 25)) return HTTP_DATE_BAD;
  const year = twoDigits(bytes, at + 12) * 100 + twoDigits(bytes, at + 14);
  const month = indexOfName(bytes, at + 8, MONTHS);
  return secsOf(year, month, twoDigits(bytes, at + 5), timeOf(bytes, at + 17));
}

/** "Sun Nov  6 08:49:37 1994" */
function parseAsctime(bytes: Uint8Array, at: number): number {
  if (indexOfName(bytes, at, DAYS) < 0) return HTTP_DATE_BAD;
  if (!isGap(bytes, at + 3) || !isGap(bytes, at + 7) || !isGap(bytes, at + 10))
    return HTTP_DATE_BAD;
  if (!isGap(bytes, at + 19)) return HTTP_DATE_BAD;
  const day = isGap(bytes, at + 8) ? oneDigit(bytes, at + 9) : twoDigits(bytes, at + 8);
  const year = twoDigits(bytes, at + 20) * 100 + twoDigits(bytes, at + 22);
  return secsOf(year, indexOfName(bytes, at + 4, MONTHS), day, timeOf(bytes, at + 11));
}

/** "Sunday, 06-Nov-94 08:49:37 GMT" */
function parseRfc850(bytes: Uint8Array, start: number, end: number, nowSecs: number): number {
  const nameBytes = longDayBytes(bytes, start, end);
  if (nameBytes === 0 || end - start !== nameBytes + 24) return HTTP_DATE_BAD;
  const at = start + nameBytes;
  if (bytes[at] !== COMMA || !isGap(bytes, at + 1) || !isGap(bytes, at + 11)) return HTTP_DATE_BAD;
  if (bytes[at + 4] !== DASH || bytes[at + 8] !== DASH || !isGmt(bytes, at + 20))
    return HTTP_DATE_BAD;
  const day = twoDigits(bytes, at + 2);
  const month = indexOfName(bytes, at + 5, MONTHS);
  const shortYear = twoDigits(bytes, at + 9);
  const time = timeOf(bytes, at + 12);
  if (shortYear < 0) return HTTP_DATE_BAD;
  const thisYear = yearOf(nowSecs);
  let year = thisYear - (thisYear % 100) + shortYear;
  if (year > thisYear + 50) year -= 100;
  else if (year <= thisYear - 50) year += 100;
  const secs = secsOf(year, month, day, time);
  return year === thisYear + 50 && secs > nowSecs + FIFTY_YEARS_SECS
    ? secsOf(year - 100, month, day, time)
    : secs;
}

/** Fifty years with the thirteen leap days that most of them have. */
const FIFTY_YEARS_SECS = (50 * 365 + 13) * DAY_SECS;

/** Bytes of the long day's name that stands at `start`, or 0. */
function longDayBytes(bytes: Uint8Array, start: number, end: number): number {
  for (const name of LONG_DAY_BYTES) {
    let same = 0;
    while (same < name.length && start + same < end && bytes[start + same] === name[same]) same++;
    if (same === name.length) return same;
  }
  return 0;
}

/** The year that the seconds since the epoch fall into; good to a day around New Year. */
function yearOf(secs: number): number {
  return 1970 + Math.floor(secs / DAY_SECS / 365.2425);
}

/** Seconds since the epoch; parts below 0 or beyond their range make HTTP_DATE_BAD. */
function secsOf(year: number, month: number, day: number, time: number): number {
  if (year < 0 || month < 0 || time < 0 || day < 1 || day > daysIn(year, month))
    return HTTP_DATE_BAD;
  const marchYear = month < 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month < 2 ? month + 10 : month - 2) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return (era * 146_097 + dayOfEra - 719_468) * DAY_SECS + time;
}

function daysIn(year: number, month: number): number {
  if (month === 1) {
    const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
    return leap ? 29 : 28;
  }
  return month === 3 || month === 5 || month === 8 || month === 10 ? 30 : 31;
}

/** "08:49:37" as seconds of the day, or -1. A leap second is the first of the next minute. */
function timeOf(bytes: Uint8Array, at: number): number {
  if (bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return -1;
  const hour = twoDigits(bytes, at);
  const minute = twoDigits(bytes, at + 3);
  const second = twoDigits(bytes, at + 6);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
  return hour * 3600 + minute * 60 + second;
}

/** Negative, and large enough to stay negative in a year, when a digit is missing. */
const NO_NUMBER = -100_000;

function oneDigit(bytes: Uint8Array, at: number): number {
  const digit = bytes[at]! - 0x30;
  return digit >= 0 && digit <= 9 ? digit : NO_NUMBER;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = oneDigit(bytes, at);
  const ones = oneDigit(bytes, at + 1);
  return tens < 0 || ones < 0 ? NO_NUMBER : tens * 10 + ones;
}

function isGap(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === SPACE;
}

function isGmt(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === SPACE &&
    bytes[at + 1] === 0x47 &&
    bytes[at + 2] === 0x4d &&
    bytes[at + 3] === 0x54
  );
}

/** The index of the three-letter name at `at` among `names`, or -1. Case matters (RFC 9110). */
function indexOfName(bytes: Uint8Array, at: number, names: Uint8Array): number {
  for (let index = 0; index * 3 < names.length; index++) {
    const name = index * 3;
    if (
      bytes[at] === names[name] &&
      bytes[at + 1] === names[name + 1] &&
      bytes[at + 2] === names[name + 2]
    )
      return index;
  }
  return -1;
}
