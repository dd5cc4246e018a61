// One server on the guest's kernel, over plain HTTP: what the data path asks of io_uring has to be
// there in 6.1. Each way that bytes take is walked once.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { header } from "../lib/answer.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { type Echo, sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

const BIG = sizedBytes(1_000_003, 5);
const SMALL = sizedBytes(700, 6);

let upstream: Upstream;
let server: TestServer;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
  writeFileSync(join(folder, "big.bin"), BIG);
  writeFileSync(join(folder, "small.bin"), SMALL);
  upstream = await startUpstream();
  const routes = [proxyRoute("/", upstream.url), fileRoute("/files", folder)];
  server = await startServer(serverSection(2) + routes.join("\n"));
});

after(async () => {
  await upstream.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

test("the kernel is the oldest that is supported", () => {
  assert.match(release(), /^6\.1\./);
});

test("requests are proxied, several on one connection", async () => {
  const client = await RawClient.connect(server.port);
  for (const body of ["", "short", "x".repeat(200_000)]) {
    await client.send(request("POST /echo", [`Content-Length: ${body.length}`], body));
    const answer = await client.answer("POST");
    assert.equal(answer.status, 200);
    const echo = JSON.parse(answer.body.toString()) as Echo;
    assert.equal(echo.bodySha256, sha256(Buffer.from(body)));
  }
  client.close();
});

test("answers of known length and chunked ones arrive whole", async () => {
  for (const query of ["?seed=5", "?seed=5&chunked"]) {
    const answer = await exchange(server.port, request(`GET /bytes/${BIG.length}${query}`));
    assert.equal(answer.status, 200);
    assert.equal(sha256(answer.body), sha256(BIG));
  }
});

test("files are read, and sent by the kernel", async () => {
  for (const [name, content] of [
    ["small.bin", SMALL],
    ["big.bin", BIG],
  ] as const) {
    const answer = await exchange(server.port, request(`GET /files/${name}`));
    assert.equal(answer.status, 200);
    assert.equal(header(answer, "content-length"), String(content.length));
    assert.equal(sha256(answer.body), sha256(content));
  }
  const missing = await exchange(server.port, request("GET /files/none"));
  assert.equal(missing.status, 404);
});

test("clients that leave in the middle leave nothing behind", async () => {
  for (let round = 0; round < 20; round++) {
    const client = await RawClient.connect(server.port);
    await client.send(`GET /bytes/${BIG.length} HTTP/1.1\r\nHost: guest.test\r\n\r\n`);
    await client.received(round * 1000);
    client.close();
  }
  await server.settled();
});
