// Connections to upstreams: how many are kept, for how long, and what names they are opened by.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startHeadScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

const CONCURRENT = 12;
const PATIENCE_MS = 10_000;

let upstreams: Upstream[];
let dropping: Upstream;
let server: TestServer;

before(async () => {
  upstreams = await Promise.all(
    ["many", "two", "none", "short", "name"].map((name) => startUpstream(name)),
  );
  const [many, two, none, short, name] = upstreams.map(({ url }) => url) as [
    ...[string, string, string, string, string],
  ];
  dropping = await startHeadScript(({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    setTimeout(() => socket.end(), 20);
  });
  const routes = [
    proxyRoute("/many", many),
    proxyRoute("/two", two, ["max_idle_connections_per_host = 2"]),
    proxyRoute("/none", none, ["max_idle_connections_per_host = 0"]),
    proxyRoute("/short", short, ["idle_connection_timeout_secs = 1"]),
    proxyRoute("/name", name.replace("127.0.0.1", "localhost")),
    proxyRoute("/unknown", "http://no-such-host.invalid:8080"),
    proxyRoute("/dropping", dropping.url),
  ];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  for (const upstream of [...upstreams, dropping]) await upstream.stop();
  await server.stop();
});

/** Requests that are all in flight at the same time. */
async function together(route: string): Promise<void> {
  const target = `GET ${route}/slow/150`;
  const answers = await Promise.all(
    Array.from({ length: CONCURRENT }, () => exchange(server.port, request(target))),
  );
  assert.ok(answers.every(({ status }) => status === 200));
}

async function upstreamConnections(): Promise<number> {
  const { workers } = await server.stats();
  return workers.reduce((sum, worker) => sum + worker.upstreamConnections, 0);
}

/** Waits until the server holds `expected` upstream connections. */
async function untilHeld(expected: number): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  let held = await upstreamConnections();
  while (held !== expected && Date.now() < deadline) {
    await sleep(25);
    held = await upstreamConnections();
  }
  assert.equal(held, expected);
}

test("max_idle_connections_per_host bounds what is kept, not what is used", async () => {
  const before = await upstreamConnections();
  await together("/none");
  assert.equal(upstreams[2]?.connections(), CONCURRENT);
  await untilHeld(before);
  await together("/two");
  assert.equal(upstreams[1]?.connections(), CONCURRENT);
  await untilHeld(before + 2);
  await together("/many");
  await untilHeld(before + 2 + 8);
});

test("kept connections are used again, newest first", async () => {
  const before = upstreams[0]?.connections();
  for (let round = 0; round < 10; round++) {
    assert.equal((await exchange(server.port, request("GET /many/bytes/1"))).status, 200);
  }
  assert.equal(upstreams[0]?.connections(), before);
});

test("idle_connection_timeout_secs closes what nobody uses", async () => {
  const before = await upstreamConnections();
  await exchange(server.port, request("GET /short/bytes/1"));
  await untilHeld(before + 1);
  await untilHeld(before);
});

test("a connection that the upstream closes is noticed while it is idle", async () => {
  const before = await upstreamConnections();
  for (let round = 0; round < 5; round++) {
    assert.equal((await exchange(server.port, request("GET /dropping"))).status, 200);
    await untilHeld(before);
  }
});

test("a name is resolved, and all its addresses are tried", async () => {
  // localhost is often ::1 first, and nothing listens there.
  for (let round = 0; round < 5; round++) {
    assert.equal((await exchange(server.port, request("GET /name/bytes/1"))).status, 200);
  }
});

test("an unknown name does not stop the start, only its own requests", async () => {
  const answer = await exchange(server.port, request("GET /unknown"));
  assert.ok([502, 503].includes(answer.status), `status ${answer.status}`);
  assert.doesNotMatch(answer.body.toString(), /no-such-host/);
});
