// A client whose request had come when its worker was told to drain, but had not been taken to the
// loop yet, counted as idle: its connection was reset and the request lost.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Program } from "zproxy/runtime/data/api.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const STOP_MS = 100;
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast";

let program: Program;

before(async () => {
  program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
});

/** A client that is idle at the stop but for what `act` makes it send. */
function stopped(served: boolean, act: (played: HandPlayed) => void): HandPlayed {
  const played = new HandPlayed({ program, latencyUs: 0 });
  played.onUpstream = (upstream) => upstream.send(ANSWER);
  if (served) played.client.send(request("GET /first"));
  act(played);
  played.play(STOP_MS);
  return played;
}

for (const served of [true, false]) {
  const name = served ? "a client that was served before" : "a new client";

  test(`${name} is answered when its request comes in the turn of the stop`, () => {
    const { client } = stopped(served, (played) => {
      played.at(STOP_MS, () => played.client.send(request("GET /last")));
    });
    assert.match(client.received, /Connection: close.*\r\n\r\nlast$/s);
    assert.equal(client.ending, "end");
  });

  test(`${name} is answered when its request lies in the socket at the stop`, () => {
    const { client } = stopped(served, (played) => {
      // Its receive is going to see it, but not yet.
      played.at(STOP_MS - 2, () => {
        played.faults.late = 1;
        played.client.send(request("GET /last"));
      });
      played.at(STOP_MS - 1, () => {
        played.faults.late = 0;
      });
    });
    assert.match(client.received, /Connection: close.*\r\n\r\nlast$/s);
    assert.equal(client.ending, "end");
  });

  test(`${name} is closed at once when there is none`, () => {
    let ending = "";
    stopped(served, (played) => {
      played.at(STOP_MS + 1, () => {
        ending = played.client.ending;
      });
    });
    assert.equal(ending, "end");
  });
}
