// While the buffer with a request's head and the beginning of its body was going out on a pooled
// connection, the upstream's answer counted as written before the request: the client got 502.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const WINDOW_BYTES = 1000;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";

test("an upstream may answer before it has read the request's body", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  const played = new HandPlayed({ program, windowBytes: WINDOW_BYTES });
  const { client } = played;
  client.send(request("GET /"));
  played.at(10, () => played.upstreams[0]!.send(OK));
  played.at(20, () => {
    played.upstreams[0]!.reads = false;
    client.send(request("POST /", ["Content-Length: 3000"], "b".repeat(3000)));
  });
  // Its head has gone, and with it as much of the body as the upstream's window takes.
  played.at(30, () => played.upstreams[0]!.send(REFUSAL));
  played.at(40, () => played.upstreams[0]!.readOn());
  played.play(100);
  assert.equal(played.upstreams.length, 1);
  assert.match(client.received, /^HTTP\/1\.1 200 .*\r\n\r\nokHTTP\/1\.1 403 .*\r\n\r\nno$/s);
});
