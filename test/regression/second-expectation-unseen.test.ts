// Only the first Expect field was looked at, so "Expect: 100-continue" hid an expectation that
// nobody here can meet; both lines went to the upstream.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { SCRATCH_BYTES, scannedRequest } from "../lib/scanned-heads.ts";

function refusalOf(...expectations: readonly string[]): number {
  const lines = expectations.map((value) => `Expect: ${value}\r\n`);
  const text = `PUT / HTTP/1.1\r\nHost: a\r\n${lines.join("")}\r\n`;
  const head = scannedRequest(new PoisonedBytes(text, text.length + SCRATCH_BYTES, "a"));
  assert.ok(typeof head !== "string");
  return head.refusal;
}

test("an unknown expectation is refused wherever it stands", () => {
  assert.equal(refusalOf("100-continue"), 0);
  assert.equal(refusalOf("100-continue", "100-Continue"), 0);
  assert.equal(refusalOf("something"), 417);
  assert.equal(refusalOf("something", "100-continue"), 417);
  assert.equal(refusalOf("100-continue", "something"), 417);
});
