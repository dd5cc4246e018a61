// Rate limits over two workers: exactly as many requests pass as the limit says, whoever serves
// them.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { header } from "../lib/answer.ts";
import { fileRoute, proxyRoute } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

const LIMIT = 60;
/** A test takes less than this, and must not reach into the next minute. */
const TEST_SECS = 12;

let upstream: Upstream;
let server: TestServer;

before(async () => {
  upstream = await startUpstream();
  const limit = [`rate_limit_requests_per_min = ${LIMIT}`];
  const rules = [...limit, 'denied_ips = ["127.0.0.9"]', 'allowed_methods = ["GET", "HEAD"]'];
  const section =
    '[server]\nlisten = "127.0.0.1:0"\nthreads = 2\ntrusted_proxies = ["127.0.0.8"]\n';
  const routes = [
    proxyRoute("/", upstream.url),
    proxyRoute("/proxied", upstream.url, limit),
    fileRoute("/file", "site", [], limit),
    proxyRoute("/rules", upstream.url, [...rules, "max_request_body_size = 10"]),
  ];
  const prepare = (folder: string): void => {
    mkdirSync(join(folder, "site"));
    writeFileSync(join(folder, "site/index.html"), "home");
  };
  server = await startServer(section + routes.join("\n"), { prepare });
  const second = (Date.now() / 1000) % 60;
  if (second > 60 - TEST_SECS) await sleep((60 - second) * 1000);
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

/** Statuses of `count` requests on each of `clients` connections, all at the same time. */
async function statusesOf(
  clients: number,
  count: number,
  target: string,
  from: string,
  fields: readonly string[] = [],
): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  const one = async (): Promise<void> => {
    const client = await RawClient.connect(server.port, "127.0.0.1", from);
    await client.send(request(`GET ${target}`, fields).repeat(count));
    for (let index = 0; index < count; index++) {
      const { status } = await client.answer();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    client.close();
  };
  await Promise.all(Array.from({ length: clients }, one));
  return statuses;
}

describe("60 a minute", () => {
  test("lets exactly 60 of many parallel requests through", async () => {
    const statuses = await statusesOf(16, 20, "/proxied", "127.0.0.1");
    assert.deepEqual([statuses.get(200), statuses.get(429)], [LIMIT, 16 * 20 - LIMIT]);
  });

  test("is counted for each client and each route", async () => {
    assert.equal((await statusesOf(4, 20, "/proxied", "127.0.0.2")).get(200), LIMIT);
    assert.equal((await statusesOf(4, 20, "/file", "127.0.0.2")).get(200), LIMIT);
    assert.equal((await statusesOf(2, 20, "/proxied", "127.0.0.2")).get(200), undefined);
    assert.equal((await statusesOf(4, 20, "/", "127.0.0.2")).get(200), 80);
  });

  test("counts the client behind a trusted proxy", async () => {
    const ask = (client: string) =>
      statusesOf(2, 40, "/proxied", "127.0.0.8", [`X-Forwarded-For: ${client}`]);
    assert.equal((await ask("192.0.2.1")).get(200), LIMIT);
    assert.equal((await ask("192.0.2.2")).get(200), LIMIT);
    assert.equal((await ask("2001:db8::1")).get(200), LIMIT);
    assert.equal((await ask("2001:db8::2")).get(200), undefined, "the same /64");
  });

  test("counts nothing that was refused for another reason", async () => {
    assert.equal((await statusesOf(2, 40, "/rules", "127.0.0.9")).get(403), 80);
    const client = await RawClient.connect(server.port, "127.0.0.1", "127.0.0.3");
    for (let round = 0; round < LIMIT; round++) {
      await client.send(request("PUT /rules"), request("PUT /file"));
      assert.equal((await client.answer()).status, 405);
      assert.equal((await client.answer()).status, 405);
    }
    client.close();
    assert.equal((await statusesOf(2, 40, "/rules", "127.0.0.3")).get(200), LIMIT);
    assert.equal((await statusesOf(2, 40, "/file", "127.0.0.3")).get(200), LIMIT);
    const large = await RawClient.connect(server.port, "127.0.0.1", "127.0.0.3");
    await large.send(request("GET /rules", ["Content-Length: 11"], "hello world"));
    assert.equal((await large.answer()).status, 413, "the body is looked at before the rate");
    large.close();
  });
});

test("429 says when to come back, and keeps the connection", async () => {
  await statusesOf(2, 40, "/file", "127.0.0.4");
  const client = await RawClient.connect(server.port, "127.0.0.1", "127.0.0.4");
  const before = Math.floor(Date.now() / 1000);
  for (const method of ["GET", "HEAD"]) {
    await client.send(request(`${method} /file`));
    const answer = await client.answer(method);
    const after = Math.floor(Date.now() / 1000);
    assert.equal(answer.status, 429);
    // Of 60 a minute, one has faded a second after the minute's end. The server's clock may have
    // been read a moment before ours.
    const retryAfter = Number(header(answer, "retry-after"));
    const possible: number[] = [];
    for (let secs = before - 1; secs <= after; secs++) possible.push(61 - (secs % 60));
    assert.ok(possible.includes(retryAfter), `${retryAfter}, not one of ${possible}`);
  }
  await client.send(request("GET /bytes/3"));
  assert.equal((await client.answer()).status, 200);
  client.close();
});
