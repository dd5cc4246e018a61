// The kernel reports a reset once. When a send took it, the receive saw an end, and a body without
// length that the reset had cut was given to the client as whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const WINDOW_BYTES = 5000;
/** More than the client's window and the worker's own buffers take. */
const ANSWER_BYTES = 400_000;
const LAST_CHUNK = "0\r\n\r\n";

test("a body that a reset cuts is never whole for the client", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  const played = new HandPlayed({ program, windowBytes: WINDOW_BYTES });
  const { client } = played;
  client.reads = false;
  client.send(request("POST /", ["Content-Length: 200000"]));
  played.at(10, () => {
    const [upstream] = played.upstreams;
    upstream!.reads = false;
    upstream!.send(`HTTP/1.1 200 OK\r\n\r\n${"a".repeat(ANSWER_BYTES)}`);
  });
  // The worker's send to the upstream waits, and its receive is not armed: the client is slow.
  played.at(20, () => client.send("b".repeat(100_000)));
  played.at(30, () => played.upstreams[0]!.wire.reset());
  played.at(40, () => client.readOn());
  played.play(1000);
  assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(client.received, /Transfer-Encoding: chunked/);
  assert.ok(!client.received.endsWith(LAST_CHUNK), "the answer ends as if it were whole");
});
