// What an armed receive had brought behind the request that was answered did not count as input.
// A worker that was told to drain in that turn dropped the next request; and a client that had gone
// on sending was reset under its last answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

/** A reset overtakes what is on its way, or not: the seed decides. */
const SEEDS = 12;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

test("a drain answers a request that came ahead of its turn", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/p", "http://127.0.0.1:9001"));
  const played = new HandPlayed({ program });
  const { client, upstreams, world } = played;
  client.send(request("GET /p"));
  played.at(10, () => upstreams[0]!.send(OK)); // from now on the client's receive is armed
  played.at(20, () => client.send(request("GET /p")));
  played.at(22, () => client.send(request("GET /none")));
  played.at(24, () => client.send(request("GET /none")));
  played.at(30, () => {
    upstreams[0]!.send(OK);
    world.kernel.trace = () => {
      world.kernel.trace = null;
      world.signal(); // behind the answer, in its turn
    };
  });
  played.play(100);
  const statuses = client.received.match(/HTTP\/1\.1 \d+/g);
  assert.deepEqual(statuses, ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 404"]);
  assert.equal(client.received.match(/Connection: close/g)?.length, 1);
});

test("a client that goes on sending gets its last answer", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/p", "http://127.0.0.1:9001"));
  for (let seed = 1; seed <= SEEDS; seed++) {
    const played = new HandPlayed({ program, seed, latencyUs: 5000 });
    const { client, upstreams } = played;
    client.send(request("GET /p"));
    played.at(100, () => upstreams[0]!.send(OK));
    played.at(200, () => client.send(request("GET /p")));
    played.at(220, () => client.send(request("GET /none", ["Connection: close"])));
    played.at(240, () => client.send(request("GET /none")));
    played.at(300, () => upstreams[0]!.send(OK));
    // Once the server has sent its answers, and before the client has got them.
    played.at(307, () => client.send(request("GET /none")));
    played.at(1000, () => client.wire.close());
    played.play(2000);
    assert.match(client.received, /404 Not Found.*Connection: close/s, `seed ${seed}`);
    assert.equal(client.ending, "end", `seed ${seed}`);
  }
});

test("a client that has sent ahead of its turn leaves at a reload", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/p", "http://127.0.0.1:9001"));
  const played = new HandPlayed({ program });
  const { client, upstreams, world } = played;
  client.send(request("GET /p"));
  played.at(10, () => upstreams[0]!.send(OK));
  played.at(20, () => client.send(request("GET /p")));
  played.at(22, () => client.send(request("GET /none"))); // its receive is armed, and nobody asks
  played.onLoopAt(30, () => world.loop.retire(true));
  played.at(40, () => upstreams[0]!.send(OK));
  played.at(45, () => assert.equal(world.handedOver, 1));
  played.play(100);
  assert.equal(client.received.match(/HTTP\/1\.1 \d+/g)?.length, 3);
});
