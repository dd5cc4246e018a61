// Reloads in the middle of which something happens: workers that die or do not come up, signals at
// any moment.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Generation } from "../../runtime/control/generation.ts";
import { Supervisor } from "../../runtime/control/supervisor.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { startWithFaults } from "../lib/faults.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { alone, hangUp, REFUSED, reloadInstalled, startFor, status, until } from "../lib/reload.ts";
import { compileConfig } from "../lib/server.ts";
import { startHeadScript, startUpstream } from "../lib/upstreams.ts";

const CONFIG = serverSection(2) + fileRoute("/", "/usr");
const CRASHES = [/worker \d failed: .*injected crash/, /worker \d has died/];

test("workers that die during a reload, of either generation, take only their own along", async () => {
  const upstream = await startUpstream();
  const config = serverSection(2) + proxyRoute("/", upstream.url);
  const faults = await startWithFaults(config, { expectedErrors: CRASHES });
  const { server } = faults;
  const busy = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = await RawClient.connect(server.port);
      await client.send(request("GET /slow/3000"));
      return client;
    }),
  );
  while (upstream.requests() < busy.length) await sleep(5);
  await reloadInstalled(server);
  // Of the old generation, with requests under way; then one of the new, numbered after it.
  await faults.crash(0);
  await until(server, /worker 1 has died/, () => void faults.crash(3));
  const endings = await Promise.all(
    busy.map((client) =>
      client.answer().then(
        () => "answered",
        () => "cut",
      ),
    ),
  );
  const idle = await RawClient.connect(server.port);
  assert.equal(await status(idle, "/bytes/1"), 200);
  await alone(server);
  assert.ok(endings.includes("answered"), "worker 1 of the old generation answered nobody");
  await reloadInstalled(server);
  assert.equal(await status(idle, "/bytes/2"), 200);
  for (const client of [...busy, idle]) client.close();
  await alone(server);
  await upstream.stop();
  await faults.stop();
});

