// A connection whose answers were still being sent when the server was told to stop was taken for
// idle: the next pipelined request, received long before, was dropped without a word.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { readAnswer } from "../lib/answer.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";

/** More than the sockets of both sides take. */
const LARGE_BYTES = 24 * 1024 * 1024;
const SMALL_BYTES = 5000;

test("a pipelined request that came before the stop is answered", async (t) => {
  const server = await startServer(serverSection() + fileRoute("/", "site", ['mode = "memory"']), {
    prepare(folder) {
      mkdirSync(join(folder, "site"));
      writeFileSync(join(folder, "site", "large"), Buffer.alloc(LARGE_BYTES, "a"));
      writeFileSync(join(folder, "site", "small"), Buffer.alloc(SMALL_BYTES, "b"));
    },
  });
  t.after(() => server.stop());

  const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.write(["large", "small", "small"].map((name) => request(`GET /${name}`)).join(""));
  await new Promise((resolve) => socket.once("readable", resolve));
  const idle = await RawClient.connect(server.port);
  server.process.kill("SIGTERM");
  await idle.ended();
  idle.close();

  const pieces: Buffer[] = [];
  for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece);
  await server.process.exited();
  let rest = Buffer.concat(pieces);
  const sizes: number[] = [];
  while (rest.length > 0) {
    const read = readAnswer(rest, "GET", true);
    assert.ok(read !== undefined, "an answer is cut");
    sizes.push(read.answer.body.length);
    rest = rest.subarray(read.bytes);
  }
  assert.deepEqual(sizes, [LARGE_BYTES, SMALL_BYTES, SMALL_BYTES]);
});
