// Heads that arrive in pieces: each byte is looked at a few times at most, and the full scan runs
// where it has something to say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isScanDue } from "zproxy/runtime/data/head-end.ts";
import { HeadWriter, mutatedHead } from "../lib/http1-texts.ts";
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

/** What a reader of pieces comes to, and with how many scans behind the first. */
interface Reading {
  /** The end of the piece with which there was a verdict, or -1. */
  readonly end: number;
  readonly verdict: string;
  readonly scans: number;
}

type Verdict = (text: string) => string;

/** Reads a text piece by piece as the data path does. Poison stands behind each piece. */
function readInPieces(text: string, ends: readonly number[], verdictOf: Verdict, random: Random) {
  let from = -1;
  let scans = 0;
  for (const end of ends) {
    const beginning = text.slice(0, end);
    const memory = PoisonedBytes.random(beginning, 0, random);
    const { bytes, start } = memory;
    const due = from < 0 || isScanDue(bytes, start, start + from, start + end);
    from = end;
    if (!due) continue;
    scans++;
    const verdict = verdictOf(beginning);
    if (verdict !== "incomplete") return { end, verdict, scans } as Reading;
  }
  return { end: -1, verdict: "incomplete", scans } as Reading;
}

function verdictOf(isRequest: boolean): Verdict {
  return (text) => {
    const head = isRequest ? referenceRequest(text) : referenceResponse(text, false);
    return typeof head === "string" ? head : "sound";
  };
}

/** A head that both the scanner and the reference take. */
function soundHead(writer: HeadWriter, isRequest: boolean): string {
  for (;;) {
    const text = isRequest ? writer.request() : writer.response();
    if (verdictOf(isRequest)(text) === "sound") return text;
  }
}

/** The first scan, the first line, and the two empty lines that may stand before it. */
const SCANS_MAX = 6;

test("a sound head is read with its last byte, and scanned a few times at most", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    for (let index = 0; index < HEADS; index++) {
      const isRequest = random.below(2) === 0;
      const head = soundHead(writer, isRequest);
      const text = head + random.pick(["", "", "\r\n", "GET / HTTP/1.1\r\n", "body"]);
      const ends = pieces(text.length, random);
      const reading = readInPieces(text, ends, verdictOf(isRequest), random);
      const expected = ends.find((end) => end >= head.length);
      const seen = JSON.stringify([text, ends]);
      assert.deepEqual([reading.end, reading.verdict], [expected, "sound"], seen);
      assert.ok(reading.scans <= SCANS_MAX, `${reading.scans} scans: ${seen}`);
    }
  });
});

test("a head that is wrong is refused with the line that is, at the latest", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    let refused = 0;
    for (let index = 0; index < HEADS; index++) {
      const isRequest = random.below(2) === 0;
      const sound = soundHead(writer, isRequest);
      const text = mutatedHead(sound, random);
      const judge = verdictOf(isRequest);
      const lineEnds = Array.from(text.matchAll(/\n/g), ({ index: at }) => at + 1);
      const wrongAt = lineEnds.find((end) => judge(text.slice(0, end)) !== "incomplete");
      // What fields mean together, and how many there are, is known when the head is whole.
      const verdict = wrongAt === undefined ? "incomplete" : judge(text.slice(0, wrongAt));
      if (verdict !== "bad" && verdict !== "version") continue;
      refused++;
      const ends = pieces(text.length, random);
      const reading = readInPieces(text, ends, judge, random);
      const latest = ends.find((end) => end >= (wrongAt as number)) as number;
      const seen = JSON.stringify([text, ends, wrongAt]);
      assert.equal(reading.verdict, verdict, seen);
      assert.ok(reading.end <= latest, `${reading.end} instead of ${latest}: ${seen}`);
      assert.ok(reading.scans <= SCANS_MAX + 1, `${reading.scans} scans: ${seen}`);
    }
    assert.ok(refused > HEADS / 5, `${refused}`);
  });
});

test("the cost of a head that comes byte by byte grows with its length, not its square", () => {
  const lines = Array.from({ length: 60 }, (_, at) => `X-${at}: ${"y".repeat(at * 4)}\r\n`);
  const text = `GET / HTTP/1.1\r\n${lines.join("")}`;
  const memory = new PoisonedBytes(text, 0, "a");
  let reads = 0;
  const bytes = new Proxy(memory.bytes, {
    get(target, key) {
      reads++;
      return Reflect.get(target, key) as unknown;
    },
  });
  for (let end = 1; end <= text.length; end++)
    isScanDue(bytes, memory.start, memory.start + end - 1, memory.start + end);
  assert.ok(reads > text.length && reads < text.length * 8, `${reads} of ${text.length}`);
});

test("what stands before the head is not taken for a part of it", () => {
  for (const poison of ["\r", "\n", "\r\n", "\n\r"]) {
    for (const indent of [0, 1]) {
      const bare = new PoisonedBytes("\nGET", 0, poison, indent);
      assert.equal(isScanDue(bare.bytes, bare.start, bare.start, bare.end), true);
      const rest = new PoisonedBytes("GET", 0, poison, indent);
      assert.equal(isScanDue(rest.bytes, rest.start, rest.start, rest.end), false);
    }
  }
});
