// A name moved to another address, and clients that kept the server busy never noticed: a pooled
// connection that is used again and again is never idle for long enough to be closed. And a name
// whose first address was dead cost every fresh connection the time of a connect.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ECONNREFUSED } from "zproxy/native/abi.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { HandPlayed, loadHandPlayed, type Peer } from "../simulation/hand-played.ts";

const REQUEST = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

let program: Program;
let fresh: Program;

before(async () => {
  const url = "http://name.test:9001";
  program = await loadHandPlayed(serverSection() + proxyRoute("/", url));
  const none = ["max_idle_connections_per_host = 0"];
  fresh = await loadHandPlayed(serverSection() + proxyRoute("/", url, none));
});

/** Answers each request as it comes, and counts them by address. */
function answering(played: HandPlayed): Map<string, number> {
  const counts = new Map<string, number>();
  played.onUpstream = (upstream) => {
    const { address } = upstream.wire;
    const readable = upstream.onReadable.bind(upstream);
    upstream.onReadable = (wire) => {
      const before = upstream.received;
      readable(wire);
      if (upstream.received === before) return;
      counts.set(address, (counts.get(address) ?? 0) + 1);
      upstream.send(ANSWER);
    };
  };
  return counts;
}

/** One request every so many milliseconds. */
function requests(played: HandPlayed, count: number, everyMs: number): void {
  for (let index = 0; index < count; index++)
    played.at(10 + index * everyMs, () => played.client.send(REQUEST));
}

function answersOf({ received }: Peer): number {
  return received.split("HTTP/1.1 200").length - 1;
}

test("steady requests follow a name to its new address", () => {
  const played = new HandPlayed({ program, addresses: ["127.0.0.1"] });
  const counts = answering(played);
  requests(played, 100, 20);
  const server = played.world.groups[0]!.servers[0]!;
  played.onLoopAt(1000, () => played.world.setAddresses(server, ["127.0.0.2"]));
  played.play(4000);
  assert.equal(answersOf(played.client), 100);
  assert.equal(counts.get("127.0.0.1"), 50);
  assert.equal(counts.get("127.0.0.2"), 50);
  assert.equal(played.upstreams.length, 2);
});

test("a connection whose address the name still has goes on", () => {
  const played = new HandPlayed({ program, addresses: ["127.0.0.1"] });
  answering(played);
  requests(played, 10, 20);
  const server = played.world.groups[0]!.servers[0]!;
  played.onLoopAt(100, () => played.world.setAddresses(server, ["127.0.0.2", "127.0.0.1"]));
  played.play(2000);
  assert.equal(answersOf(played.client), 10);
  assert.equal(played.upstreams.length, 1);
});

test("a request under way is answered by the address that the name had", () => {
  const played = new HandPlayed({ program, addresses: ["127.0.0.1"] });
  played.at(10, () => played.client.send(REQUEST));
  const server = played.world.groups[0]!.servers[0]!;
  played.onLoopAt(100, () => played.world.setAddresses(server, ["127.0.0.2"]));
  played.at(200, () => played.upstreams[0]!.send(ANSWER));
  played.at(300, () => assert.equal(played.upstreams[0]!.ending, "end", "it is not kept"));
  played.play(2000);
  assert.equal(answersOf(played.client), 1);
});

for (const [name, outcome] of [
  ["that refuses", -ECONNREFUSED],
  ["that says nothing", null],
] as const) {
  test(`an address ${name} costs one connect in ten seconds, wherever it stands`, () => {
    for (const dead of ["127.0.0.1", "127.0.0.2"]) {
      const played = new HandPlayed({ program: fresh, addresses: ["127.0.0.1", "127.0.0.2"] });
      const counts = answering(played);
      played.dead.set(dead, outcome);
      requests(played, 80, 100);
      played.play(20_000);
      assert.equal(answersOf(played.client), 80);
      assert.deepEqual([...counts.values()], [80]);
      assert.equal(played.deadConnects, 1);
    }
  });
}

test("fresh connections go to all addresses in turn", () => {
  const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  const played = new HandPlayed({ program: fresh, addresses });
  const counts = answering(played);
  requests(played, 30, 20);
  played.play(4000);
  assert.deepEqual(
    [...counts].sort(),
    addresses.map((address) => [address, 10]),
  );
});
