// "Connection: date" took the Date of an answer away, and none was added in its place, because the
// head was still thought to have one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rewrittenResponse, WRITTEN_DATE } from "../lib/rewritten-response.ts";

test("an answer whose Date is dropped gets ours", () => {
  const written = rewrittenResponse(
    "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: date\r\nContent-Length: 0\r\n\r\n",
  );
  assert.deepEqual(written.match(/Date:[^\r]*/g), [`Date: ${WRITTEN_DATE}`]);
});
