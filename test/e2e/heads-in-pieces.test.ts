// Heads that arrive in pieces and are wrong: answered with the line that is wrong, not when the
// rest has come, which may be never.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startHeadScript, type Upstream } from "../lib/upstreams.ts";

const FIELDS = 400;

let pieces: readonly string[] = [];
let upstream: Upstream;
let server: TestServer;

before(async () => {
  upstream = await startHeadScript(({ socket }) => void writeApart(socket, pieces));
  server = await startServer(serverSection() + proxyRoute("/", upstream.url));
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

/** Writes the pieces so far apart that the server reads each on its own; the end stays open. */
async function writeApart(socket: Socket, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    if (socket.destroyed) return;
    socket.write(text);
    await sleep(4);
  }
}

const WRONG_LINES = ["no colon\r\n", "A B: c\r\n", ": d\r\n", " folded\r\n", "X: a\x7fb\r\n"];

for (const line of WRONG_LINES) {
  const name = JSON.stringify(line);
  test(`400 when the line ${name} of a request has come`, async () => {
    const client = await RawClient.connect(server.port);
    await client.send("GET / HTTP/1.1\r\nHo", "st: test\r\nX-", "A: b\r\n", ...line);
    assert.equal((await client.answer()).status, 400);
    await client.ended();
    client.close();
  });

  test(`502 when the line ${name} of an answer has come`, async () => {
    pieces = ["HTTP/1.1 200 OK\r\nX-", "A: b\r\nContent-Length: 0\r", "\n", ...line];
    assert.equal((await exchange(server.port, request("GET /"))).status, 502);
  });
}

test("a long head of many lines is read whichever way it comes", async () => {
  const lines = Array.from({ length: FIELDS }, (_, at) => `X-${at % 100}: ${at}\r\n`);
  const head = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines.slice(0, 100).join("")}\r\nok`;
  pieces = Array.from({ length: Math.ceil(head.length / 7) }, (_, at) =>
    head.slice(at * 7, at * 7 + 7),
  );
  const answer = await exchange(server.port, request("GET /"));
  assert.equal(answer.body.toString(), "ok");
  assert.equal(answer.headers.length, 102 + 1, "those and Date and Via");
  pieces = ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"];
  // On the same connection, in one piece, until every buffer has had its turn.
  const client = await RawClient.connect(server.port);
  for (let round = 0; round < 600; round++) {
    await client.send(request("GET /"));
    assert.equal((await client.answer()).body.toString(), "next");
  }
  client.close();
});
