// A bare CR that was the last byte of a piece was forgotten when the next piece came: the 400 for
// it waited for the end of the head, or for the timeout.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isScanDue } from "zproxy/runtime/data/head-end.ts";

test("a bare CR is noticed although a receive ended behind it", () => {
  const bytes = new TextEncoder().encode("GET / HTTP/1.1\rHost: a");
  const cut = bytes.indexOf(0x0d) + 1;
  assert.equal(isScanDue(bytes, 0, 0, cut), false);
  assert.equal(isScanDue(bytes, 0, cut, cut), false);
  assert.equal(isScanDue(bytes, 0, cut, cut + 1), true);
});
