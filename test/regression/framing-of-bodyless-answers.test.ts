// What an upstream said about the framing of answers that have no body went to the client: a length
// or a coding with 204 and 1xx, and a coding to a client of HTTP/1.0 that had sent HEAD. A client
// that believes it waits for a body, or takes the next answer for one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rewrittenResponse } from "../lib/rewritten-response.ts";

const LENGTH = "Content-Length: 5\r\n";
const CODING = "Transfer-Encoding: chunked\r\n";

for (const status of [100, 103, 204]) {
  test(`${status} says nothing about a body`, () => {
    for (const line of [LENGTH, CODING]) {
      const written = rewrittenResponse(`HTTP/1.1 ${status} A\r\n${line}X: y\r\n\r\n`);
      assert.doesNotMatch(written, /content-length|transfer-encoding/i);
      assert.match(written, /\r\nX: y\r\n/);
    }
  });
}

test("the answer to HEAD says how long its body would be, to each client in its words", () => {
  const toHead = { toHead: true };
  const length = rewrittenResponse(`HTTP/1.1 200 OK\r\n${LENGTH}\r\n`, toHead);
  assert.ok(length.includes(LENGTH));
  const coded = `HTTP/1.1 200 OK\r\n${CODING}\r\n`;
  assert.ok(rewrittenResponse(coded, toHead).includes(CODING));
  assert.ok(!rewrittenResponse(coded, { ...toHead, minorVersion: 0 }).includes(CODING));
});
