// The bounds of the chunked coding, each at its last allowed value and one past it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkState } from "zproxy/runtime/data/chunked.ts";
import { SCAN_BAD } from "zproxy/runtime/data/http1-fields.ts";
import { referenceChunks } from "../lib/reference-chunks.ts";

const EXTENSION_MAX = 1024;
const TRAILER_MAX = 8192;

/** The verdict for a text in pieces of `size` bytes. */
function verdictOf(text: string, size: number): string {
  const bytes = Buffer.from(`${text}\0`, "latin1");
  const chunks = new ChunkState();
  for (let at = 0; at < text.length && !chunks.done; at += size) {
    const end = Math.min(at + size, text.length);
    if (chunks.scan(bytes, at, end, -1) === SCAN_BAD) return "bad";
  }
  return chunks.done ? "done" : "incomplete";
}

function trailerOf(bytes: number): string {
  // Names are short, so that only the section's length is at its bound; CR LF ends it.
  const value = "v".repeat(bytes - "a:".length - "\r\n\r\n".length);
  return `a:${value}\r\n\r\n`;
}

const CASES: readonly (readonly [name: string, text: string, verdict: string])[] = [
  ["twelve digits", "0".repeat(11), "incomplete"],
  ["twelve digits of zero", `${"0".repeat(12)}\r\n\r\n`, "done"],
  ["thirteen digits", "0".repeat(13), "bad"],
  ["the largest size", `${"f".repeat(12)}\r\nabc`, "incomplete"],
  ["a size past 2^48", `1${"0".repeat(12)}\r\nabc`, "bad"],
  ["the longest extension", `0;${"e".repeat(EXTENSION_MAX - 1)}\r\n\r\n`, "done"],
  ["an extension too long", `0;${"e".repeat(EXTENSION_MAX)}\r\n\r\n`, "bad"],
  ["extensions of many chunks", `${`1;${"e".repeat(255)}\r\na\r\n`.repeat(4)}0\r\n\r\n`, "done"],
  ["extensions of one chunk more", `${`1;${"e".repeat(255)}\r\na\r\n`.repeat(4)}0;\r\n\r\n`, "bad"],
  ["the longest trailer section", `0\r\n${trailerOf(TRAILER_MAX)}`, "done"],
  ["a trailer section too long", `0\r\n${trailerOf(TRAILER_MAX + 1)}`, "bad"],
  ["the longest trailer name", `0\r\n${"n".repeat(64)}:\r\n\r\n`, "done"],
  ["a trailer name too long", `0\r\n${"n".repeat(65)}:\r\n\r\n`, "bad"],
  ["a trailer line without end", `0\r\na:${"v".repeat(TRAILER_MAX)}`, "bad"],
  ["a trailer name that frames", "0\r\nContent-Length: 0\r\n\r\n", "bad"],
  ["a name that only begins so", "0\r\nContent-Lengths: 0\r\n\r\n", "done"],
];

for (const [name, text, verdict] of CASES) {
  test(`${name}: ${verdict}`, () => {
    assert.equal(referenceChunks(text, false).verdict, verdict, "the reference");
    for (const size of [text.length, 1, 7]) assert.equal(verdictOf(text, size), verdict);
  });
}

test("sizes are counted exactly up to the largest", () => {
  const chunks = new ChunkState();
  const line = Buffer.from("ffffffffffff\r\nabc", "latin1");
  chunks.scan(line, 0, line.length, -1);
  assert.equal(chunks.total[0], 3);
  assert.equal(chunks.announced, 2 ** 48 - 1);
  assert.equal(chunks.done, false);
});

test("a size that arrives in pieces is never announced as more than it is", () => {
  const text = "1a2b3c\r\n";
  const bytes = Buffer.from(text, "latin1");
  const chunks = new ChunkState();
  let before = 0;
  for (let at = 0; at < text.length; at++) {
    chunks.scan(bytes, at, at + 1, -1);
    assert.ok(chunks.announced >= before && chunks.announced <= 0x1a2b3c);
    before = chunks.announced;
  }
  assert.equal(before, 0x1a2b3c);
});

test("reset forgets everything", () => {
  const fresh = new ChunkState();
  const used = new ChunkState();
  const bytes = Buffer.from("5;e\r\nhello\r\n0\r\nname:v\r", "latin1");
  used.scan(bytes, 0, bytes.length, -1);
  used.reset(false);
  const rest = Buffer.from(`0;${"e".repeat(EXTENSION_MAX - 1)}\r\n${trailerOf(TRAILER_MAX)}`);
  for (const chunks of [fresh, used]) {
    assert.equal(chunks.scan(rest, 0, rest.length, -1), rest.length);
    assert.equal(chunks.done, true);
    assert.equal(chunks.announced, 0);
  }
});
