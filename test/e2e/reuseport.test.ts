// reuseport_balancing = "cbpf" in the kernel: a client always meets the same worker, the simulated
// program names it beforehand, and clients are spread evenly. IPv6 clients need more addresses than
// a machine has: that part runs again, in a network namespace of its own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { workerOf } from "zproxy/compiler/bpf/reuseport.ts";
import { fileRoute } from "../lib/config.ts";
import { startWithFaults } from "../lib/faults.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { alone, hangUp, install, until } from "../lib/reload.ts";
import { compileConfig, startServer, type TestServer } from "../lib/server.ts";
import { startUpstream } from "../lib/upstreams.ts";

const WORKERS = 4;
const CLIENTS = 2000;
const AT_ONCE = 50;
/** How far from an even share a worker may be. */
const SPREAD_MAX = 0.2;

const ENOPROTOOPT = 92;

const INSIDE = process.env.ZPROXY_TEST_NAMESPACE === "1";

interface Client {
  readonly text: string;
  readonly bytes: Uint8Array;
}

function ipv4Client(random: Random): Client {
  const bytes = Uint8Array.of(127, 0, random.below(256), 1 + random.below(254));
  return { text: bytes.join("."), bytes };
}

/** An address of fd00::/64, which the namespace takes for its own as a whole. */
function ipv6Client(random: Random): Client {
  const bytes = Uint8Array.from([0xfd, ...Array(7).fill(0), ...random.bytes(8)]);
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16),
  );
  return { text: groups.join(":"), bytes };
}

function startBalanced(listen: string): Promise<TestServer> {
  const section = `[server]\nlisten = "${listen}"\nthreads = ${WORKERS}\n`;
  const balancing = '[performance]\nreuseport_balancing = "cbpf"\n';
  return startServer(section + balancing + fileRoute("/site", "/usr"));
}

async function withBalanced(
  listen: string,
  use: (server: TestServer, random: Random) => Promise<void>,
): Promise<void> {
  const server = await startBalanced(listen);
  try {
    await withRandom((random) => use(server, random));
    await server.stop();
  } finally {
    if (server.process.running) await server.process.stop("SIGKILL");
  }
}

/** The worker that answers: request ids begin with eight digits of their worker. */
async function workerMet(port: number, host: string, from: string): Promise<string> {
  return workerOfAnswer(await RawClient.connect(port, host, from));
}

async function workerOfAnswer(client: RawClient): Promise<string> {
  await client.send(request("GET /", ["Connection: close"]));
  const { status, body } = await client.answer();
  client.close();
  assert.equal(status, 404);
  const id = /\b([0-9a-f]{8})[0-9a-f]+\b/.exec(body.toString());
  assert.ok(id !== null, body.toString());
  return id[1]!;
}

/** Connects twice from each client; checks steadiness, prediction and spread. */
async function checkClients(port: number, host: string, clients: readonly Client[]): Promise<void> {
  const predicted = new Map<string, number>();
  const counts = Array.from({ length: WORKERS }, () => 0);
  for (let at = 0; at < clients.length; at += AT_ONCE) {
    const batch = clients.slice(at, at + AT_ONCE);
    const met = await Promise.all(
      [...batch, ...batch].map(({ text }) => workerMet(port, host, text)),
    );
    for (const [index, prefix] of met.entries()) {
      const client = batch[index % batch.length]!;
      const worker = workerOf(client.bytes, WORKERS);
      assert.equal(predicted.get(prefix) ?? worker, worker, `${client.text} met another worker`);
      predicted.set(prefix, worker);
      counts[worker]!++;
    }
  }
  assert.equal(predicted.size, WORKERS, "one prefix for each worker");
  assert.equal(new Set(predicted.values()).size, WORKERS, "one worker for each prefix");
  const even = (2 * clients.length) / WORKERS;
  for (const count of counts)
    assert.ok(Math.abs(count / even - 1) <= SPREAD_MAX, `spread ${counts}`);
}

/** A client of each worker stays connected: the server's own counters say who has it. */
async function checkOrder(server: TestServer, host: string, clients: readonly Client[]) {
  for (let worker = 0; worker < WORKERS; worker++) {
    const client = clients.find(({ bytes }) => workerOf(bytes, WORKERS) === worker);
    assert.ok(client !== undefined);
    await server.settled();
    const connection = await RawClient.connect(server.port, host, client.text);
    await connection.send(request("GET /"));
    assert.equal((await connection.answer()).status, 404);
    const { workers } = await server.stats();
    const expected = workers.map((_, index) => (index === worker ? 1 : 0));
    assert.deepEqual(
      workers.map(({ connections }) => connections),
      expected,
    );
    connection.close();
  }
}

