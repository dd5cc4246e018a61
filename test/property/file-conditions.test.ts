// Conditional requests beside a reader of their fields as strings (RFC 9110 section 13).

import assert from "node:assert/strict";
import { test } from "node:test";
import { ascii } from "zproxy/runtime/data/bytes.ts";
import {
  conditionsBytes,
  copyConditions,
  hasConditions,
  judgeConditions,
  rangeRecord,
  type Validators,
  valueEnd,
  valueStart,
} from "zproxy/runtime/data/file-conditions.ts";
import { HeadFields } from "zproxy/runtime/data/http1-fields.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 30_000;
const TAG = '"5f-a"';
const MODIFIED = 1_000_000_000;
const NOW = 1_700_000_000;
const VALIDATORS: Validators = {
  tagBytes: ascii(`ETag: ${TAG}`),
  tagStart: 6,
  tagEnd: 6 + TAG.length,
  modifiedSecs: MODIFIED,
};

const TAGS = [TAG, `W/${TAG}`, '"other"', 'W/""', '"a,b"', '"5f-a', "5f-a", 'w/"5f-a"', ""];
const DATES = [-100, -1, 0, 1, 100].map((by) => new Date((MODIFIED + by) * 1000).toUTCString());

interface Judged {
  readonly status: number;
  readonly range: string | undefined;
}

function randomTags(random: Random): string {
  if (random.below(6) === 0) return "*";
  const items = Array.from({ length: random.between(1, 4) }, () => random.pick(TAGS));
  return items.join(random.pick([",", ", ", " ,\t"]));
}

function randomDate(random: Random): string {
  return random.below(6) === 0 ? random.pick(["never", "", "0"]) : random.pick(DATES);
}

function randomFields(random: Random): [string, string][] {
  const fields: [string, string][] = [["Accept", "*/*"]];
  const add = (name: string, value: () => string): void => {
    const times = random.pick([0, 0, 1, 1, 1, 2]);
    if (random.below(2) === 0) for (let n = 0; n < times; n++) fields.push([name, value()]);
  };
  add("If-Match", () => randomTags(random));
  add("If-None-Match", () => randomTags(random));
  add("If-Modified-Since", () => randomDate(random));
  add("If-Unmodified-Since", () => randomDate(random));
  add("If-Range", () => (random.below(2) === 0 ? random.pick(TAGS) : randomDate(random)));
  add("Range", () => `bytes=${random.below(10)}-`);
  return fields.sort(() => random.below(3) - 1);
}

function judged(fields: readonly (readonly [string, string])[], random: Random): Judged {
  const text = `${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  const sized = new HeadFields();
  const first = PoisonedBytes.random(text, 0, random);
  assert.equal(sized.scan(first.bytes, first.view, first.start, first.end), first.end);
  const memory = PoisonedBytes.random(text, conditionsBytes(sized), random);
  const { bytes, scratch } = memory;
  const head = new HeadFields();
  head.scan(bytes, memory.view, memory.start, memory.end);
  const end = copyConditions(bytes, head, scratch);
  memory.expectUntouched();
  assert.equal(end - scratch, conditionsBytes(head));
  assert.equal(hasConditions(head), fields.length > 1);
  bytes.fill(0x20, memory.start, memory.end); // the head itself is no longer needed
  const status = judgeConditions(bytes, scratch, end, VALIDATORS, NOW);
  const record = rangeRecord(bytes, scratch, end, VALIDATORS, NOW);
  const range = record < 0 ? undefined : memory.text(valueStart(record), valueEnd(bytes, record));
  return { status, range };
}

function tagsOf(values: readonly string[]): { star: boolean; tags: string[] } {
  const tags: string[] = [];
  for (const value of values) {
    if (value === "*") return { star: true, tags };
    let rest = value;
    for (;;) {
      rest = rest.replace(/^[ \t,]+/, "");
      const match = /^((?:W\/)?"[!#-~]*")[ \t]*(?=,|$)/.exec(rest);
      if (match === null) {
        const [last] = /^(?:W\/)?"[!#-~]*"/.exec(rest) ?? []; // whole, but not followed by a comma
        if (last !== undefined) tags.push(last);
        break;
      }
      tags.push(match[1] as string);
      rest = rest.slice(match[0].length);
    }
  }
  return { star: false, tags };
}

function reference(fields: readonly (readonly [string, string])[]): Judged {
  const values = (name: string): string[] =>
    fields.filter(([key]) => key === name).map(([, value]) => value);
  const date = (name: string): number | undefined => {
    const [value, ...others] = values(name);
    const at = DATES.indexOf(value ?? "");
    return at < 0 || others.length > 0 ? undefined : Date.parse(value as string) / 1000;
  };
  const status = (): number => {
    if (values("If-Match").length > 0) {
      const { star, tags } = tagsOf(values("If-Match"));
      if (!star && !tags.includes(TAG)) return 412;
    } else if (MODIFIED > (date("If-Unmodified-Since") ?? Number.POSITIVE_INFINITY)) return 412;
    if (values("If-None-Match").length > 0) {
      const { star, tags } = tagsOf(values("If-None-Match"));
      return star || tags.includes(TAG) || tags.includes(`W/${TAG}`) ? 304 : 0;
    }
    return MODIFIED <= (date("If-Modified-Since") ?? Number.NEGATIVE_INFINITY) ? 304 : 0;
  };
  const ranges = values("Range");
  const [condition, ...others] = values("If-Range");
  const holds = condition === undefined || condition === TAG || date("If-Range") === MODIFIED;
  const followed = ranges.length === 1 && others.length === 0 && holds;
  return { status: status(), range: followed ? ranges[0] : undefined };
}

test("conditions are judged as the reference judges them", async () => {
  await withRandom((random) => {
    const seen = new Map<number, number>();
    for (let round = 0; round < ROUNDS; round++) {
      const fields = randomFields(random);
      const expected = reference(fields);
      assert.deepEqual(judged(fields, random), expected, JSON.stringify(fields));
      seen.set(expected.status, (seen.get(expected.status) ?? 0) + 1);
    }
    for (const status of [0, 304, 412]) assert.ok((seen.get(status) ?? 0) > ROUNDS / 20);
  });
});

test("a date of this very second is no strong validator", async () => {
  await withRandom((random) => {
    const [condition, range] = [new Date(MODIFIED * 1000).toUTCString(), "bytes=1-"];
    const text = `If-Range: ${condition}\r\nRange: ${range}\r\n\r\n`;
    const memory = PoisonedBytes.random(text, 100, random);
    const head = new HeadFields();
    head.scan(memory.bytes, memory.view, memory.start, memory.end);
    const end = copyConditions(memory.bytes, head, memory.scratch);
    const record = (now: number): number =>
      rangeRecord(memory.bytes, memory.scratch, end, VALIDATORS, now);
    assert.equal(record(MODIFIED), -1);
    assert.ok(record(MODIFIED + 1) >= 0);
  });
});
