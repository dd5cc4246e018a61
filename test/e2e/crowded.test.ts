// When connection slots run out, idle clients make room for new ones, and none of them takes the
// place of an upstream. A small table stands for the real one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

const SLOTS = 64;
/** An eighth of the slots is for upstreams; the last few of the others are kept free. */
const CLIENTS_MAX = 56;
const IDLE_MAX = 54;
/** Longer than the worker's clock needs to go on by a tick. */
const TICK_MS = 260;

let upstream: Upstream;
let server: TestServer;

before(async () => {
  upstream = await startUpstream();
  const env = { ZPROXY_TEST_CONNECTIONS: String(SLOTS) };
  const security = ["max_idle_connections_per_host = 1"];
  server = await startServer(serverSection() + proxyRoute("/", upstream.url, security), { env });
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

async function serve(client: RawClient): Promise<void> {
  await client.send(request("GET /bytes/3"));
  const answer = await client.answer();
  assert.equal(answer.status, 200, answer.body.toString());
}

async function newClient(): Promise<RawClient> {
  const client = await RawClient.connect(server.port);
  await serve(client);
  return client;
}

async function closeAll(clients: readonly RawClient[]): Promise<void> {
  for (const client of clients) client.close();
  for (let tries = 0; tries < 200; tries++) {
    if ((await server.stats()).workers[0]?.connections === 0) return;
    await sleep(20);
  }
  assert.fail("clients stay");
}

test("the client that has been idle for longest goes when another comes", async () => {
  const oldest = await newClient();
  await sleep(TICK_MS);
  const second = await newClient();
  await sleep(TICK_MS);
  const others: RawClient[] = [];
  while (others.length < IDLE_MAX - 2) others.push(await newClient());
  await serve(second);
  await sleep(TICK_MS);

  const late = await newClient();
  assert.equal(await oldest.ended(), "end");
  await serve(second);
  await serve(late);
  await closeAll([oldest, second, late, ...others]);
});

test("however many come, each is served, and nobody is cut off in a request", async () => {
  const busy = await Promise.all(Array.from({ length: 3 }, () => RawClient.connect(server.port)));
  await Promise.all(busy.map((client) => client.send(request("GET /slow/3000"))));
  const silent = await RawClient.connect(server.port);
  const idle: RawClient[] = [];
  for (let count = 0; count < SLOTS * 3; count++) idle.push(await newClient());
  await silent.send(request("GET /bytes/4"));
  assert.equal((await silent.answer()).body.length, 4, "one that has not asked yet is not idle");
  for (const client of busy) assert.equal((await client.answer()).body.toString(), "slow");
  await closeAll([...busy, silent, ...idle]);
});

test("clients that wait for nothing leave slots for upstreams", async () => {
  // Nobody is idle: each has sent half a request.
  const clients: RawClient[] = [];
  for (let count = 0; count < SLOTS + 10; count++) {
    const client = await RawClient.connect(server.port);
    await client.send("GET /bytes/5 HTTP/1.1\r\nHost: ");
    clients.push(client);
  }
  let held = 0;
  for (let tries = 0; tries < 100 && held < CLIENTS_MAX; tries++) {
    held = (await server.stats()).workers[0]?.connections ?? 0;
    await sleep(20);
  }
  assert.equal(held, CLIENTS_MAX);
  let answered = 0;
  for (const client of clients) {
    await client.send("test\r\n\r\n");
    const length = await client.answer().then(
      ({ body }) => body.length,
      () => -1,
    );
    if (length === 5) answered++;
    client.close();
  }
  assert.equal(answered, CLIENTS_MAX);
  await closeAll(clients);
});
