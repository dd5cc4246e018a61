// What an upstream had written on an idle connection, unasked, was taken for the answer to the next
// request when both were seen in one turn: the 408 of a server that was tired of waiting, or worse.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startHeadScript, type Upstream } from "../lib/upstreams.ts";

const ROUNDS = 20;
const UNASKED = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 7\r\n\r\nunasked";

let upstream: Upstream;
let server: TestServer;
/** The upstream's side of the connection that was used last. */
let idle: Socket | undefined;

before(async () => {
  upstream = await startHeadScript(({ socket, index }) => {
    idle = socket;
    const body = `connection ${index}`;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  server = await startServer(serverSection() + proxyRoute("/", upstream.url));
});

after(async () => {
  server.process.kill("SIGCONT");
  await upstream.stop();
  await server.stop();
});

/** Stops the server and waits until every thread of it stands still. */
async function halt(): Promise<void> {
  server.process.kill("SIGSTOP");
  const tasks = `/proc/${server.pid}/task`;
  const stopped = (task: string) =>
    /\) [Tt] /.test(readFileSync(`${tasks}/${task}/stat`, "latin1"));
  for (let tries = 0; tries < 1000; tries++) {
    if (readdirSync(tasks).every(stopped)) return;
    await sleep(1);
  }
  assert.fail("the server goes on");
}

/** What a new request gets, when an answer nobody asked for arrives right behind or before it. */
async function disturbed(text: string, requestFirst: boolean): Promise<Answer> {
  const client = await RawClient.connect(server.port);
  await client.send(request("GET /"));
  const used = (await client.answer()).body.toString();
  await halt();
  if (requestFirst) await client.send(text);
  idle?.write(UNASKED);
  await sleep(10);
  if (!requestFirst) await client.send(text);
  await sleep(10);
  server.process.kill("SIGCONT");
  const answer = await client.answer();
  assert.notEqual(answer.body.toString(), used, "a connection that misbehaves is not used again");
  client.close();
  return answer;
}

/** What a new request gets whose idle connection is reset right behind it. */
async function resetBehind(text: string): Promise<Answer> {
  const client = await RawClient.connect(server.port);
  await client.send(request("GET /"));
  await client.answer();
  await halt();
  await client.send(text);
  idle?.resetAndDestroy();
  await sleep(10);
  server.process.kill("SIGCONT");
  const answer = await client.answer();
  client.close();
  return answer;
}

const GET = request("GET /");
const POST = request("POST /", ["Content-Length: 0"]);

for (const [name, text, requestFirst] of [
  ["before a GET", GET, false],
  ["behind a GET", GET, true],
  ["before a POST", POST, false],
  ["behind a POST", POST, true],
] as const) {
  test(`an unasked answer ${name} is not its answer`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { status, body } = await disturbed(text, requestFirst);
      assert.equal(status, 200, `round ${round}: ${body}`);
    }
  });
}

for (const [name, text] of [
  ["GET", GET],
  ["POST", POST],
  ["POST with a body", request("POST /", ["Content-Length: 4"], "body")],
] as const) {
  test(`a ${name} of which nothing could be sent goes out on another connection`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { status, body } = await resetBehind(text);
      assert.equal(status, 200, `round ${round}: ${body}`);
    }
  });
}
