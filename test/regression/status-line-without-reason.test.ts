// An upstream may leave out the reason and, against the grammar, the space before it. The line went
// to the client as it was, and strict clients refuse it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rewrittenResponse } from "../lib/rewritten-response.ts";

function statusLine(received: string): string {
  return rewrittenResponse(`${received}\r\nContent-Length: 0\r\n\r\n`).split("\r\n")[0] as string;
}

test("a status line always has its second space", () => {
  assert.equal(statusLine("HTTP/1.1 200"), "HTTP/1.1 200 ");
  assert.equal(statusLine("HTTP/1.0 200 "), "HTTP/1.1 200 ");
  assert.equal(statusLine("HTTP/1.1 404 Not Found"), "HTTP/1.1 404 Not Found");
});
