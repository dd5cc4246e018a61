// What the administrator sees of reloads: generations, counters that go on, and pages that move
// with their address.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient } from "../lib/raw-client.ts";
import { alone, REFUSED, reload, reloadInVain, startFor, status } from "../lib/reload.ts";
import type { TestServer } from "../lib/server.ts";
import { startUpstream } from "../lib/upstreams.ts";

const ADMIN_URL = /metrics and probes are at (http:\/\/[^"]+)/g;
const admin = (address: string) => `[admin]\nlisten = "${address}"\n`;

function urlOf(server: TestServer): string {
  return [...server.log().matchAll(ADMIN_URL)].at(-1)![1]!;
}

async function page(server: TestServer, path: string): Promise<string> {
  const headers = { connection: "close" };
  return (await fetch(`${urlOf(server)}${path}`, { headers })).text();
}

async function sample(server: TestServer, name: string): Promise<number> {
  const lines = (await page(server, "/metrics")).split("\n");
  const line = lines.find((each) => each.startsWith(name));
  return line === undefined ? Number.NaN : Number(line.slice(line.lastIndexOf(" ")));
}

test("counters go on, and pages say which configuration is served", async (t) => {
  const upstream = await startUpstream();
  const config = (...more: string[]) =>
    [serverSection(2), admin("127.0.0.1:0"), proxyRoute("/app", upstream.url), ...more].join("\n");
  const server = await startFor(t, config(proxyRoute("/gone", upstream.url)), {
    expectedErrors: [REFUSED],
  });
  const url = urlOf(server);
  const client = await RawClient.connect(server.port);
  const key = String.raw`{route="path_routes.\"*\".\"/app\"",class="2xx"}`;
  const requests = `zproxy_requests_total${key}`;
  for (let round = 0; round < 5; round++) assert.equal(await status(client, "/app/bytes/1"), 200);
  assert.equal(await status(client, "/gone/bytes/1"), 200);
  const hash = /hash="\w+"/.exec(await page(server, "/metrics"))![0];
  assert.equal(await sample(server, "zproxy_generation"), 1);

  // Routes in front of and behind the one that is counted change its place.
  const lines = [fileRoute("/a", "/usr"), fileRoute("/z", "/usr")];
  await reload(server, config(...lines));
  assert.equal(urlOf(server), url);
  assert.equal(await sample(server, requests), 5);
  for (let round = 0; round < 3; round++) assert.equal(await status(client, "/app/bytes/1"), 200);
  await alone(server);
  assert.equal(await sample(server, requests), 8);
  assert.equal(await sample(server, "zproxy_connections_accepted_total"), 1);
  assert.equal(await sample(server, "zproxy_connections "), 1);
  assert.equal(await sample(server, "zproxy_generation"), 2);
  assert.equal(await sample(server, "zproxy_workers "), 2);
  assert.doesNotMatch(await page(server, "/metrics"), /gone/);
  const next = /hash="(\w+)"/.exec(await page(server, "/metrics"))!;
  assert.notEqual(next[0], hash);
  assert.ok((await page(server, "/config")).includes(next[1]!));
  assert.equal(await page(server, "/readyz"), "ready\n");

  await reloadInVain(server, config(fileRoute("/b", "/no/such/folder")));
  assert.equal(await sample(server, "zproxy_generation"), 2);
  await reload(server, config(...lines));
  await alone(server);
  assert.equal(await sample(server, requests), 8);
  // The first configuration again, for the comparison of what is held at the end.
  await reload(server, config(proxyRoute("/gone", upstream.url)));
  assert.equal(await sample(server, requests), 8);
  client.close();
  await upstream.stop();
  await server.stop();
});

test("the administrator's address comes, moves and goes", async (t) => {
  const config = (section: string) => serverSection() + section + fileRoute("/", "/usr");
  const server = await startFor(t, config(""), { expectedErrors: [REFUSED] });
  await reload(server, config(admin("127.0.0.1:0")));
  const first = urlOf(server);
  assert.equal(await page(server, "/healthz"), "ok\n");
  const holder = await startUpstream();
  const taken = `127.0.0.1:${new URL(holder.url).port}`;
  await reloadInVain(server, config(admin(taken)));
  assert.match(server.log(), /can't listen on 127\.0\.0\.1:\d+ for \[admin\]/);
  assert.equal(await page(server, "/healthz"), "ok\n");
  await reload(server, config(admin("127.0.0.2:0")));
  assert.match(urlOf(server), /127\.0\.0\.2/);
  assert.equal(await page(server, "/healthz"), "ok\n");
  await assert.rejects(fetch(`${first}/healthz`));
  await reload(server, config(""));
  await assert.rejects(page(server, "/healthz"));
  await holder.stop();
  await alone(server);
  await server.stop();
});
