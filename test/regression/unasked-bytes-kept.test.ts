// An upstream that had said more than its answer went back to its pool when an armed receive had
// brought that before somebody asked for it: the next request on the connection got it as its
// answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const BRIEF = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/** It fills three short buffers, so that what comes behind it has one of its own. */
const LENGTHY = `HTTP/1.1 200 OK\r\nContent-Length: 11526\r\n\r\n${"b".repeat(11_526)}`;
const UNASKED = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";

test("an upstream that has said more than its answer takes no other request", async () => {
  const program = await loadHandPlayed(serverSection() + proxyRoute("/", "http://127.0.0.1:9001"));
  const played = new HandPlayed({ program });
  const { client, upstreams } = played;
  client.send(request("GET /"));
  played.at(10, () => upstreams[0]!.send(BRIEF)); // from now on its receive is armed
  played.at(20, () => client.send(request("GET /") + request("GET /")));
  played.at(30, () => upstreams[0]!.send(LENGTHY + UNASKED));
  played.at(40, () => upstreams[1]?.send(BRIEF));
  played.play(100);
  const statuses = client.received.match(/HTTP\/1\.1 \d+/g);
  assert.deepEqual(statuses, ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 200"]);
  assert.equal(upstreams.length, 2);
});
