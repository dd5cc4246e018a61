// A worker that dies in its loop: started again in its place, its clients and descriptors let go,
// everybody else unharmed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serverSection } from "../lib/config.ts";
import { type Faults, startWithFaults } from "../lib/faults.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startHeadScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

const CLIENTS = 48;
const LIMIT = 200;
/** What is promised of a worker that dies: another one serves within a second. */
const RESTART_MS_MAX = 1000;
const TRIES = 5;
const CRASHES = [
  /worker 0 failed: .*injected crash/,
  /worker 0 has died \(\d+ descriptors closed\); restarting it/,
];

let upstream: Upstream;
let waiting: Upstream;
/** Answers every request that waits. */
let answerAll: () => void;
let faults: Faults;

before(async () => {
  upstream = await startUpstream();
  const open: (() => void)[] = [];
  waiting = await startHeadScript(({ socket }) => {
    open.push(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"));
  });
  answerAll = () => {
    for (const answer of open.splice(0)) answer();
  };
  const groups = [
    ["app", upstream],
    ["waiting", waiting],
  ] as const;
  const routes = groups.map(
    ([name, { url }]) =>
      `[upstreams.${name}]\nservers = ["${url}"]\nalgorithm = "least_conn"\n` +
      `[path_routes."*"."/${name}"]\ntype = "Proxy"\nupstream = "${name}"\n`,
  );
  const limit = `[security]\nmax_concurrent_connections = ${LIMIT}\n`;
  const config = serverSection(2) + limit + routes.join("\n");
  faults = await startWithFaults(config, { expectedErrors: CRASHES });
});

after(async () => {
  await upstream.stop();
  await waiting.stop();
  await faults.stop();
});

/** Clients of both workers, each with an answered request behind it. */
async function connectMany(): Promise<RawClient[]> {
  return Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = await RawClient.connect(faults.server.port);
      await client.send(request("GET /app/bytes/1"));
      assert.equal((await client.answer()).status, 200);
      return client;
    }),
  );
}

async function clientCounts(): Promise<number[]> {
  const { workers } = await faults.server.stats();
  return workers.map(({ connections }) => connections);
}

/**
 * Crashes worker 0 and waits until its successor serves. Returns for how many milliseconds clients
 * have waited for it since its death was reported.
 */
async function crashAndRestart(): Promise<number> {
  const pattern = /worker 0 has died/g;
  const before = faults.server.log().match(pattern)?.length ?? 0;
  await faults.crash(0);
  await faults.server.process.until("the report of the crash", () =>
    (faults.server.log().match(pattern)?.length ?? 0) > before ? true : undefined,
  );
  const reported = performance.now();
  // Of so many connections some are its own, which wait in the backlog until it is there again.
  const clients = await connectMany();
  const waited = performance.now() - reported;
  for (const client of clients) client.close();
  return waited;
}

/** Closes pooled connections to upstreams by their idle timeout; then nothing may be left. */
async function nothingLeft(): Promise<void> {
  faults.skip(31_000);
  await faults.server.settled();
}

test("requests of the other worker are answered, and both serve again", async () => {
  const clients = await connectMany();
  const before = await clientCounts();
  assert.ok(
    before.every((count) => count > 0),
    `spread ${before}`,
  );
  const seen = waiting.requests();
  await Promise.all(clients.map((client) => client.send(request("GET /waiting"))));
  while (waiting.requests() < seen + CLIENTS) await sleep(5);

  await faults.crash(0);
  const lost = new Set<RawClient>();
  for (const client of clients)
    void client.ended().then(
      () => lost.add(client),
      () => {},
    );
  for (let tries = 0; tries < 400 && !before.includes(lost.size); tries++) await sleep(25);
  assert.ok(before.includes(lost.size), `${lost.size} of ${before} lost`);
  answerAll();
  for (const client of clients) {
    if (lost.has(client)) assert.equal(client.pending.length, 0, "no answer out of nowhere");
    else assert.equal((await client.answer()).body.toString(), "late");
  }
  for (const client of clients) client.close();

  const others = await connectMany();
  const counts = await clientCounts();
  assert.ok(counts.length === 2 && counts.every((count) => count > 0), `spread ${counts}`);
  for (const client of others) client.close();
  await nothingLeft();
});

test("again and again, with requests arriving all the while", async () => {
  let running = true;
  let answered = 0;
  let cut = 0;
  const load = Array.from({ length: 8 }, async () => {
    while (running) {
      const client = await RawClient.connect(faults.server.port);
      await client.send(request("GET /app/bytes/100"));
      // A connection that was accepted by the dying worker ends; there is no third way.
      await client.answer().then(
        (answer) => {
          assert.equal(answer.status, 200);
          answered++;
        },
        () => cut++,
      );
      client.close();
    }
  });
  for (let round = 0; round < 5; round++) await crashAndRestart();
  running = false;
  await Promise.all(load);
  assert.ok(answered > 0 && cut < answered, `${answered} answered, ${cut} cut`);
  await nothingLeft();
});

test("clients wait for the next worker for less than a second", async (t) => {
  // The best of some tries: on a loaded machine everything may take that long.
  let waited = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < TRIES && waited >= RESTART_MS_MAX; tries++)
    waited = Math.min(waited, await crashAndRestart());
  t.diagnostic(`${waited.toFixed(0)} ms`);
  assert.ok(waited < RESTART_MS_MAX, `${waited} ms`);
  await nothingLeft();
});

test("the dead worker's share of max_concurrent_connections is given back", async () => {
  // More than the limit in all, if those that were lost still counted.
  for (let round = 0; round < 5; round++) {
    const clients = await connectMany();
    await crashAndRestart();
    for (const client of clients) client.close();
  }
  const clients = await connectMany();
  for (const client of clients) client.close();
  await nothingLeft();
});
