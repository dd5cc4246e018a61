// The timeouts that no key sets: 60 s for an upstream's answer and for an idle client, 45 s for a
// client that does not read. The workers' clock is moved on instead of waited for.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readAnswer } from "../lib/answer.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { type Faults, startWithFaults } from "../lib/faults.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startHeadScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

const SECOND = 1000;
/** More than the socket buffers of both sides take. */
const LARGE_BYTES = 24 * 1024 * 1024;

describe("built-in timeouts", () => {
  let upstream: Upstream;
  let silent: Upstream;
  let half: Upstream;
  let faults: Faults;

  before(async () => {
    upstream = await startUpstream();
    silent = await startHeadScript(() => {});
    half = await startHeadScript(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ");
    });
    const routes = [
      proxyRoute("/app", upstream.url),
      proxyRoute("/silent", silent.url),
      proxyRoute("/half", half.url),
      fileRoute("/files", "site"),
    ];
    faults = await startWithFaults(serverSection() + routes.join("\n"), {
      prepare(folder) {
        mkdirSync(join(folder, "site"));
        writeFileSync(join(folder, "site", "large"), Buffer.alloc(LARGE_BYTES, "a"));
      },
    });
  });

  after(async () => {
    await upstream.stop();
    await silent.stop();
    await half.stop();
    await faults.stop();
  });

  async function connections(): Promise<number> {
    const { workers } = await faults.server.stats();
    return workers[0]?.connections ?? -1;
  }

  /** Waits until the worker's clock has gone on by at least one round of its timers. */
  async function turned(): Promise<void> {
    await sleep(300);
  }

  async function untilConnections(count: number): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      if ((await connections()) === count) return;
      await sleep(25);
    }
    assert.equal(await connections(), count);
  }

  /**
   * Sends a request to a route whose upstream takes it, and waits until it has, and until the
   * worker knows: only then has the time begun that a test lets pass.
   */
  async function ask(route: string, upstreamOf: Upstream): Promise<RawClient> {
    const before = upstreamOf.requests();
    const client = await RawClient.connect(faults.server.port);
    await client.send(request(`GET ${route}`));
    while (upstreamOf.requests() === before) await sleep(5);
    await turned();
    return client;
  }

  test("504: an upstream that takes a request and never answers", async () => {
    const client = await ask("/silent", silent);
    faults.skip(55 * SECOND);
    await turned();
    assert.equal(client.pending.length, 0, "not before its time");
    faults.skip(6 * SECOND);
    const answer = await client.answer();
    assert.equal(answer.status, 504);
    assert.match(answer.body.toString(), /^504 Gateway Timeout, request [0-9a-f]{16}\n$/);
    await client.send(request("GET /app/bytes/3"));
    assert.equal((await client.answer()).body.length, 3, "the client's connection goes on");
    client.close();
  });

  test("an answer that stops half way ends the connection", async () => {
    const client = await ask("/half", half);
    while (!client.pending.includes("half ")) await client.received(client.pending.length + 1);
    faults.skip(61 * SECOND);
    await client.ended();
    assert.match(client.pending.toString(), /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(readAnswer(client.pending, "GET", true), undefined, "the answer is cut");
    client.close();
  });

  test("a client that is idle for 60 s is let go", async () => {
    const client = await RawClient.connect(faults.server.port);
    await client.send(request("GET /app/bytes/1"));
    await client.answer();
    faults.skip(55 * SECOND);
    await turned();
    await client.send(request("GET /app/bytes/2"));
    assert.equal((await client.answer()).body.length, 2);
    await turned(); // the worker knows that its answer has gone
    faults.skip(61 * SECOND);
    assert.equal(await client.ended(), "end");
    client.close();
  });

  function pausedClient(text: string): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(faults.server.port, "127.0.0.1", () => resolve(socket));
      socket.on("error", reject);
      socket.pause();
      socket.write(text);
    });
  }

  /** Waits until the server can't send any more: what it holds does not change. */
  async function stalled(): Promise<void> {
    let last = -1;
    for (let still = 0; still < 6; ) {
      const { workers } = await faults.server.stats();
      const held = workers[0]?.buffersInUse ?? 0;
      still = held === last ? still + 1 : 0;
      last = held;
      await sleep(30);
    }
  }

  for (const [name, route] of [
    ["a file by sendfile", "/files/large"],
    ["a proxied answer", `/app/bytes/${LARGE_BYTES}`],
  ] as const) {
    test(`a client that does not read ${name} for 45 s is cut off`, async () => {
      await untilConnections(0);
      const socket = await pausedClient(request(`GET ${route}`));
      await untilConnections(1);
      await stalled();
      faults.skip(25 * SECOND);
      await turned();
      assert.equal(await connections(), 1, "not before its time");
      faults.skip(6 * SECOND);
      await turned();
      assert.equal(await connections(), 1, "it may have taken something");
      faults.skip(16 * SECOND);
      await untilConnections(0);
      socket.destroy();
      assert.equal((await exchange(faults.server.port, request("GET /app/bytes/1"))).status, 200);
    });
  }
});
