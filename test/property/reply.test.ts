// Replies of our own, read back: sound heads, lengths that are true, ids that differ.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ascii } from "zproxy/runtime/data/bytes.ts";
import {
  CONNECTION_CLOSE,
  CONNECTION_KEEP_ALIVE,
  REPLY_BYTES_MAX,
  ReplyWriter,
} from "zproxy/runtime/data/reply.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { withRandom } from "../lib/random.ts";
import { valuesOf } from "../lib/reference-head.ts";
import { referenceResponse } from "../lib/reference-response.ts";

const STATUSES = [
  200, 400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 429, 431, 500, 501, 502, 503, 504, 505,
];
const ALLOWS = ["GET, HEAD", "A", `${"M".repeat(30)}, `.repeat(40)];
const CONNECTIONS = [ascii(""), CONNECTION_CLOSE, CONNECTION_KEEP_ALIVE];
const ROUNDS = 2_000;

test("a reply is a sound answer with a body as long as it says", async () => {
  await withRandom((random) => {
    const ids = new Set<string>();
    const memory = PoisonedBytes.random("", 8192, random);
    const replies = new ReplyWriter(memory.bytes, "0a1b2c3d");
    for (let round = 0; round < ROUNDS; round++) {
      const status = random.pick(STATUSES);
      const secs = random.below(2 ** 32);
      const toHead = random.below(4) === 0;
      const [connection, allow] = [random.pick(CONNECTIONS), random.pick(ALLOWS)];
      replies.setClock(secs);
      replies.fileSize = random.next();
      const end = replies.write(memory.scratch, status, !toHead, connection, ascii(allow));
      memory.expectUntouched();
      assert.ok(end - memory.scratch <= REPLY_BYTES_MAX + allow.length);
      const text = memory.text(memory.scratch, end);
      const head = referenceResponse(text, toHead);
      assert.ok(typeof head !== "string", text);
      assert.equal(head.status, status);
      assert.ok(head.reason.length > 0);
      assert.equal(head.keepAlive, connection !== CONNECTION_CLOSE);
      assert.deepEqual(valuesOf(head.fields, "date"), [new Date(secs * 1000).toUTCString()]);
      assert.deepEqual(valuesOf(head.fields, "allow"), status === 405 ? [allow.trim()] : []);
      const unsatisfied = status === 416 ? [`bytes */${replies.fileSize}`] : [];
      assert.deepEqual(valuesOf(head.fields, "content-range"), unsatisfied);
      const body = text.slice(head.end);
      if (toHead) {
        assert.equal(body, "");
        continue;
      }
      assert.equal(body.length, head.contentLength);
      if (status === 200) continue;
      assert.match(body, new RegExp(`^${status} ${head.reason}, request 0a1b2c3d[0-9a-f]{8}\\n$`));
      assert.deepEqual(valuesOf(head.fields, "content-type"), ["text/plain"]);
      ids.add(body.slice(-17));
    }
    assert.ok(ids.size > ROUNDS / 3);
  });
});

test("a status without a text of its own is a 500", () => {
  const bytes = Buffer.alloc(REPLY_BYTES_MAX);
  const replies = new ReplyWriter(bytes, "00000000");
  replies.setClock(0);
  const end = replies.write(0, 599, true, ascii(""), ascii(""));
  const head = referenceResponse(bytes.toString("latin1", 0, end), false);
  assert.ok(typeof head !== "string");
  assert.equal(head.status, 500);
  assert.equal(head.end + head.contentLength, end);
});
