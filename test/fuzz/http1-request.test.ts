// Request heads, sound and damaged, whole and cut: the scanner finds what the reference finds, sees
// nothing beyond the input, and writes nowhere but into its scratch.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestHead } from "zproxy/runtime/data/http1-request.ts";
import { HeadWriter, mutatedHead } from "../lib/http1-texts.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { type ReferenceRequest, referenceRequest } from "../lib/reference-request.ts";
import { cutsOfText, expectSameAtCuts } from "../lib/scan-cuts.ts";
import { SCRATCH_BYTES, scannedRequest } from "../lib/scanned-heads.ts";

const WHOLE_HEADS = 25_000;
const CUT_HEADS = 1_000;

/** The scratch is as large as `scan` says it needs, and not a byte larger. */
function scanRandomly(text: string, random: Random): ReferenceRequest | string {
  return scannedRequest(PoisonedBytes.random(text, text.length + SCRATCH_BYTES, random));
}

function verdictOf(result: ReferenceRequest | string): string {
  return typeof result === "string" ? result : `a head of ${result.end}`;
}

function writeText(writer: HeadWriter, random: Random): string {
  const text = writer.request() + random.pick(["", "", "GET ", "\0", "\r\n"]);
  return random.below(3) === 0 ? text : mutatedHead(text, random);
}

test("whole heads are read like the reference reads them", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    const seen = new Map<string, number>();
    for (let index = 0; index < WHOLE_HEADS; index++) {
      const text = writeText(writer, random);
      const expected = referenceRequest(text);
      assert.deepEqual(scanRandomly(text, random), expected, JSON.stringify(text));
      const kind = typeof expected === "string" ? expected : `sound, ${expected.refusal}`;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }
    for (const kind of ["incomplete", "bad", "too many", "version", "sound, 0", "sound, 417"]) {
      assert.ok((seen.get(kind) ?? 0) > 20, `too few heads are "${kind}": ${[...seen]}`);
    }
  });
});

test("heads that are cut anywhere wait for the rest, unless it can't help", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    for (let index = 0; index < CUT_HEADS; index++) {
      const text = writeText(writer, random);
      expectSameAtCuts(
        text,
        cutsOfText(text, random),
        (beginning) => verdictOf(scanRandomly(beginning, random)),
        (beginning) => verdictOf(referenceRequest(beginning)),
      );
    }
  });
});

test("one object reads one head after the other, and keeps nothing of those before", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    const head = new RequestHead(new Uint8Array(0));
    for (let index = 0; index < CUT_HEADS; index++) {
      const text = writeText(writer, random);
      const memory = PoisonedBytes.random(text, text.length + SCRATCH_BYTES, random);
      assert.deepEqual(scannedRequest(memory, head), referenceRequest(text), JSON.stringify(text));
    }
  });
});

const LARGEST = 65536;
const AROUND = "GET  HTTP/1.1\r\nHost: a\r\n\r\n".length;

/** The longest heads that are taken, each with one part that fills it. */
const LONG: readonly (readonly [name: string, text: string])[] = [
  [
    "a path that needs no copy",
    `GET /${"a".repeat(LARGEST - AROUND - 1)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  [
    "a path of escapes",
    `GET /${"%41".repeat((LARGEST - AROUND - 1) / 3)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  [
    "a path of kept escapes",
    `GET /${"%2f".repeat((LARGEST - AROUND) / 3)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  [
    "a path of dots",
    `GET /a/${"./".repeat((LARGEST - AROUND) / 2 - 2)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  ["a path that goes up and down", `GET /a${"/b/..".repeat(13_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  [
    "a climb at the end",
    `GET ${"/a".repeat(9000)}${"/..".repeat(9001)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  [
    "an absolute form",
    `GET http://A${"b".repeat(254)}?${"c".repeat(60_000)} HTTP/1.1\r\nHost: B\r\n\r\n`,
  ],
  ["one field", `GET / HTTP/1.1\r\nHost: a\r\nA: ${"a".repeat(LARGEST - 40)}\r\n\r\n`],
  ["spaces alone", `GET / HTTP/1.1\r\nHost: a\r\nA:${" ".repeat(LARGEST - 40)}\r\n\r\n`],
  [
    "commas",
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ${",".repeat(60_000)}a\r\n\r\n`,
  ],
];

for (const [name, text] of LONG) {
  test(`the longest head: ${name}`, async () => {
    await withRandom((random) => {
      const expected = referenceRequest(text);
      assert.deepEqual(scanRandomly(text, random), expected);
      assert.equal(expected === "bad", name.startsWith("a climb"));
    });
  });
}
