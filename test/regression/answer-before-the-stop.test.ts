// A worker that drains tells its client to go with an answer that the client did not expect to be
// the last. Its next request crossed with that answer and met a closed socket, and the reset took
// the answer away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

/** A reset overtakes what is on its way, or not: the seed decides. */
const SEEDS = 12;

test("a request that crosses with the last answer does not cost it", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  for (let seed = 1; seed <= SEEDS; seed++) {
    const played = new HandPlayed({ program, seed, latencyUs: 5000 });
    const { client } = played;
    client.send(request("GET /first"));
    played.at(100, () => played.world.signal());
    played.at(200, () => {
      played.upstreams[0]!.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
      client.send(request("GET /second"));
    });
    // Once the server has sent its answer, and before the client has got it.
    played.at(207, () => client.send(request("GET /third")));
    played.at(1000, () => client.wire.close());
    played.play(2000);
    assert.match(client.received, /Connection: close.*\r\n\r\nfirst$/s, `seed ${seed}`);
    assert.equal(client.ending, "end", `seed ${seed}`);
  }
});
