// A receive of a tunnel that ended with an error which nobody had caused (ECANCELED) was passed
// over. No other was armed, and a tunnel has no timer that would find out: it stayed, deaf.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

/** The seed chooses the error, ECANCELED for one in three. */
const SEEDS = 24;
const AGREED = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

test("a tunnel whose receive fails ends", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  for (let seed = 1; seed <= SEEDS; seed++) {
    const played = new HandPlayed({ program, seed });
    const { client, faults } = played;
    client.send(request("GET /", ["Connection: upgrade", "Upgrade: x"]));
    played.at(10, () => played.upstreams[0]!.send(AGREED));
    played.at(20, () => client.send("hello"));
    played.at(30, () => {
      assert.equal(client.ending, "open");
      assert.match(played.upstreams[0]!.received, /\r\n\r\nhello$/);
      faults.operationFails = 1;
      client.send("lost");
    });
    played.at(40, () => {
      faults.operationFails = 0;
    });
    played.play(1000);
    assert.notEqual(client.ending, "open", `seed ${seed}`);
    assert.notEqual(played.upstreams[0]!.ending, "open", `seed ${seed}`);
  }
});