test("a client that is handed over while no worker is up waits for one", async (t) => {
  const answer = (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  let first: Socket | undefined;
  const upstream = await startHeadScript(({ socket, index }) => {
    if (index === 0) first = socket;
    else answer(socket);
  });
  const config = serverSection() + proxyRoute("/", upstream.url);
  const faults = await startWithFaults(config, { expectedErrors: CRASHES });
  const { server } = faults;
  t.after(() => (server.process.running ? server.process.stop("SIGKILL") : undefined));
  const client = await RawClient.connect(server.port);
  await client.send(request("GET /"));
  while (first === undefined) await sleep(5);
  await reloadInstalled(server);
  faults.hold();
  await until(server, /worker 0 has died/, () => void faults.crash(1));
  const left = once(first, "close");
  answer(first);
  assert.equal((await client.answer()).body.toString(), "ok");
  // The old worker has handed over its last client; now it ends.
  await left;
  await sleep(100);
  faults.release();
  assert.equal(await status(client, "/"), 200);
  client.close();
  await upstream.stop();
  await alone(server);
  await faults.stop();
});

test("a generation whose workers do not come up is refused", async (t) => {
  const server = await startFor(t, CONFIG, {
    expectedErrors: [REFUSED, /worker \d failed: .*no luck/],
  });
  const client = await RawClient.connect(server.port);
  const script = join(server.folder, "dist/server.cjs");
  const good = readFileSync(script, "utf8");
  const trap = 'if (require("worker_threads").workerData.start) throw new Error("no luck");\n';
  writeFileSync(script, trap + good);
  for (let round = 0; round < 5; round++) await until(server, REFUSED, () => hangUp(server));
  assert.match(server.log(), /worker \d does not start/);
  await alone(server);
  assert.equal(await status(client, "/none"), 404);
  writeFileSync(script, good);
  await reloadInstalled(server);
  assert.equal(await status(client, "/none"), 404);
  client.close();
  await alone(server);
  await server.stop();
});

test("SIGHUP again and again is a reload after the one under way", async (t) => {
  const server = await startFor(t, CONFIG, { expectedErrors: [REFUSED] });
  const client = await RawClient.connect(server.port);
  for (let round = 0; round < 30; round++) {
    hangUp(server);
    await sleep(round);
    if (round % 5 === 0) assert.equal(await status(client, "/none"), 404);
  }
  await until(server, /zproxy reloaded/, () => hangUp(server));
  await alone(server);
  assert.equal(await status(client, "/none"), 404);
  assert.equal((await exchange(server.port, request("GET /none"))).status, 404);
  client.close();
  await server.stop();
});

test("SIGTERM at any moment of a reload ends the server in order", async (t) => {
  for (const pauseMs of [0, 30, 60, 90, 120, 160, 220]) {
    const server = await startFor(t, CONFIG);
    const client = await RawClient.connect(server.port);
    assert.equal(await status(client, "/none"), 404);
    hangUp(server);
    await sleep(pauseMs);
    const exit = await server.process.stop("SIGTERM");
    assert.deepEqual(exit, { code: 0, signal: null }, `after ${pauseMs} ms: ${server.log()}`);
    assert.equal(await client.ended(), "end");
    client.close();
    await server.stop().catch(() => {});
    assert.deepEqual(server.errors(), []);
  }
});

test("no signal during the start ends the server, but for those that are to", async () => {
  const folder = await compileConfig(CONFIG);
  // The first that a start does takes a while.
  const slow = join(folder, "slow.cjs");
  const patch = `const { dlopen } = process;
let first = require("node:worker_threads").isMainThread;
process.dlopen = (...args) => {
  if (first) {
    first = false;
    require("node:fs").writeSync(1, "loading\\n");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  }
  return dlopen.apply(process, args);
};
`;
  writeFileSync(slow, patch);
  const start = async () => {
    const options = { cwd: folder, env: { NODE_OPTIONS: `--require ${slow}` } };
    const child = new TestProcess(process.execPath, ["dist/server.cjs"], options);
    await child.until("the start", () => /loading/.exec(child.stdout) ?? undefined);
    return child;
  };
  const child = await start();
  child.kill("SIGUSR1");
  child.kill("SIGHUP");
  await child.until("the reload", () => /zproxy reloaded/.exec(child.stderr) ?? undefined);
  assert.doesNotMatch(child.output, /Debugger listening/);
  assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);

  const stopped = await start();
  assert.deepEqual(await stopped.stop("SIGTERM"), { code: 0, signal: null }, stopped.output);
  assert.doesNotMatch(stopped.output, /listening/);
  assert.match(stopped.output, /zproxy has stopped/);
  rmSync(folder, { recursive: true });
});

test("a client that its worker let go of too late, for another transport, is closed", () => {
  const generation = (tls?: object): Generation => {
    const made = Object.create(Generation.prototype) as Generation;
    return Object.assign(made, { parts: { description: { facts: { server: { tls } } } } });
  };
  const closed: number[] = [];
  const adopted: number[] = [];
  const adopt = (_: number, fds: readonly number[]) => adopted.push(...fds);
  const handOver = (from: Generation, current: Generation, fds: readonly number[]) => {
    const supervisor = Object.create(Supervisor.prototype) as {
      onHandover(from: Generation, index: number, fds: readonly number[]): void;
    };
    const addon = { close: (fd: number) => closed.push(fd) };
    Object.assign(supervisor, { current: Object.assign(current, { adopt }), addon });
    supervisor.onHandover(from, 0, fds);
  };
  handOver(generation(), generation({}), [5, 6]);
  handOver(generation({}), generation(), [7]);
  assert.deepEqual([closed, adopted], [[5, 6, 7], []]);
  handOver(generation({}), generation({}), [8]);
  handOver(generation(), generation(), [9]);
  assert.deepEqual(
    [closed, adopted],
    [
      [5, 6, 7],
      [8, 9],
    ],
  );
});
