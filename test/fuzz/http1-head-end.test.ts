// Heads that arrive in pieces: the search for their end is told of each byte once and stops exactly
// where the full scan has something to say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isHeadComplete } from "zproxy/runtime/data/head-end.ts";
import { HeadWriter } from "../lib/http1-texts.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { referenceRequest } from "../lib/reference-request.ts";
import { referenceResponse } from "../lib/reference-response.ts";

const HEADS = 4_000;

/** Ends of pieces, ascending; the last is the end of the text. */
function pieces(length: number, random: Random): number[] {
  if (random.below(3) === 0) return Array.from({ length }, (_, index) => index + 1);
  const cuts = Array.from({ length: random.below(8) }, () => random.between(1, length));
  return [...new Set([...cuts, length])].sort((a, b) => a - b);
}

/**
 * The end of the piece with which the search says "scan", or -1. Poison stands behind each piece.
 */
function foundIn(text: string, ends: readonly number[], random: Random): number {
  let from = 0;
  for (const end of ends) {
    const memory = PoisonedBytes.random(text.slice(0, end), 0, random);
    const { bytes, start } = memory;
    if (isHeadComplete(bytes, start, start + from, start + end)) return end;
    from = end;
  }
  return -1;
}

/** A head that both the scanner and the reference take, and that starts without empty lines. */
function soundHead(writer: HeadWriter, random: Random): string {
  for (;;) {
    const isRequest = random.below(2) === 0;
    const text = isRequest ? writer.request().trimStart() : writer.response();
    const head = isRequest ? referenceRequest(text) : referenceResponse(text, false);
    if (typeof head !== "string") return text;
  }
}

test("a sound head is found with its last byte and not before", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    for (let index = 0; index < HEADS; index++) {
      const head = soundHead(writer, random);
      const text = head + random.pick(["", "", "\r\n", "GET / HTTP/1.1\r\n", "body"]);
      const ends = pieces(text.length, random);
      const expected = ends.find((end) => end >= head.length);
      assert.equal(foundIn(text, ends, random), expected, JSON.stringify([text, ends]));
    }
  });
});

test("empty lines before a request keep nothing from being found", async () => {
  await withRandom((random) => {
    for (let index = 0; index < HEADS; index++) {
      const text = `${"\r\n".repeat(random.between(1, 2))}GET / HTTP/1.1\r\nHost: a\r\n\r\n`;
      const ends = pieces(text.length, random);
      assert.ok(foundIn(text, ends, random) > 0, JSON.stringify(ends));
    }
  });
});

test("a byte that no head may hold is found, at the latest when its line ends", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    for (let index = 0; index < HEADS; index++) {
      const head = soundHead(writer, random);
      const at = random.below(head.length - 3);
      const wrong = random.pick(["\n", "\r", "\0", "\x01", "\x1f", "\x0b"]);
      const text = head.slice(0, at) + wrong + head.slice(at);
      // A CR right before a CR LF, or an LF between them, still makes a line end that is wrong.
      const lineEnd = text.indexOf("\n", at + 1) + 1;
      const ends = pieces(text.length, random);
      const latest = ends.find((end) => end >= lineEnd) as number;
      const found = foundIn(text, ends, random);
      assert.ok(found >= 0 && found <= latest, JSON.stringify([text, ends, found, latest]));
    }
  });
});

test("what stands before the head is not taken for a part of it", () => {
  for (const poison of ["\r", "\n", "\r\n", "\n\r"]) {
    for (const indent of [0, 1]) {
      const bare = new PoisonedBytes("\nGET", 0, poison, indent);
      assert.equal(isHeadComplete(bare.bytes, bare.start, bare.start, bare.end), true);
      const line = new PoisonedBytes("\r\nGET", 0, poison, indent);
      assert.equal(isHeadComplete(line.bytes, line.start, line.start, line.end), false);
      const rest = new PoisonedBytes("GET", 0, poison, indent);
      assert.equal(isHeadComplete(rest.bytes, rest.start, rest.start, rest.end), false);
    }
  }
});
