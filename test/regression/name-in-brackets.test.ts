// Anything of hexadecimal digits, dots and colons was taken for an IPv6 literal, so that "[abc.de]"
// was routed like the host "abc.de" and "[127.0.0.1]" like the address.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { SCRATCH_BYTES, scannedRequest } from "../lib/scanned-heads.ts";

function hostOf(authority: string): string {
  const text = `GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
  const head = scannedRequest(new PoisonedBytes(text, text.length + SCRATCH_BYTES, "a"));
  return typeof head === "string" ? head : head.host;
}

test("brackets hold an IPv6 address or nothing", () => {
  assert.equal(hostOf("[::1]"), "::1");
  assert.equal(hostOf("[::FFFF:127.0.0.1]:80"), "::ffff:7f00:1");
  for (const inside of [
    "abc.de",
    "127.0.0.1",
    "abc",
    ":",
    ":::",
    "1::2::3",
    "::1.2.3",
    "12345::",
  ]) {
    assert.equal(hostOf(`[${inside}]`), "bad", inside);
  }
});
