// What all workers share, over a reload: health, counts of requests in flight, how connections find
// their worker, sockets that were passed.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadAddon } from "../../runtime/native.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { alone, reload, startFor, status, until } from "../lib/reload.ts";
import { compileConfig, type TestServer } from "../lib/server.ts";

const CONNECTIONS = 40;

/** How many workers so many new connections meet. */
async function workersMet(server: TestServer): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => RawClient.connect(server.port)),
  );
  for (const client of clients) assert.equal(await status(client, "/none"), 404);
  const { workers } = await server.stats();
  for (const client of clients) client.close();
  await server.settled();
  return workers.filter(({ connections }) => connections > 0).length;
}

test("a program that chooses workers comes and goes", async (t) => {
  const kernel = serverSection(2) + fileRoute("/", "/usr");
  const program = `${kernel}[performance]\nreuseport_balancing = "cbpf"\n`;
  const server = await startFor(t, kernel);
  assert.equal(await workersMet(server), 2);
  await reload(server, program);
  await alone(server);
  assert.equal(await workersMet(server), 1);
  await reload(server, program);
  await alone(server);
  assert.equal(await workersMet(server), 1);
  await reload(server, kernel);
  await alone(server);
  assert.equal(await workersMet(server), 2);
  await server.stop();
});

test("health is known to the next generation, and forgotten without checks", async (t) => {
  const backends = ["good", "sick"].map((name) => {
    const backend = createServer((incoming, response) => {
      const healthy = name === "good" || incoming.url !== "/health";
      response.statusCode = healthy ? 200 : 500;
      response.end(name);
    });
    return backend.listen(0, "127.0.0.1");
  });
  await Promise.all(
    backends.map((it) => it.listening || new Promise((on) => it.on("listening", on))),
  );
  const urls = backends.map((it) => `"http://127.0.0.1:${(it.address() as AddressInfo).port}"`);
  const checks =
    '[upstreams.app.health_check]\npath = "/health"\ninterval_secs = 1\nunhealthy_threshold = 1\n';
  const config = (more: string) =>
    `${serverSection(2)}[upstreams.app]\nservers = [${urls.join(", ")}]\n${more}` +
    '[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "app"\n';
  const server = await startFor(t, serverSection(2));
  const answers = async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 8; round++)
      seen.add((await exchange(server.port, request("GET /"))).body.toString());
    return [...seen].sort();
  };
  await until(server, /is now unhealthy/, () => void reload(server, config(checks)));
  await alone(server);
  assert.deepEqual(await answers(), ["good"]);
  // Checked anew only in an hour: what is known has to come from before.
  await reload(server, config(checks.replace("interval_secs = 1", "interval_secs = 3600")));
  assert.deepEqual(await answers(), ["good"]);
  assert.equal(server.log().split("is now unhealthy").length, 2, "it was told once");
  await reload(server, config(""));
  assert.deepEqual(await answers(), ["good", "sick"]);
  for (const backend of backends) backend.close();
  await reload(server, serverSection(2));
  await alone(server);
  await server.stop();
});

test("a socket that was passed is the next generation's, too", async () => {
  const addon = loadAddon(resolve("native/build/Release/zproxy.node"));
  const socket = addon.listen("127.0.0.1", 0, 64);
  const port = addon.localPort(socket);
  const section = `[server]\nlisten = "127.0.0.1:${port}"\nthreads = 2\n`;
  const folder = await compileConfig(section + fileRoute("/", "/usr"));
  const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "${process.execPath}" dist/server.cjs`;
  const child = new TestProcess("sh", ["-c", script], { cwd: folder, passed: [socket] });
  await child.until("the ready line", () => /^zproxy listening/m.exec(child.stdout) ?? undefined);
  const client = await RawClient.connect(port);
  for (let round = 1; round <= 3; round++) {
    child.kill("SIGHUP");
    const pattern = new RegExp(`zproxy reloaded, generation ${round + 1}"`);
    await child.until("the reload", () => pattern.exec(child.stderr) ?? undefined);
    assert.equal(await status(client, "/none"), 404);
    for (let at = 0; at < CONNECTIONS; at++)
      assert.equal((await exchange(port, request("GET /none"))).status, 404);
    await sleep(round * 50);
  }
  client.close();
  assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
  addon.close(socket);
  rmSync(folder, { recursive: true });
});

test("requests in flight of both generations count for least_conn", async (t) => {
  const answers: (() => void)[] = [];
  const met: string[] = [];
  const backends = ["a", "b"].map((name) =>
    createServer((_, response) => {
      met.push(name);
      answers.push(() => response.end(name));
    }).listen(0, "127.0.0.1"),
  );
  await Promise.all(
    backends.map((it) => it.listening || new Promise((on) => it.on("listening", on))),
  );
  const urls = backends.map((it) => `"http://127.0.0.1:${(it.address() as AddressInfo).port}"`);
  const config =
    `${serverSection()}[upstreams.app]\nservers = [${urls.join(", ")}]\nalgorithm = "least_conn"\n` +
    '[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "app"\n';
  const server = await startFor(t, config);
  const clients: RawClient[] = [];
  const ask = async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /"));
    clients.push(client);
    while (met.length < clients.length) await sleep(5);
  };
  for (let at = 0; at < 5; at++) await ask();
  await reload(server, config);
  for (let at = 0; at < 5; at++) await ask();
  const count = (name: string) => met.filter((each) => each === name).length;
  assert.deepEqual([count("a"), count("b")], [5, 5]);
  for (const answer of answers) answer();
  for (const client of clients) assert.equal((await client.answer()).status, 200);
  for (const client of clients) client.close();
  await alone(server);
  for (const backend of backends) {
    backend.closeAllConnections();
    backend.close();
  }
  await server.stop();
});
