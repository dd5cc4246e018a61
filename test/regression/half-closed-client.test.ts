// A client that had sent its whole request and then ended its side lost the end of its answer: its
// FIN was taken for the end of the connection while the answer still waited to be sent.

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readAnswer } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { startServer, type TestServer, type WorkerStats } from "../lib/server.ts";
import { startHeadScript, type Upstream } from "../lib/upstreams.ts";

const PIECE = "x".repeat(16 * 1024);
const CHUNK = `${PIECE.length.toString(16)}\r\n${PIECE}\r\n`;
const BODY_END = "0\r\n\r\n";

let upstream: Upstream;
/** The upstream's side of the request that came last. */
let answering: Socket | undefined;
let server: TestServer;

before(async () => {
  upstream = await startHeadScript(({ socket }) => {
    answering = socket;
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  });
  server = await startServer(serverSection() + proxyRoute("/", upstream.url));
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

/** A client that has sent a request but for its body's end, and reads nothing. */
async function ask(): Promise<Socket> {
  answering = undefined;
  const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.pause();
  socket.write(request("POST /", ["Transfer-Encoding: chunked"], "4\r\nbody\r\n"));
  while (answering === undefined) await sleep(5);
  return socket;
}

async function heldBuffers(): Promise<number> {
  return (await server.stats()).workers[0]?.buffersInUse ?? 0;
}

/**
 * Whether the server holds bytes that its client does not take, however often the client
 * tells it how much it takes. One buffer is the request's, until its answer is whole.
 */
async function holdsBytes(client: Socket): Promise<boolean> {
  for (let look = 0; look < 8; look++) {
    if ((await heldBuffers()) <= 1) return false;
    client.write("1\r\nx\r\n");
    await sleep(50);
  }
  return true;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/**
 * One request whose client reads nothing until it has ended its side; `surplus` chunks go out after
 * its side of the server is full. Returns whether the answer's end had reached the server by then.
 */
async function expectWholeAnswer(surplus: number): Promise<boolean> {
  const socket = await ask();
  let chunks = 0;
  while (!(await holdsBytes(socket))) {
    for (let burst = 0; burst < 4; burst++) answering?.write(CHUNK);
    chunks += 4;
  }
  for (let at = 0; at < surplus; at++) answering?.write(CHUNK);
  chunks += surplus;
  answering?.write(BODY_END);
  await sleep(50);
  const { upstreamConnections, buffersInUse } = (await server.stats()).workers[0] as WorkerStats;
  socket.end(BODY_END);
  await sleep(50);
  const answer = readAnswer(await readAll(socket), "POST", true)?.answer;
  assert.ok(answer !== undefined, "the answer is cut");
  assert.equal(answer.body.length, chunks * PIECE.length);
  return upstreamConnections === 0 && buffersInUse > 0;
}

test("all of the answer is in the server when the client ends its side", async () => {
  // Where bytes wait is up to the kernel: tries until they do so in the right place.
  let hits = 0;
  for (let tries = 0; tries < 30 && hits < 1; tries++) if (await expectWholeAnswer(0)) hits++;
  assert.ok(hits > 0, "the server never held the end of the answer");
});

test("most of the answer waits before the server when the client ends its side", async () => {
  assert.equal(await expectWholeAnswer(200), false);
});
