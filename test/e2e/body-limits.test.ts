// Bodies over their limit: 413, and nothing of the excess reaches the upstream, whatever pieces the
// body comes in.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startScript, type Upstream } from "../lib/upstreams.ts";

const LIMIT = 100;
const ALLOWED = "a".repeat(LIMIT);
/** Stands in nothing else that is sent. */
const EXCESS = "Z";

let upstream: Upstream;
let server: TestServer;
let received = "";

before(async () => {
  const heard = new Map<number, string>();
  upstream = await startScript((connection) => {
    heard.set(connection.index, connection.received);
    received = [...heard.values()].join("");
  });
  const limits = [`max_request_body_size = ${LIMIT}`, `max_chunked_body_size = ${LIMIT}`];
  server = await startServer(serverSection() + proxyRoute("/", upstream.url, limits));
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

async function refused(pieces: readonly string[]): Promise<void> {
  const client = await RawClient.connect(server.port);
  await client.send(...pieces);
  assert.equal((await client.answer()).status, 413);
  await client.ended();
  client.close();
  assert.ok(!received.includes(EXCESS), "some of the excess came through");
}

test("by Content-Length: nothing at all is passed on", async () => {
  const before = upstream.requests();
  for (const length of [LIMIT + 1, 2 ** 40, 10 ** 14]) {
    const head = request("POST /", [`Content-Length: ${length}`]);
    await refused([head, ALLOWED, EXCESS]);
    await refused([head + ALLOWED + EXCESS]);
  }
  assert.equal(upstream.requests(), before);
});

const HEAD = request("POST /", ["Transfer-Encoding: chunked"]);
const FULL = `64\r\n${ALLOWED}\r\n`;
const BODIES: readonly (readonly [string, readonly string[]])[] = [
  ["one chunk too many", [HEAD, FULL, `1\r\n${EXCESS}\r\n`, "0\r\n\r\n"]],
  ["one byte too many", [HEAD, `65\r\n${ALLOWED}${EXCESS}\r\n0\r\n\r\n`]],
  ["a chunk that only says so", [HEAD, FULL, "ffffffffffff\r\n", EXCESS.repeat(5000)]],
  [
    "many small chunks",
    [HEAD, ...Array<string>(5).fill("14\r\naaaaaaaaaaaaaaaaaaaa\r\n"), "1\r\n"],
  ],
];

for (const [name, pieces] of BODIES) {
  test(`in chunks: ${name}`, async () => {
    await refused(pieces);
    await refused([pieces.join("")]);
    await refused([...pieces.join("")].slice(0, HEAD.length + 400));
  });
}
