// A request with "Connection: close" and another one behind it: the server closed with bytes of the
// second unread, which resets the connection, and the client lost the answer to the first.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readAnswer } from "../lib/answer.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

const LARGE_BYTES = 300_000;

let upstream: Upstream;
let server: TestServer;

before(async () => {
  upstream = await startUpstream();
  const routes = [
    proxyRoute("/app", upstream.url),
    fileRoute("/memory", "site", ['mode = "memory"']),
    fileRoute("/files", "site"),
  ];
  server = await startServer(serverSection() + routes.join("\n"), {
    prepare(folder) {
      mkdirSync(join(folder, "site"));
      writeFileSync(join(folder, "site", "large"), Buffer.alloc(LARGE_BYTES, "a"));
    },
  });
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

for (const target of [
  `/app/bytes/${LARGE_BYTES}`,
  `/app/bytes/${LARGE_BYTES}?chunked`,
  "/memory/large",
  "/files/large",
]) {
  test(`a client that reads late gets all of ${target}`, async () => {
    const last = request(`GET ${target}`, ["Connection: close"]);
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.pause();
    socket.write(last + request("GET /app/bytes/1").repeat(2000));
    await sleep(100);
    const pieces: Buffer[] = [];
    for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece);
    const read = readAnswer(Buffer.concat(pieces), "GET", true);
    assert.equal(read?.answer.body.length, LARGE_BYTES);
    assert.equal(read?.bytes, Buffer.concat(pieces).length, "and nothing else");
  });
}

test("the connection ends in order, without waiting for the client to stop", async () => {
  const client = await RawClient.connect(server.port);
  await client.send(request("GET /app/bytes/1", ["Connection: close"]) + request("GET /app"));
  assert.equal((await client.answer()).status, 200);
  assert.equal(await client.ended(), "end");
  await client.send(request("GET /app"));
  client.close();
});
