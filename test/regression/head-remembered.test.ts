// A head for which no buffer was left was answered as if it were of the request before it on the
// connection: behind a HEAD without the body that Content-Length had announced.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BUFFER_NONE } from "zproxy/runtime/data/buffers.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

/** Fills the first buffer of a head, and is still a head that is allowed. */
const FIELDS = [`X-Long: ${"x".repeat(7000)}`];

test("a head that there is no room for gets an answer of its own", async () => {
  const program = await loadHandPlayed(serverSection() + fileRoute("/", "site"));
  const played = new HandPlayed({ program });
  const { buffers } = played.world;
  const { client } = played;
  const taken: number[] = [];
  // For each connection so many buffers may be in use.
  for (let others = 0; others < 2; others++) played.connectClient();
  client.send(request("HEAD /"));
  played.at(100, () => {
    assert.match(client.received, /^HTTP\/1\.1 404 /);
    client.received = "";
    for (let at = buffers.takeLarge(); at !== BUFFER_NONE; at = buffers.takeLarge()) taken.push(at);
    client.send(request("GET /", FIELDS));
  });
  played.at(200, () => {
    for (const at of taken) buffers.free(at);
  });
  played.play(1000);
  assert.match(client.received, /^HTTP\/1\.1 503 .*\r\n\r\n503 Service Unavailable, request /s);
});
