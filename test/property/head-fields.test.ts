// What is asked about the fields of a head: lists, and what Connection names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ascii } from "zproxy/runtime/data/bytes.ts";
import {
  FIELD_CONNECTION,
  FIELD_DATE,
  FIELD_DROPPED,
  FIELD_LOOKALIKE,
  FIELD_OTHER,
  FIELD_X_FORWARDED_FOR,
  fieldKind,
  HeadFields,
} from "zproxy/runtime/data/http1-fields.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { referenceFields, tokensOf } from "../lib/reference-head.ts";

const HEADS = 6_000;

/** Names that mean something to a proxy, and names that nearly do. */
const KNOWN = [
  "TE",
  "Host",
  "Forwarded",
  "Date",
  "Expect",
  "Upgrade",
  "Connection",
  "Keep-Alive",
  "Content-Length",
  "X-Forwarded-For",
  "Proxy-Connection",
  "X-Forwarded-Host",
  "Transfer-Encoding",
  "X-Forwarded-Proto",
  "If-Match",
  "If-None-Match",
  "If-Modified-Since",
  "If-Unmodified-Since",
  "If-Range",
  "Range",
];
const NEAR = [
  "TF",
  "Hos",
  "Dates",
  "X_Forwarded_For",
  "X-Forwarded_Host",
  "X_Forwarded-Proto",
  "Forward_d",
  "Content_Length",
  "Keep-Alive~",
  "If-Watch",
  "Rang\x65s",
  "x^",
  "X~",
];
const OTHER = ["X-A", "Cookie", "a"];
/** What Connection may not take out: the proxy acts on these itself, or drops them anyway. */
const OWN = new Set([
  "te",
  "host",
  "expect",
  "upgrade",
  "connection",
  "content-length",
  "transfer-encoding",
]);
const ITEMS = [...KNOWN, ...NEAR, ...OTHER, "", "close", "x@", "x>", "closed"];

function randomCase(text: string, random: Random): string {
  return Array.from(text, (letter) =>
    random.below(2) === 0 ? letter.toUpperCase() : letter.toLowerCase(),
  ).join("");
}

/** Servers that make variables of names read "-" and "_" alike. */
function isLookalike(name: string): boolean {
  return name.includes("_") && /^x-forwarded-(?:for|host|proto)$/i.test(name.replaceAll("_", "-"));
}

function randomSection(random: Random): string {
  const lines: string[] = [];
  for (let count = random.below(9); count > 0; count--) {
    const name = random.pick([...KNOWN, ...NEAR, ...OTHER]);
    lines.push(`${randomCase(name, random)}: b\r\n`);
  }
  for (let count = random.below(3); count > 0; count--) {
    const items = Array.from({ length: random.below(5) }, () => random.pick(ITEMS));
    const list = items
      .map((item) => randomCase(item, random))
      .join(random.pick([",", " , ", "\t,"]));
    lines.splice(random.below(lines.length + 1), 0, `Connection:${list}\r\n`);
  }
  return `${lines.join("")}\r\n`;
}

test("names have their kind in any case, and no other name has it", async () => {
  await withRandom((random) => {
    const kinds = new Set<number>();
    for (const name of KNOWN) {
      const kind = fieldKind(ascii(name), 0, name.length);
      assert.notEqual(kind, FIELD_OTHER, name);
      if (kind !== FIELD_DROPPED) assert.ok(!kinds.has(kind), name);
      kinds.add(kind);
      for (let index = 0; index < 200; index++) {
        const spelt = randomCase(name, random);
        assert.equal(fieldKind(ascii(spelt), 0, spelt.length), kind, spelt);
        const at = random.below(name.length);
        const other = String.fromCharCode(random.below(128));
        if (other.toLowerCase() === spelt.charAt(at).toLowerCase()) continue;
        const wrong = spelt.slice(0, at) + other + spelt.slice(at + 1);
        const expected = isLookalike(wrong) ? FIELD_LOOKALIKE : FIELD_OTHER;
        assert.equal(fieldKind(ascii(wrong), 0, wrong.length), expected, wrong);
      }
    }
  });
});

test("an underscore makes no new name of those that say where a request is from", () => {
  for (const name of ["X_Forwarded_For", "x-forwarded_host", "X_FORWARDED-PROTO"])
    assert.equal(fieldKind(ascii(name), 0, name.length), FIELD_LOOKALIKE, name);
});

test("lists hold the tokens that the reference finds in them", async () => {
  await withRandom((random) => {
    for (let index = 0; index < HEADS; index++) {
      const text = randomSection(random);
      const memory = PoisonedBytes.random(text, 0, random);
      const fields = new HeadFields();
      assert.equal(fields.scan(memory.bytes, memory.view, memory.start, memory.end), memory.end);
      const section = referenceFields(text, 0);
      assert.ok(typeof section !== "string");
      const tokens = tokensOf(section.fields, "connection").filter((token) => token !== "");
      for (const token of ["close", "te", "x-a", "a", "keep-alive"]) {
        const found = fields.hasToken(memory.bytes, FIELD_CONNECTION, ascii(token));
        assert.equal(found, tokens.includes(token), JSON.stringify([text, token]));
      }
    }
  });
});

test("Connection takes out what it names, but nothing that frames or routes", async () => {
  await withRandom((random) => {
    let dropped = 0;
    for (let index = 0; index < HEADS; index++) {
      const text = randomSection(random);
      const memory = PoisonedBytes.random(text, 0, random);
      const fields = new HeadFields();
      fields.scan(memory.bytes, memory.view, memory.start, memory.end);
      fields.dropNamedByConnection(memory.bytes);
      const section = referenceFields(text, 0);
      assert.ok(typeof section !== "string");
      const named = tokensOf(section.fields, "connection");
      for (const [at, { name }] of section.fields.entries()) {
        const lower = name.toLowerCase();
        const before = fieldKind(ascii(name), 0, name.length);
        const expected = named.includes(lower) && !OWN.has(lower) ? FIELD_DROPPED : before;
        assert.equal(fields.kind[at], expected, JSON.stringify([text, name]));
        if (expected !== before) dropped++;
      }
      const kept = Array.from(fields.kind.subarray(0, fields.count));
      for (const kind of [FIELD_DATE, FIELD_X_FORWARDED_FOR]) {
        if (kept.includes(kind)) assert.ok(fields.has(kind));
      }
      assert.equal(
        fields.has(FIELD_DATE),
        kept.includes(FIELD_DATE),
        "a Date that goes is missing",
      );
    }
    assert.ok(dropped > HEADS / 20);
  });
});
