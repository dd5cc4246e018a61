// Dates beside JavaScript's own Date: printed, read in three formats, and spoilt.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HTTP_DATE_BAD,
  HTTP_DATE_BYTES,
  parseHttpDate,
  writeHttpDate,
} from "zproxy/runtime/data/http-date.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 20_000;
const SECS_MAX = 253_402_300_799;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun"].concat(
  ["Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], // two lines of six
);
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/** The last second of a year, so that fifty years from now are whole years. */
const NOW = Date.UTC(2027, 0, 1) / 1000 - 1;

function printed(secs: number): string {
  const memory = new PoisonedBytes("", HTTP_DATE_BYTES, "7");
  const end = writeHttpDate(memory.bytes, memory.scratch, secs);
  memory.expectUntouched();
  return memory.text(memory.scratch, end);
}

function parsed(text: string, random: Random, now = NOW): number {
  const memory = PoisonedBytes.random(text, 0, random);
  return parseHttpDate(memory.bytes, memory.start, memory.end, now);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function parts(secs: number) {
  const date = new Date(secs * 1000);
  return {
    day: date.getUTCDate(),
    dayName: DAYS[date.getUTCDay()] as string,
    month: MONTHS[date.getUTCMonth()] as string,
    year: date.getUTCFullYear(),
    time: [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":"),
  };
}

function rfc850(secs: number): string {
  const { day, dayName, month, year, time } = parts(secs);
  return `${dayName}, ${two(day)}-${month}-${two(year % 100)} ${time} GMT`;
}

function asctime(secs: number): string {
  const { day, dayName, month, year, time } = parts(secs);
  return `${dayName.slice(0, 3)} ${month} ${String(day).padStart(2)} ${time} ${year}`;
}

/** Seconds, or undefined: the formats as regular expressions, checked by way of Date. */
function reference(text: string): number | undefined {
  const time = "(\\d\\d):(\\d\\d):(\\d\\d)";
  const short = "(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)";
  const fixdate = new RegExp(`^${short}, (\\d\\d) (...) (\\d{4}) ${time} GMT$`).exec(text);
  const ansi = new RegExp(`^${short} (...) ([ \\d]\\d) ${time} (\\d{4})$`).exec(text);
  const long = new RegExp(`^(?:${DAYS.join("|")}), (\\d\\d)-(...)-(\\d\\d) ${time} GMT$`).exec(
    text,
  );
  if (fixdate) return utc(fixdate[3], fixdate[2], fixdate[1], fixdate.slice(4));
  if (ansi) return utc(ansi[6], ansi[1], ansi[2], ansi.slice(3, 6));
  if (!long) return undefined;
  const year = Number(long[3]);
  return utc(String(year > 76 ? 1900 + year : 2000 + year), long[2], long[1], long.slice(4));
}

function utc(
  year: string | undefined,
  monthName: string | undefined,
  dayText: string | undefined,
  time: readonly string[],
): number | undefined {
  const month = MONTHS.indexOf(monthName ?? "");
  const day = Number(dayText);
  const [hour = 0, minute = 0, second = 0] = time.map(Number);
  if (month < 0 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), month, day);
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return undefined;
  return date.getTime() / 1000 + hour * 3600 + minute * 60 + second;
}

test("a time is printed as Date prints it", async () => {
  await withRandom((random) => {
    const fixed = [0, 1, 86_399, 86_400, 951_782_399, 951_782_400, 2 ** 31, 2 ** 32, SECS_MAX];
    for (const secs of fixed) assert.equal(printed(secs), new Date(secs * 1000).toUTCString());
    for (let round = 0; round < ROUNDS; round++) {
      const secs = Math.floor((random.next() / 2 ** 32) * SECS_MAX);
      assert.equal(printed(secs), new Date(secs * 1000).toUTCString());
    }
  });
  assert.equal(printed(-5), new Date(0).toUTCString());
  assert.equal(printed(SECS_MAX + 7), new Date(SECS_MAX * 1000).toUTCString());
});

test("the three formats of one time are that time", async () => {
  await withRandom((random) => {
    for (const text of [
      "Sun, 06 Nov 1994 08:49:37 GMT",
      "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994",
    ])
      assert.equal(parsed(text, random), 784_111_777);
    for (let round = 0; round < ROUNDS; round++) {
      const secs = Math.floor((random.next() / 2 ** 32) * SECS_MAX);
      assert.equal(parsed(new Date(secs * 1000).toUTCString(), random), secs);
      assert.equal(parsed(asctime(secs), random), secs);
      const near = NOW - 1_500_000_000 + random.below(3_000_000_000);
      assert.equal(parsed(rfc850(near), random), near);
    }
  });
});

test("two digits of a year mean one at most fifty years ahead", async () => {
  await withRandom((random) => {
    const year = (text: string, now = NOW): number =>
      new Date(parsed(`Sunday, 06-Nov-${text} 08:49:37 GMT`, random, now) * 1000).getUTCFullYear();
    assert.deepEqual(
      ["26", "75", "76", "77", "99"].map((text) => year(text)),
      [2026, 2075, 2076, 1977, 1999],
    );
    const later = Date.UTC(2080, 5, 1) / 1000;
    assert.deepEqual(
      ["79", "29", "31", "99"].map((text) => year(text, later)),
      [2079, 2129, 2031, 2099],
    );
  });
});

test("spoilt dates are taken or refused as the reference does", async () => {
  await withRandom((random) => {
    let bad = 0;
    const letters = "0123456789 :,-SunMonFebGMT\t";
    for (let round = 0; round < ROUNDS; round++) {
      const secs = random.below(2 ** 31);
      const text = random.pick([new Date(secs * 1000).toUTCString(), rfc850(secs), asctime(secs)]);
      const at = random.below(text.length + 1);
      const letter = letters.charAt(random.below(letters.length));
      const cut = random.pick([
        text.slice(0, at) + letter + text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1),
        text.slice(0, at) + letter + text.slice(at),
        text.slice(0, at),
      ]);
      const expected = reference(cut) ?? HTTP_DATE_BAD;
      assert.equal(parsed(cut, random), expected, JSON.stringify(cut));
      if (expected === HTTP_DATE_BAD) bad++;
    }
    assert.ok(bad > ROUNDS / 10 && bad < ROUNDS);
  });
});
