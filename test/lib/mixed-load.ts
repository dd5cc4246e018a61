// Everything at once on one server: files, proxied requests, WebSocket, errors, clients that go
// away in the middle. Every answer is checked; what the server holds and weighs is sampled
// meanwhile.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { fileRoute, proxyRoute, serverSection } from "./config.ts";
import { residentKib } from "./process.ts";
import { Random } from "./random.ts";
import { exchange, RawClient, request } from "./raw-client.ts";
import { startServer, type TestServer } from "./server.ts";
import { closedPort, sizedBytes, startUpstream } from "./upstreams.ts";

const CLIENTS = 24;
const SIZES = [0, 1, 4000, 40_000, 200_000];
const LARGE_BYTES = 1_500_000;

/** What the server was seen to hold, at one moment under load. */
export interface Sample {
  readonly rssKib: number;
  readonly openFiles: number;
}

export interface MixedResult {
  /** Jobs done, by name. */
  readonly done: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

interface Site {
  readonly server: TestServer;
  readonly random: Random;
}

type Job = (site: Site) => Promise<void>;

async function expectBytes({ server }: Site, text: string, bytes: Uint8Array): Promise<void> {
  const answer = await exchange(server.port, text);
  assert.deepEqual([answer.status, answer.body.length], [200, bytes.length], text);
  assert.ok(answer.body.equals(bytes), text);
}

async function expectStatus({ server }: Site, text: string, status: number): Promise<void> {
  assert.equal((await exchange(server.port, text)).status, status, text);
}

/** Sends some of a request, perhaps reads a little of the answer, and goes away. */
async function abort({ server, random }: Site, text: string): Promise<void> {
  const client = await RawClient.connect(server.port);
  await client.send(text.slice(0, random.between(1, text.length)));
  if (random.below(2) === 0) await sleep(random.below(5));
  client.close(random.below(2) === 0);
}

async function talk({ server, random }: Site): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { perMessageDeflate: false });
  await once(socket, "open");
  for (let round = 0; round < 3; round++) {
    const content = Buffer.from(random.bytes(random.pick(SIZES)));
    const message = once(socket, "message");
    socket.send(content);
    assert.ok(content.equals((await message)[0] as Buffer));
  }
  const closed = once(socket, "close");
  if (random.below(4) === 0) socket.terminate();
  else socket.close(1000);
  await closed;
}

const JOBS: Readonly<Record<string, Job>> = {
  proxied: async (site) => {
    const size = site.random.pick(SIZES);
    const chunked = site.random.below(2) === 0 ? "&chunked" : "";
    const text = request(`GET /app/bytes/${size}?seed=${size}${chunked}`);
    await expectBytes(site, text, sizedBytes(size, size));
  },
  upload: async (site) => {
    const size = site.random.pick(SIZES);
    await expectStatus(
      site,
      request("POST /app", [`Content-Length: ${size}`], "x".repeat(size)),
      200,
    );
  },
  file: async (site) => {
    const size = site.random.pick(SIZES);
    const folder = site.random.pick(["files", "memory"]);
    await expectBytes(site, request(`GET /${folder}/${size}`), sizedBytes(size, size));
  },
  "large file": async (site) => {
    const bytes = sizedBytes(LARGE_BYTES, LARGE_BYTES);
    await expectBytes(site, request(`GET /files/${LARGE_BYTES}`), bytes);
  },
  "missing file": (site) => expectStatus(site, request("GET /files/none"), 404),
  "no route": (site) => expectStatus(site, request("GET /"), 404),
  malformed: (site) => expectStatus(site, "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
  "too large": (site) => expectStatus(site, request("POST /small", ["Content-Length: 11"]), 413),
  refused: (site) => expectStatus(site, request("GET /refused"), 502),
  websocket: talk,
  "aborted request": (site) =>
    abort(site, request("POST /app", ["Content-Length: 4000"], "x".repeat(4000))),
  "aborted answer": (site) => abort(site, `${request(`GET /app/bytes/${LARGE_BYTES}`)}padding`),
  "aborted file": (site) => abort(site, `${request(`GET /files/${LARGE_BYTES}`)}padding`),
};

/** A WebSocket server that sends everything back. */
async function startEcho(): Promise<WebSocketServer> {
  const echo = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  echo.on("connection", (socket) => {
    socket.on("message", (data: RawData, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("error", () => {});
  });
  await once(echo, "listening");
  return echo;
}

/**
 * Runs the load for so many seconds and takes as many samples, evenly spread. Stops the server,
 * which asserts that nothing leaked and that no error was logged.
 */
export async function runMixedLoad(
  seed: number,
  seconds: number,
  sampleCount: number,
  onSample: (sample: Sample) => void = () => {},
): Promise<MixedResult> {
  const upstream = await startUpstream();
  const echo = await startEcho();
  const routes = [
    proxyRoute("/app", upstream.url),
    proxyRoute("/ws", `http://127.0.0.1:${(echo.address() as AddressInfo).port}`),
    proxyRoute("/refused", `http://127.0.0.1:${await closedPort()}`),
    proxyRoute("/small", upstream.url, ["max_request_body_size = 10"]),
    fileRoute("/files", "site"),
    fileRoute("/memory", "site", ['mode = "memory"']),
  ];
  const server = await startServer(serverSection(2) + routes.join("\n"), {
    prepare(folder) {
      mkdirSync(join(folder, "site"));
      for (const size of [...SIZES, LARGE_BYTES])
        writeFileSync(join(folder, "site", String(size)), sizedBytes(size, size));
    },
  });
  const done: Record<string, number> = {};
  let running = true;
  const seeds = new Random(seed);
  const clients = Array.from({ length: CLIENTS }, async () => {
    const site = { server, random: new Random(seeds.next()) };
    while (running) {
      const name = site.random.pick(Object.keys(JOBS));
      await JOBS[name]?.(site);
      done[name] = (done[name] ?? 0) + 1;
    }
  });
  const samples: Sample[] = [];
  const sampling = async () => {
    for (let count = 0; count < sampleCount; count++) {
      await sleep((seconds * 1000) / sampleCount);
      const { openFiles } = await server.stats();
      const sample = { rssKib: residentKib(server.pid), openFiles };
      samples.push(sample);
      onSample(sample);
    }
    running = false;
  };
  try {
    await Promise.all([sampling(), ...clients]);
  } finally {
    running = false;
    for (const socket of echo.clients) socket.terminate();
    echo.close();
    await upstream.stop();
    await server.stop();
  }
  return { done, samples };
}
