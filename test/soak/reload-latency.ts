// What clients see of a reload: two servers reload in turn under a steady load, one whose workers
// warm up before they accept and one whose workers do not (ZPROXY_TEST_COLD).
//
//   node test/run.mjs --run test/soak/reload-latency.ts [RELOADS]

import { setTimeout as sleep } from "node:timers/promises";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { reloadInstalled } from "../lib/reload.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startUpstream } from "../lib/upstreams.ts";

const CLIENTS = 4;
/** Between two requests of a client, so that the offered load does not depend on the server. */
const PAUSE_MS = 4;
/** How long answers count as given during a reload, from when the next workers accept. */
const WINDOW_MS = 250;
const TARGETS = ["/app/bytes/9", "/file"];

async function timed(client: RawClient, target: string): Promise<number> {
  const started = performance.now();
  await client.send(request(`GET ${target}`));
  await client.answer();
  return performance.now() - started;
}

/** Answers of one reload: of clients that stay, and the first of a client that comes after it. */
async function oneReload(server: TestServer, target: string) {
  const times: number[] = [];
  let running = true;
  const clients = Array.from({ length: CLIENTS }, async (_, at) => {
    const client = await RawClient.connect(server.port);
    await sleep(at);
    for (; running; await sleep(PAUSE_MS)) times.push(await timed(client, target));
    client.close();
  });
  await sleep(100);
  times.length = 0;
  await reloadInstalled(server);
  await sleep(WINDOW_MS);
  running = false;
  await Promise.all(clients);
  await reloadInstalled(server);
  const newcomer = await RawClient.connect(server.port);
  const first = await timed(newcomer, target);
  newcomer.close();
  return { p99: quantile(times, 0.99), max: quantile(times, 1), first };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

const reloads = Number(process.argv[2] ?? 40);
const upstream = await startUpstream();
const config =
  serverSection(1) + proxyRoute("/app", upstream.url) + fileRoute("/file", "/etc/hostname");
const servers: readonly [string, TestServer][] = [
  ["warm", await startServer(config)],
  ["cold", await startServer(config, { env: { ZPROXY_TEST_COLD: "1" } })],
];
for (const target of TARGETS) {
  const results = new Map(servers.map(([name]) => [name, [] as { [figure: string]: number }[]]));
  for (let round = 0; round < reloads; round++)
    for (const [name, server] of servers) results.get(name)!.push(await oneReload(server, target));
  for (const [name, rows] of results) {
    const text = ["p99", "max", "first"].map((figure) => {
      const values = rows.map((row) => row[figure]!);
      return `${figure} ${quantile(values, 0.5).toFixed(2)} ms`;
    });
    console.log(`${target}, ${name}, medians over ${reloads} reloads: ${text.join(", ")}`);
  }
}
await upstream.stop();
for (const [, server] of servers) await server.stop();