if (INSIDE) {
  test('IPv6 and IPv4 clients of "::" do too', () =>
    withBalanced("[::]:0", async (server, random) => {
      const ipv6 = Array.from({ length: CLIENTS }, () => ipv6Client(random));
      await checkClients(server.port, "fd00::1", ipv6);
      await checkOrder(server, "fd00::1", ipv6);
      const ipv4 = Array.from({ length: CLIENTS / 2 }, () => ipv4Client(random));
      await checkClients(server.port, "127.0.0.1", ipv4);
    }));
} else {
  test("IPv4 clients meet the worker that the simulated program names", () =>
    withBalanced("127.0.0.1:0", async (server, random) => {
      const clients = Array.from({ length: CLIENTS }, () => ipv4Client(random));
      await checkClients(server.port, "127.0.0.1", clients);
      await checkOrder(server, "127.0.0.1", clients);
    }));

  test("IPv6 clients, in a network namespace", (t) => {
    const setUp =
      "ip link set lo up && ip -6 route add local fd00::/64 dev lo &&" +
      " echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind";
    const enter = (script: string, env: NodeJS.ProcessEnv = {}) =>
      spawnSync("unshare", ["--net", "sh", "-c", `${setUp} && ${script}`], {
        encoding: "utf8",
        env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
      });
    const tried = enter("true");
    if (tried.status !== 0) {
      return t.skip(`needs root, unshare and ip (package iproute2): ${tried.stderr}`);
    }
    const own = `exec "${process.execPath}" --enable-source-maps "${process.argv[1]}"`;
    const { status, stdout, stderr } = enter(own, { ZPROXY_TEST_NAMESPACE: "1" });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /pass 1\b/);
  });

  test("one worker, and no program is needed", async () => {
    const section = '[server]\nlisten = "127.0.0.1:0"\nthreads = 1\n';
    const balancing = '[performance]\nreuseport_balancing = "cbpf"\n';
    const server = await startServer(section + balancing + fileRoute("/site", "/usr"));
    assert.equal((await exchange(server.port, request("GET /"))).status, 404);
    await server.stop();
  });

  test("a program that the kernel refuses: a warning, and the server serves", async () => {
    const section = '[server]\nlisten = "127.0.0.1:0"\nthreads = 2\n';
    const balancing = '[performance]\nreuseport_balancing = "cbpf"\n';
    const faults = await startWithFaults(section + balancing + fileRoute("/site", "/usr"), {
      env: { ZPROXY_FAULT_RESULTS: JSON.stringify({ attachFilter: -ENOPROTOOPT }) },
    });
    const { server } = faults;
    assert.match(
      server.log(),
      /"level":40.*"cbpf\\" is not possible: errno 92; Linux 4\.6 or newer/,
    );
    assert.equal((await exchange(server.port, request("GET /"))).status, 404);
    await faults.stop();
  });

  test("clients of a new address that come before its workers meet theirs, too", async (t) => {
    const section = (...listen: string[]) =>
      `[server]\nlisten = ${JSON.stringify(listen)}\nthreads = ${WORKERS}\n` +
      `[performance]\nreuseport_balancing = "cbpf"\n${fileRoute("/site", "/usr")}`;
    const faults = await startWithFaults(section("127.0.0.1:0"));
    const { server } = faults;
    t.after(() => (server.process.running ? server.process.stop("SIGKILL") : undefined));
    const other = await startUpstream();
    await other.stop();
    const next = await compileConfig(section("127.0.0.1:0", `127.0.0.1:${other.port}`));
    install(server, next);
    rmSync(next, { recursive: true });
    faults.hold();
    hangUp(server);
    const connect = (from: string) => RawClient.connect(other.port, "127.0.0.1", from);
    let first: RawClient | undefined;
    while (first === undefined) first = await connect("127.0.0.1").catch(() => sleep(5));
    first.close();
    await sleep(50); // the program comes with the socket
    const addresses = Array.from({ length: 24 }, (_, at) => Uint8Array.of(127, 0, 0, 1 + at));
    const clients = await Promise.all(addresses.map((bytes) => connect(bytes.join("."))));
    await until(server, /zproxy reloaded/, () => faults.release());
    const met = await Promise.all(clients.map(workerOfAnswer));
    const pairs = new Set(met.map((name, at) => `${workerOf(addresses[at]!, WORKERS)} ${name}`));
    assert.equal(pairs.size, new Set(met).size, `${[...pairs]}`);
    assert.equal(pairs.size, WORKERS);
    await alone(server);
    await server.remember(); // it has listeners more
    await faults.stop();
  });
}
