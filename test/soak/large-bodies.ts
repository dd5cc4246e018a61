// Ten thousand bodies of a mebibyte, up and down, with a length and in chunks, over 64 connections:
// every byte is compared by checksum, and what the server holds is looked at meanwhile and at the
// end.
//
//   node test/run.mjs --run test/soak/large-bodies.ts [REQUESTS] [SEED]

import assert from "node:assert/strict";
import { CheckedLoad, inPieces } from "../lib/checked-load.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { Random } from "../lib/random.ts";
import { startServer } from "../lib/server.ts";
import { sizedBytes, startUpstream } from "../lib/upstreams.ts";

const CONNECTIONS = 64;
const BODY_BYTES = 1 << 20;
const LOOK_MS = 1000;
/** Of a client and its upstream: two in each direction, and the request's head. */
const BUFFERS_MAX = CONNECTIONS * 5;
/** Each has a socket on both sides; some are closing while others open. */
const OPEN_FILES_MAX = CONNECTIONS * 4;

const requests = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 32);
console.log(`${requests} bodies of 1 MiB; replay: test/soak/large-bodies.ts ${requests} ${seed}`);

const upstream = await startUpstream();
const idle = [`max_idle_connections_per_host = ${CONNECTIONS}`];
const server = await startServer(serverSection(2) + proxyRoute("/app", upstream.url, idle));
const load = new CheckedLoad(server.url, CONNECTIONS);
const random = new Random(seed);
const atRest = (await server.stats()).openFiles;
let buffersInUse = 0;
let openFiles = 0;
let running = true;

async function look(): Promise<void> {
  while (running) {
    const stats = await server.stats();
    const buffers = stats.workers.reduce((sum, worker) => sum + worker.buffersInUse, 0);
    buffersInUse = Math.max(buffersInUse, buffers);
    openFiles = Math.max(openFiles, stats.openFiles - atRest);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

async function job(index: number): Promise<void> {
  const own = new Random(random.next());
  if (index % 2 === 0) {
    const framing = index % 4 === 0 ? "" : "&chunked";
    const path = `/app/bytes/${BODY_BYTES}?seed=${own.seed}${framing}`;
    await load.expectDownload(path, sizedBytes(BODY_BYTES, own.seed));
  } else {
    const content = own.bytes(BODY_BYTES);
    const body = index % 4 === 1 ? content : inPieces(content, own);
    await load.expectUpload("/app/upload", body, content);
  }
}

try {
  const looking = look();
  await load.inParallel(requests, job).finally(() => {
    running = false;
  });
  await looking;
} finally {
  await load.pool.destroy();
  await upstream.stop();
  // Asserts that descriptors, buffers, slots and timers are as many as at the start.
  await server.stop();
}
console.log(`at most ${buffersInUse} buffers and ${openFiles} more descriptors; at the end none`);
assert.ok(buffersInUse > 0 && buffersInUse <= BUFFERS_MAX, `${buffersInUse} buffers`);
assert.ok(openFiles <= OPEN_FILES_MAX, `${openFiles} descriptors`);
