// Clients that leave at any byte, politely or not: the worker goes on and holds nothing of them.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { withRandom } from "../lib/random.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

const PARALLEL = 8;

let folder: string;
let upstream: Upstream;
let server: TestServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-broken-"));
  writeFileSync(join(folder, "big.bin"), sizedBytes(2_000_000, 1));
  upstream = await startUpstream();
  const routes = [proxyRoute("/app", upstream.url), fileRoute("/files", folder)];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  await upstream.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function assertAlive(): Promise<void> {
  const answer = await exchange(server.port, request("GET /app/bytes/500?seed=9"));
  assert.deepEqual(answer.body, Buffer.from(sizedBytes(500, 9)));
}

const chunked = request(
  "POST /app/x",
  ["Transfer-Encoding: chunked"],
  "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n",
);
const INPUTS: readonly (readonly [string, string])[] = [
  ["a GET", request("GET /app/bytes/100")],
  ["a POST", request("POST /app/x", ["Content-Length: 20"], "twenty bytes of body")],
  ["a chunked POST", chunked],
  ["a pipelined pair", request("GET /app/slow/20") + request("GET /files/big.bin")],
];

/** Ways to leave: FIN after the bytes, close (RST if data is unread), and an explicit RST. */
const WAYS = ["finish", "close", "reset"] as const;

for (const [name, text] of INPUTS) {
  for (const way of WAYS) {
    test(`a client that leaves ${name} by ${way} at any byte`, async () => {
      const input = Buffer.from(text, "latin1");
      const lengths = Array.from(input, (_, at) => at + 1);
      const worker = async () => {
        for (let length = lengths.pop(); length !== undefined; length = lengths.pop()) {
          const client = await RawClient.connect(server.port);
          await client.send(input.subarray(0, length));
          if (way === "finish") {
            client.endSending();
            await client.ended();
          }
          client.close(way === "reset");
        }
      };
      await Promise.all(Array.from({ length: PARALLEL }, worker));
      await assertAlive();
    });
  }
}

test("clients that connect and say nothing, and leave", async () => {
  for (const reset of [false, true]) {
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => RawClient.connect(server.port)),
    );
    for (const client of clients) client.close(reset);
  }
  await assertAlive();
});

test("clients that leave while a large answer is on its way", async () => {
  await withRandom(async (random) => {
    for (let round = 0; round < 60; round++) {
      const client = await RawClient.connect(server.port);
      const target = random.pick(["/app/bytes/1000000", "/files/big.bin"]);
      await client.send(request(`GET ${target}`));
      await client.received(random.below(400_000));
      client.close(random.below(2) === 0);
    }
  });
  await assertAlive();
});

test("clients that leave in the middle of a large body", async () => {
  await withRandom(async (random) => {
    for (let round = 0; round < 40; round++) {
      const client = await RawClient.connect(server.port);
      const body = random.bytes(random.between(1, 300_000));
      await client.send(request("POST /app/x", ["Content-Length: 400000"]), body);
      await sleep(random.below(3));
      client.close(random.below(2) === 0);
    }
  });
  await assertAlive();
});

test("random bytes are answered with 400 or closed, never with silence or a crash", async () => {
  await withRandom(async (random) => {
    for (let round = 0; round < 100; round++) {
      const client = await RawClient.connect(server.port);
      await client.send(random.bytes(random.between(1, 2000)));
      client.endSending();
      await client.ended();
      client.close();
    }
  });
  await assertAlive();
});

test("requests with one byte changed never stop the worker", async () => {
  await withRandom(async (random) => {
    const inputs = INPUTS.slice(0, 3).map(([, text]) => Buffer.from(text, "latin1"));
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.from(random.pick(inputs));
      bytes[random.below(bytes.length)] = random.below(256);
      const client = await RawClient.connect(server.port);
      await client.send(bytes);
      client.endSending();
      await client.ended();
      client.close();
    }
  });
  await assertAlive();
});
