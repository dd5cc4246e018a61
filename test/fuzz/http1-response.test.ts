// Response heads, sound and damaged, whole and cut: the scanner finds what the reference finds,
// sees nothing beyond the input, and writes nowhere.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseHead } from "zproxy/runtime/data/http1-response.ts";
import { HeadWriter, mutatedHead } from "../lib/http1-texts.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { type ReferenceResponse, referenceResponse } from "../lib/reference-response.ts";
import { cutsOfText, expectSameAtCuts } from "../lib/scan-cuts.ts";
import { scannedResponse } from "../lib/scanned-heads.ts";

const WHOLE_HEADS = 25_000;
const CUT_HEADS = 1_000;

function scan(text: string, toHead: boolean, random: Random): ReferenceResponse | string {
  return scannedResponse(PoisonedBytes.random(text, 0, random), toHead);
}

function verdictOf(result: ReferenceResponse | string): string {
  return typeof result === "string" ? result : `a head of ${result.end}`;
}

function writeText(writer: HeadWriter, random: Random): string {
  const text = writer.response() + random.pick(["", "", "HTTP/1.1 200 OK\r\n", "\0"]);
  return random.below(3) === 0 ? text : mutatedHead(text, random);
}

test("whole heads are read like the reference reads them", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    const seen = new Map<string, number>();
    for (let index = 0; index < WHOLE_HEADS; index++) {
      const text = writeText(writer, random);
      const toHead = random.below(5) === 0;
      const expected = referenceResponse(text, toHead);
      assert.deepEqual(scan(text, toHead, random), expected, JSON.stringify(text));
      const kind = typeof expected === "string" ? expected : expected.framing;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }
    for (const kind of ["incomplete", "bad", "too many", "none", "length", "chunked", "close"]) {
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
        (beginning) => verdictOf(scan(beginning, false, random)),
        (beginning) => verdictOf(referenceResponse(beginning, false)),
      );
    }
  });
});

test("one object reads one head after the other, and keeps nothing of those before", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    const head = new ResponseHead(new Uint8Array(0));
    for (let index = 0; index < CUT_HEADS; index++) {
      const text = writeText(writer, random);
      const memory = PoisonedBytes.random(text, 0, random);
      const expected = referenceResponse(text, false);
      assert.deepEqual(scannedResponse(memory, false, head), expected, JSON.stringify(text));
    }
  });
});

test("a head of 65536 bytes is read", async () => {
  await withRandom((random) => {
    for (const filler of ["a", " ", "\t", ","]) {
      const around = "HTTP/1.1 200 OK\r\nX: \r\n\r\n".length;
      const value = filler.repeat(65536 - around);
      const text = `HTTP/1.1 200 OK\r\nX: ${value}\r\n\r\n`;
      const found = scan(text, false, random);
      assert.deepEqual(found, referenceResponse(text, false));
      assert.ok(typeof found !== "string" && found.end === 65536);
    }
  });
});
