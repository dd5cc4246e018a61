// A client that wanted its connection closed and was refused while its short body was still on its
// way met a closed socket with that body, and the reset took the answer away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

/** A reset overtakes what is on its way, or not: the seed decides. */
const SEEDS = 12;

test("a refusal is read to its end, though its request's body comes behind it", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/a", "http://127.0.0.1:9001"));
  for (let seed = 1; seed <= SEEDS; seed++) {
    const played = new HandPlayed({ program, seed, latencyUs: 5000 });
    const { client } = played;
    client.send(request("POST /none", ["Content-Length: 40", "Connection: close"]));
    played.at(10, () => client.send("a".repeat(20)));
    played.at(12, () => client.send("b".repeat(20)));
    played.at(1000, () => client.wire.close());
    played.play(2000);
    assert.match(client.received, /^HTTP\/1\.1 404 .*\n$/s, `seed ${seed}`);
    assert.equal(client.ending, "end", `seed ${seed}`);
  }
});
