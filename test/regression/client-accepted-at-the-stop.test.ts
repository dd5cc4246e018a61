// A client whom the kernel had accepted when the worker was told to drain, but who came to the loop
// behind that, was closed without a word.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const STOP_MS = 100;

test("a client that is accepted in the turn of the stop gets its answer, the last", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  // Alone, or beside a client that keeps the worker from ending at once; its completion in the turn
  // of the stop, or in the next, as the queue was full.
  for (const [others, cqEntries] of [
    [0, 128],
    [0, 1],
    [1, 128],
  ] as const) {
    const played = new HandPlayed({ program, cqEntries });
    if (others === 0) played.at(STOP_MS / 2, () => played.client.wire.close());
    else played.client.send("GET /be");
    played.onUpstream = ({ wire }) => {
      const answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
      wire.send(Buffer.from(answer));
    };
    played.at(STOP_MS, () => played.world.signal());
    let late = played.client;
    played.at(STOP_MS, () => {
      late = played.connectClient();
      late.send(request("GET /late"));
    });
    played.at(STOP_MS + 1000, () => played.client.wire.close());
    played.play(STOP_MS + 2000);
    assert.match(late.received, /^HTTP\/1\.1 200 OK.*Connection: close.*\r\n\r\nlate$/s);
    assert.equal(late.ending, "end");
  }
});

test("one that asks nothing does not hold the stop up", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  const played = new HandPlayed({ program });
  played.at(STOP_MS / 2, () => played.client.wire.close());
  played.at(STOP_MS, () => played.world.signal());
  let late = played.client;
  played.at(STOP_MS, () => {
    late = played.connectClient();
  });
  played.play(STOP_MS);
  assert.equal(late.ending, "end");
  assert.ok(played.world.schedule.now < 10e6, `${played.world.schedule.now} µs`);
});
