// Chunked bodies in one piece, cut at every byte and at random: the decoder says the same, and with
// compaction what is left is exactly the content.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkState } from "zproxy/runtime/data/chunked.ts";
import { SCAN_BAD } from "zproxy/runtime/data/http1-fields.ts";
import { chunkedBody, mutatedChunks } from "../lib/chunk-texts.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { type ReferenceChunks, referenceChunks } from "../lib/reference-chunks.ts";

const BODIES = 8_000;
const CUT_BODIES = 400;

/** A text, and whether it is a request's body. */
interface Body {
  readonly text: string;
  readonly isRequest: boolean;
}

interface Decoded extends ReferenceChunks {
  readonly announced: number;
}

/** Decodes a text that arrives in pieces; `ends` are the ends of the pieces. */
function decode(body: Body, ends: readonly number[], compact: boolean, random: Random): Decoded {
  const { text, isRequest } = body;
  const memory = PoisonedBytes.random(text, 0, random);
  const { bytes, start } = memory;
  const chunks = new ChunkState();
  chunks.reset(isRequest);
  let content = "";
  let at = start;
  for (const end of ends) {
    if (chunks.done) break;
    const pieceEnd = start + end;
    // The last byte behind a piece must not be looked at: it is poisoned while the piece is read.
    const behind = bytes[pieceEnd] as number;
    bytes[pieceEnd] = random.pick([0x30, 0x0d, 0x0a, 0x3b]);
    const result = chunks.scan(bytes, at, pieceEnd, compact ? at : -1);
    bytes[pieceEnd] = behind;
    if (result < 0) {
      assert.equal(result, SCAN_BAD);
      return { verdict: "bad", end: -1, content, announced: chunks.announced };
    }
    assert.ok(result === pieceEnd || (chunks.done && result < pieceEnd));
    if (compact) content += memory.text(at, chunks.compactEnd);
    else assert.equal(chunks.compactEnd, -1);
    at = result;
  }
  assert.ok(!compact || content.length === chunks.total[0]);
  memory.expectUntouched();
  const { announced } = chunks;
  if (!chunks.done) return { verdict: "incomplete", end: -1, content, announced };
  return { verdict: "done", end: at - start, content, announced };
}

function randomEnds(length: number, random: Random): number[] {
  const cuts = Array.from({ length: random.below(10) }, () => random.below(length + 1));
  return [...cuts, length].sort((a, b) => a - b);
}

function everyEnd(length: number): number[] {
  return Array.from({ length }, (_, index) => index + 1);
}

/** Asserts the reference's result, whichever way the text is cut. */
function expectDecoded(text: string, ends: readonly number[], random: Random): Decoded {
  const body = { text, isRequest: random.below(2) === 0 };
  const expected = referenceChunks(text, body.isRequest);
  const plain = decode(body, ends, false, random);
  const compacted = decode(body, ends, true, random);
  const what = JSON.stringify([body, ends]);
  assert.equal(plain.verdict, expected.verdict, what);
  assert.equal(plain.end, expected.end, what);
  assert.equal(plain.announced, compacted.announced);
  assert.equal(compacted.end, expected.end, what);
  if (expected.verdict !== "bad") assert.equal(compacted.content, expected.content, what);
  if (expected.verdict === "done") assert.equal(plain.announced, expected.content.length, what);
  return compacted;
}

function bodyText(random: Random): string {
  const body = chunkedBody(random);
  const text = random.below(3) === 0 ? body : mutatedChunks(body, random);
  return text + random.pick(["", "", "GET / HTTP/1.1\r\n", "0\r\n\r\n", "\0"]);
}

test("whole bodies and random pieces are decoded like the reference does", async () => {
  await withRandom((random) => {
    const seen = new Map<string, number>();
    for (let index = 0; index < BODIES; index++) {
      const text = bodyText(random);
      const { verdict } = expectDecoded(text, [text.length], random);
      expectDecoded(text, randomEnds(text.length, random), random);
      seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
    }
    for (const verdict of ["done", "incomplete", "bad"]) {
      assert.ok((seen.get(verdict) ?? 0) > BODIES / 20, `few are ${verdict}: ${[...seen]}`);
    }
  });
});

test("a body says at each of its bytes what the reference says", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CUT_BODIES; index++) {
      const text = bodyText(random);
      expectDecoded(text, everyEnd(text.length), random);
      for (let end = 0; end < text.length; end += random.between(1, 9))
        expectDecoded(text.slice(0, end), [end], random);
    }
  });
});

test("a piece may stand anywhere before the place it is closed up to", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CUT_BODIES; index++) {
      const text = chunkedBody(random);
      const gap = random.below(20);
      const memory = PoisonedBytes.random(".".repeat(gap) + text, 0, random);
      const chunks = new ChunkState();
      const end = chunks.scan(memory.bytes, memory.start + gap, memory.end, memory.start);
      assert.equal(end, memory.end);
      const { content } = referenceChunks(text, false);
      assert.equal(memory.text(memory.start, chunks.compactEnd), content);
    }
  });
});
