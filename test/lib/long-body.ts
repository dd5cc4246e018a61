// A body far larger than any memory the server may use for it, in one direction or the other.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { proxyRoute, serverSection } from "./config.ts";
import { residentKib } from "./process.ts";
import { startServer } from "./server.ts";

const PIECE = Buffer.alloc(1 << 20, "zproxy");
const WARM_BYTES = 16 << 20;
const SAMPLE_MS = 50;

export const DIRECTIONS = ["down", "up", "up in chunks"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** By what the server may grow: a few buffers, and what the collector has not come to. */
export const GROWN_KIB_MAX = 24 * 1024;

/** So many bytes, a piece at a time, as fast as they are taken. */
function content(bytes: number): Readable {
  function* pieces(): Generator<Buffer> {
    for (let left = bytes; left > 0; left -= PIECE.length)
      yield left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: PIECE.length });
}

async function count(stream: IncomingMessage): Promise<number> {
  let bytes = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) bytes += piece.length;
  return bytes;
}

/** Moves the body; returns how many bytes came out at the other end. */
async function move(port: number, direction: Direction, bytes: number): Promise<number> {
  const method = direction === "down" ? "GET" : "POST";
  const headers = direction === "up" ? { "content-length": bytes } : {};
  const outgoing = request({ port, host: "127.0.0.1", method, path: "/", headers, agent: false });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve).on("error", reject);
  });
  if (direction === "down") outgoing.end();
  else await pipeline(content(bytes), outgoing);
  const answer = await answered;
  assert.equal(answer.statusCode, 200);
  if (direction === "down") return count(answer);
  let text = "";
  for await (const piece of answer) text += piece;
  return Number(text);
}

/** Moves a body of so many bytes through a server; returns by how many KiB it grew at most. */
export async function moveLongBody(direction: Direction, bytes: number): Promise<number> {
  let served = WARM_BYTES;
  const http = createServer(async (incoming, response) => {
    if (incoming.method === "GET") await pipeline(content(served), response).catch(() => {});
    else response.end(String(await count(incoming)));
  });
  http.requestTimeout = 0;
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const limits = [`max_request_body_size = ${bytes}`, `max_chunked_body_size = ${bytes * 2}`];
  const server = await startServer(serverSection() + proxyRoute("/", url, limits));
  try {
    // What the first megabytes take, such as buffers touched for the first time, is no growth.
    assert.equal(await move(server.port, direction, WARM_BYTES), WARM_BYTES);
    served = bytes;
    const before = residentKib(server.pid);
    let grown = 0;
    const timer = setInterval(() => {
      grown = Math.max(grown, residentKib(server.pid) - before);
    }, SAMPLE_MS);
    const moved = await move(server.port, direction, bytes).finally(() => clearInterval(timer));
    assert.equal(moved, bytes);
    return grown;
  } finally {
    http.close();
    http.closeAllConnections();
    await server.stop();
  }
}
