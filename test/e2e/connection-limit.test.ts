// max_concurrent_connections over two workers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { header } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

const LIMIT = 5;
/** Tries until a connection that was closed has left the count. */
const TRIES = 200;

describe(`${LIMIT} connections at most`, () => {
  let upstream: Upstream;
  let server: TestServer;

  before(async () => {
    upstream = await startUpstream();
    const security = `[security]\nmax_concurrent_connections = ${LIMIT}\n`;
    server = await startServer(serverSection(2) + security + proxyRoute("/", upstream.url));
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
  });

  /** Connects and asks once. Returns the client, or undefined when it was refused. */
  async function connect(): Promise<RawClient | undefined> {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /"));
    const answer = await client.answer();
    if (answer.status === 200) return client;
    assert.equal(answer.status, 503);
    assert.equal(header(answer, "connection"), "close");
    assert.equal(await client.ended(), "end");
    client.close();
    return undefined;
  }

  async function connectUntilServed(): Promise<RawClient> {
    for (let tries = 0; tries < TRIES; tries++) {
      const client = await connect();
      if (client !== undefined) return client;
      await sleep(20);
    }
    assert.fail("the place of a closed connection stays taken");
  }

  /** Waits until the server holds no client any more. */
  async function allGone(): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const { workers } = await server.stats();
      if (workers.every(({ connections }) => connections === 0)) return;
      await sleep(20);
    }
    assert.fail("closed connections stay");
  }

  test("the next one is refused, whichever worker gets it", async () => {
    const held: RawClient[] = [];
    for (let index = 0; index < LIMIT; index++) held.push(await connectUntilServed());
    for (let index = 0; index < 8; index++) assert.equal(await connect(), undefined);
    for (const client of held) {
      await client.send(request("GET /bytes/9"));
      assert.equal((await client.answer()).status, 200, "those that are in stay in");
      client.close();
    }
  });

  test("a closed connection makes room for another", async () => {
    for (let round = 0; round < LIMIT * 3; round++) {
      const client = await connectUntilServed();
      client.close(round % 2 === 0);
    }
  });

  test("of many at the same time never more than the limit get in", async () => {
    await allGone();
    const clients = await Promise.all(Array.from({ length: 40 }, connect));
    const served = clients.filter((client) => client !== undefined);
    assert.ok(served.length > 0 && served.length <= LIMIT, `${served.length}`);
    for (const client of served) client.close();
  });

  test("refusals are counted, and said once", async () => {
    const lines = server.log().match(/max_concurrent_connections is reached; \d+ refused so far/g);
    assert.ok(lines !== null && lines.length <= 2, `${lines}`);
  });
});
