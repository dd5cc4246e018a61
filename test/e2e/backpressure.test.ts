// A fast sender and a slow receiver: what the proxy holds in between has a fixed bound, and the
// bytes still arrive whole once the receiver reads.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

const BODY_BYTES = 64 * 1024 * 1024;
/** Socket buffers on both sides of the proxy, and a little for the proxy itself. */
const HELD_BYTES_MAX = 24 * 1024 * 1024;
const CONTENT = Buffer.alloc(BODY_BYTES, sizedBytes(65_537, 1));

let folder: string;
let upstream: Upstream;
let large: { port: number; sent: () => number; received: () => number; stop: () => void };
let server: TestServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-slow-"));
  writeFileSync(join(folder, "large.bin"), CONTENT);
  upstream = await startUpstream();
  large = await startLarge();
  const limits = [`max_request_body_size = ${BODY_BYTES}`];
  const routes = [
    proxyRoute("/large", `http://127.0.0.1:${large.port}`, limits),
    proxyRoute("/app", upstream.url),
    fileRoute("/files", folder),
  ];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  large.stop();
  await upstream.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** GET sends the content; any other method reads nothing until `received` is asked for. */
async function startLarge(): Promise<typeof large> {
  const sockets = new Set<Socket>();
  let last: Socket | undefined;
  const http = createServer((incoming, response) => {
    last = incoming.socket;
    if (incoming.method === "GET") response.end(CONTENT);
    else incoming.pause();
  });
  http.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    port: (http.address() as AddressInfo).port,
    sent: () => last?.bytesWritten ?? 0,
    received: () => last?.bytesRead ?? 0,
    stop() {
      http.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Waits until a counter has stopped growing; returns where. */
async function standstill(counter: () => number): Promise<number> {
  let last = -1;
  for (let still = 0; still < 8; ) {
    await sleep(50);
    const now = counter();
    still = now > 0 && now === last ? still + 1 : 0;
    last = now;
  }
  return last;
}

function pausedClient(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
    socket.pause();
  });
}

/** Reads everything from a socket until it has `count` bytes behind the head. */
async function readBody(socket: Socket, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let total = 0;
  let headBytes = -1;
  for await (const piece of socket as AsyncIterable<Buffer>) {
    pieces.push(piece);
    total += piece.length;
    if (headBytes < 0) headBytes = Buffer.concat(pieces).indexOf("\r\n\r\n") + 4;
    if (headBytes >= 4 && total - headBytes >= count) break;
  }
  return Buffer.concat(pieces).subarray(headBytes);
}

test("a client that does not read stops the upstream, and gets every byte later", async () => {
  const socket = await pausedClient();
  socket.write(request("GET /large"));
  const sent = await standstill(() => large.sent());
  // Node counts what it has queued itself as written, so the worker's own books are looked at too.
  assert.ok(sent > 0);
  const { workers } = await server.stats();
  assert.ok((workers[0]?.buffersInUse ?? 0) <= 8, `${workers[0]?.buffersInUse} buffers held`);
  assert.equal((await exchange(server.port, request("GET /app/bytes/10"))).body.length, 10);
  const body = await readBody(socket, BODY_BYTES);
  assert.equal(sha256(body), sha256(CONTENT));
});

test("an upstream that does not read stops the client", async () => {
  const client = await RawClient.connect(server.port);
  const sending = client.send(request("POST /large", [`Content-Length: ${BODY_BYTES}`]), CONTENT);
  const received = await standstill(() => large.received());
  assert.ok(received < HELD_BYTES_MAX, `${received} bytes went through`);
  const { workers } = await server.stats();
  assert.ok((workers[0]?.buffersInUse ?? 0) <= 8, `${workers[0]?.buffersInUse} buffers held`);
  client.close();
  await sending;
});

for (const target of ["/files/large.bin", "/large"]) {
  test(`a hundred clients that do not read ${target} leave the others alone`, async () => {
    const sockets = await Promise.all(Array.from({ length: 100 }, pausedClient));
    for (const socket of sockets) socket.write(request(`GET ${target}`));
    for (let round = 0; round < 50; round++) {
      const answer = await exchange(server.port, request(`GET /app/bytes/1000?seed=${round}`));
      assert.deepEqual(answer.body, Buffer.from(sizedBytes(1000, round)));
    }
    for (const socket of sockets) socket.destroy();
  });
}

test("a thousand pipelined requests in one piece are answered in order", async () => {
  const client = await RawClient.connect(server.port);
  const texts = Array.from({ length: 1000 }, (_, at) =>
    request(`GET /app/bytes/${at % 50}?seed=${at}`),
  );
  const sending = client.send(texts.join(""));
  for (let at = 0; at < texts.length; at++) {
    assert.deepEqual((await client.answer()).body, Buffer.from(sizedBytes(at % 50, at)), `${at}`);
  }
  await sending;
  client.close();
});

test("clients who send far ahead hold little, and take nobody's buffers", async () => {
  const ahead = 150;
  const requests = 60;
  const next = request("GET /app/bytes/5", [`X-Padding: ${"x".repeat(500)}`]);
  const eager = await Promise.all(
    Array.from({ length: ahead }, () => RawClient.connect(server.port)),
  );
  // The second request finds a receive that stays armed, so the kernel takes what comes behind it.
  for (const client of eager) {
    await client.send(next);
    assert.equal((await client.answer()).body.length, 5);
    await client.send(request("GET /app/slow/1500"));
  }
  await Promise.all(eager.map((client) => client.send(next.repeat(requests))));
  assert.equal((await exchange(server.port, next)).body.length, 5);
  const { workers } = await server.stats();
  const held = workers.reduce((sum, { buffersInUse }) => sum + buffersInUse, 0);
  // Two of each exchange, and all of the group that armed receives take from.
  assert.ok(held <= workers.length * 1024 + ahead * 4, `${held} buffers`);

  for (const client of eager) {
    assert.equal((await client.answer()).body.toString(), "slow");
    for (let count = 0; count < requests; count++)
      assert.equal((await client.answer()).body.length, 5);
    client.close();
  }
});
