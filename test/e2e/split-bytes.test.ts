// A TCP stream has no messages: wherever the network cuts the bytes of a request, the answer must
// be the same. Every input is sent whole, cut in two at every byte, and byte by byte.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Answer } from "../lib/answer.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { cutsOf, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startHeadScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** Cuts in flight at a time; each has a connection of its own. */
const PARALLEL = 8;

let folder: string;
let upstream: Upstream;
let server: TestServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-split-"));
  writeFileSync(join(folder, "a.txt"), "file content");
  upstream = await startUpstream();
  const routes = [proxyRoute("/app", upstream.url), fileRoute("/files", folder)];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  await upstream.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** The parts of an answer that may not depend on where the request was cut. */
function essence(answer: Answer): unknown {
  const headers = answer.headers.filter(([name]) => name !== "date");
  return { status: answer.status, headers, body: answer.body.toString("latin1") };
}

async function run(port: number, pieces: Uint8Array[], answers: number): Promise<unknown[]> {
  const client = await RawClient.connect(port);
  try {
    const result: unknown[] = [];
    // Sending goes on while answers come in: an early answer must not be missed.
    const sending = client.send(...pieces);
    for (let index = 0; index < answers; index++) result.push(essence(await client.answer()));
    await sending;
    assert.equal(client.pending.length, 0, "bytes after the last answer");
    return result;
  } finally {
    client.close();
  }
}

/** Runs all cuts, a few at a time, and compares each with the whole. */
async function compareCuts(port: number, input: Uint8Array, answers: number): Promise<void> {
  const whole = await run(port, [input], answers);
  const cuts = [...cutsOf(input)];
  const worker = async () => {
    for (let cut = cuts.pop(); cut !== undefined; cut = cuts.pop()) {
      const where = cut.length === 2 ? `cut at byte ${cut[0]?.length}` : "byte by byte";
      assert.deepEqual(await run(port, cut, answers), whole, where);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

const chunkedBody = "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n";
const chunkedFields = ["Transfer-Encoding: chunked", "Trailer: X-Sum"];

const INPUTS: readonly (readonly [string, string, number])[] = [
  ["a proxied GET", request("GET /app/bytes/100?seed=3", ["Accept: */*", "X-Long: a, b"]), 1],
  ["a POST with a length", request("POST /app/x", ["Content-Length: 11"], "hello world"), 1],
  ["a chunked POST with trailers", request("POST /app/x", chunkedFields, chunkedBody), 1],
  ["a file GET", request("GET /files/a.txt", ["User-Agent: test"]), 1],
  ["a path in need of normalising", request("GET /app/./a/%2e%2E/b%7e/../c?d"), 1],
  ["a 404", request("GET /none"), 1],
  [
    "a pipelined pair",
    request("POST /app/x", ["Content-Length: 5"], "first") + request("GET /app/bytes/30"),
    2,
  ],
  [
    "a pipelined file and chunked POST",
    request("GET /files/a.txt") + request("POST /app/x", chunkedFields, chunkedBody),
    2,
  ],
];

for (const [name, text, answers] of INPUTS) {
  test(`${name} is the same at every cut`, async () => {
    const input = Buffer.from(text, "latin1");
    if (name === "a 404") {
      // Error bodies hold a request id, so only their status can be compared.
      for (const cut of cutsOf(input)) {
        const [answer] = (await run(server.port, cut, 1)) as [{ status: number }];
        assert.equal(answer.status, 404);
      }
      return;
    }
    await compareCuts(server.port, input, answers);
  });
}

const RESPONSES: readonly (readonly [string, string])[] = [
  ["a length", "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 11\r\n\r\nhello world"],
  ["chunks and trailers", `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunkedBody}`],
  [
    "an interim answer",
    "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
  ],
  ["no body", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"],
];

for (const [name, text] of RESPONSES) {
  test(`an upstream's answer with ${name} is the same at every cut`, async () => {
    const input = Buffer.from(text, "latin1");
    const cuts = [[input], ...cutsOf(input)];
    let next = 0;
    const scripted = await startHeadScript(async ({ socket }) => {
      for (const piece of cuts[next++] ?? []) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    const other = await startServer(serverSection() + proxyRoute("/", scripted.url));
    try {
      const whole = await run(other.port, [Buffer.from(request("GET /"))], 1);
      while (next < cuts.length) {
        const where = `cut ${next}`;
        assert.deepEqual(await run(other.port, [Buffer.from(request("GET /"))], 1), whole, where);
      }
    } finally {
      await scripted.stop();
      await other.stop();
    }
  });
}
