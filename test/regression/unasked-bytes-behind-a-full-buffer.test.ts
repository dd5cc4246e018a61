// An upstream whose answer ended where the receive buffer did went back to its pool with more of it
// in the socket. A request that took it up in the same turn could get that as its answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LARGE_BYTES } from "../../runtime/data/buffers.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const BRIEF = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UNASKED = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";

/** An answer of so many bytes, its head among them. */
function answerOf(bytes: number): string {
  const head = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
  const length = bytes - head(bytes).length;
  return head(length) + "b".repeat(length);
}

for (const [name, text, upstreams] of [
  ["with more behind it", answerOf(LARGE_BYTES) + UNASKED, 2],
  ["with nothing behind it", answerOf(LARGE_BYTES), 1],
] as const) {
  test(`an answer that fills its buffer, ${name}`, async () => {
    const config = serverSection() + proxyRoute("/", "http://127.0.0.1:9001");
    const played = new HandPlayed({ program: await loadHandPlayed(config) });
    // The second request is here already when the first has been answered.
    played.client.send(request("POST /", ["Content-Length: 0"]) + request("GET /"));
    played.at(30, () => played.upstreams[0]!.send(text));
    played.at(40, () => played.upstreams.at(-1)!.send(BRIEF));
    played.play(100);
    const statuses = played.client.received.match(/HTTP\/1\.1 \d+/g);
    assert.deepEqual(statuses, ["HTTP/1.1 200", "HTTP/1.1 200"]);
    assert.ok(played.client.received.endsWith("\r\n\r\nok"));
    assert.equal(played.upstreams.length, upstreams);
  });
}
