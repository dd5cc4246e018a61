// A worker that drains let idle clients go, but not one whose refused body was still arriving: once
// it had come, the client was idle, and held the stop up for as long as an idle one may stay.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const STOP_MS = 100;
const BODY = "a refused body";

for (const comes of [true, false]) {
  test(`a refused body that ${comes ? "comes" : "does not come"} does not hold the stop up`, async () => {
    const program = await loadHandPlayed(serverSection() + fileRoute("/", "site"));
    const played = new HandPlayed({ program });
    const { client } = played;
    client.send(request("POST /", [`Content-Length: ${BODY.length}`]));
    if (comes) played.at(STOP_MS * 2, () => client.send(BODY));
    played.play(STOP_MS);
    assert.match(client.received, /^HTTP\/1\.1 405 .*\r\n\r\n405 Method Not Allowed, .*\n$/s);
    assert.equal(client.ending, "end");
    assert.ok(played.world.schedule.now < 10e6, `${played.world.schedule.now} µs`);
  });
}
