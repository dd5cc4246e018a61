// A client that broke off before its request was passed on had no address any more: the upstream
// got an empty X-Forwarded-For, and did for nobody in particular what it was asked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

/** The seed decides whether the reset overtakes the request. */
const SEEDS = 16;

test("a request is not passed on when nobody can say whose it is", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  let seen = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    // Without latency request and reset are here before the worker looks.
    const played = new HandPlayed({ program, seed, latencyUs: 0 });
    played.world.kernel.trace = (line) => {
      if (/^receive .*: [1-9]/.test(line)) seen++;
    };
    played.at(10, () => {
      played.client.send(request("POST /", ["Content-Length: 2"], "ab"));
      played.client.wire.reset();
    });
    played.play(1000);
    assert.equal(played.upstreams.length, 0, `seed ${seed}`);
  }
  assert.ok(seen > 0, "no request ever came before the reset");
});
