// A request that may not be made twice got 502 when its pooled connection was found to have ended
// in the turn in which it was taken up, though nothing of the request had gone out yet.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Program } from "zproxy/runtime/data/api.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed, type Peer } from "../simulation/hand-played.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UNASKED = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
const POST = request("POST /", ["Content-Length: 4"], "body");

let program: Program;

before(async () => {
  program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
});

/** A client's POST, and behind it what its idle upstream does, both seen in one turn. */
function played(behind: (upstream: Peer) => void): HandPlayed {
  const played = new HandPlayed({ program, latencyUs: 0 });
  played.client.send(request("GET /"));
  played.at(10, () => played.upstreams[0]!.send(OK));
  played.at(20, () => {
    played.client.send(POST);
    behind(played.upstreams[0]!);
  });
  played.at(30, () => played.upstreams[1]?.send(OK));
  played.play(100);
  return played;
}

for (const [name, behind] of [
  ["a FIN", (upstream: Peer) => upstream.wire.end()],
  ["a reset", (upstream: Peer) => upstream.wire.reset()],
  ["an unasked answer", (upstream: Peer) => upstream.send(UNASKED)],
] as const) {
  test(`${name} right behind a POST costs it its connection only`, () => {
    const { client, upstreams } = played(behind);
    assert.deepEqual(client.received.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 200"]);
    assert.equal(upstreams.length, 2);
    assert.doesNotMatch(upstreams[0]!.received, /POST/, "it is made once");
    assert.match(upstreams[1]!.received, /^POST .*\r\n\r\nbody$/s);
  });
}
