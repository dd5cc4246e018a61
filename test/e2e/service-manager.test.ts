// What systemd does to a service, done by the test: it listens before the server runs, is told how
// the server fares, and waits for signs of life.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { passedDescriptors, ServiceManager } from "../../runtime/control/service-manager.ts";
import { type Addon, loadAddon } from "../../runtime/native.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { alone, hangUp, REFUSED, reloadInstalled, startFor, until } from "../lib/reload.ts";
import { compileConfig, startServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { startHeadScript, startUpstream } from "../lib/upstreams.ts";

const addon = loadAddon(resolve("native/build/Release/zproxy.node"));

const NOT_BALANCED =
  /"level":40.*reuseport_balancing = \\"cbpf\\" is not possible: (.*); the kernel's own hash balances/;

/** Prints each datagram as one line of JSON. Node itself has no Unix datagram sockets. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1) if sys.argv[1][0] == "@" else sys.argv[1])
print("bound", flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

class Receiver {
  readonly address: string;
  readonly #child: TestProcess;

  static async start(python: string, address: string): Promise<Receiver> {
    const receiver = new Receiver(python, address);
    await receiver.#child.until("its socket", () => receiver.#child.stdout || undefined);
    return receiver;
  }

  private constructor(python: string, address: string) {
    this.address = address;
    this.#child = new TestProcess(python, ["-c", RECEIVER, address]);
  }

  get messages(): string[] {
    const lines = this.#child.stdout.split("\n").slice(1, -1);
    return lines.map((line) => JSON.parse(line) as string);
  }

  until(what: string, pattern: RegExp): Promise<string> {
    return this.#child.until(what, () => this.messages.find((text) => pattern.test(text)));
  }

  async stop(): Promise<void> {
    await this.#child.stop("SIGKILL");
  }
}

async function receiverFor(t: TestContext): Promise<Receiver | undefined> {
  const python = requireTool(t, "python3");
  if (python === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "zproxy-notify-"));
  const receiver = await Receiver.start(python, join(folder, "notify"));
  t.after(async () => {
    await receiver.stop();
    rmSync(folder, { recursive: true });
  });
  return receiver;
}

test("the manager hears of readiness, life and the end", async (t) => {
  const receiver = await receiverFor(t);
  if (receiver === undefined) return;
  const silent = await startHeadScript(() => {});
  const env = { NOTIFY_SOCKET: receiver.address, WATCHDOG_USEC: "100000" };
  const server = await startServer(serverSection(2) + proxyRoute("/", silent.url), { env });
  await receiver.until("READY", /^READY=1\nSTATUS=2 worker\(s\)$/);
  assert.match(receiver.messages[0]!, /^READY=1/, "nothing comes before it");
  const signs = () => receiver.messages.filter((text) => text === "WATCHDOG=1").length;
  const enough = 5;
  while (signs() < enough) await sleep(20);

  const client = await RawClient.connect(server.port);
  await client.send(request("GET /"));
  while (silent.requests() === 0) await sleep(5);
  server.process.kill("SIGTERM");
  await receiver.until("STOPPING", /^STOPPING=1\n/);
  const before = signs();
  while (signs() <= before + 1) await sleep(20); // it lives as long as requests are under way
  await server.process.stop("SIGTERM");
  await client.ended();
  client.close();
  await silent.stop();
  rmSync(server.folder, { recursive: true });
});

test("the manager hears of a reload, and of one that is refused", async (t) => {
  const receiver = await receiverFor(t);
  if (receiver === undefined) return;
  const env = { NOTIFY_SOCKET: receiver.address };
  const options = { env, expectedErrors: [REFUSED] };
  const server = await startFor(t, serverSection(2) + fileRoute("/", "/usr"), options);
  await reloadInstalled(server);
  await receiver.until("READY again", /^READY=1\nSTATUS=2 worker\(s\), generation 2$/);
  const at = receiver.messages.findIndex((text) => text.startsWith("RELOADING=1\n"));
  assert.match(receiver.messages[at]!, /^RELOADING=1\nMONOTONIC_USEC=\d+\n/);
  assert.match(receiver.messages[at + 1]!, /^READY=1\n/);
  writeFileSync(join(server.folder, "dist/server.cjs"), "no script");
  await until(server, REFUSED, () => hangUp(server));
  await receiver.until(
    "the refusal",
    /^READY=1\nSTATUS=2 worker\(s\); the last reload was refused/,
  );
  await alone(server);
  await server.stop();
});

test("no sign of life while a worker does not answer, and none for another process", async () => {
  const said: string[] = [];
  const ear = { notify: (_: string, text: string) => said.push(text) } as unknown as Addon;
  const env = { NOTIFY_SOCKET: "@x", WATCHDOG_USEC: "2000", WATCHDOG_PID: "5" };
  let asked = 0;
  new ServiceManager(ear, env, 5).watch(() => ++asked % 3 === 0);
  new ServiceManager(ear, env, 6).watch(() => assert.fail("another process is watched"));
  new ServiceManager(ear, { NOTIFY_SOCKET: "@x" }, 5).watch(() => assert.fail("nobody watches"));
  while (asked < 6) await sleep(1);
  assert.deepEqual(said.slice(0, 2), ["WATCHDOG=1", "WATCHDOG=1"]);
  assert.equal(said.length, Math.floor(asked / 3));
});

test("an abstract address, and one that nobody has", async (t) => {
  const python = requireTool(t, "python3");
  if (python === undefined) return;
  const receiver = await Receiver.start(python, `@zproxy-test-${process.pid}`);
  assert.equal(addon.notify(receiver.address, "hello"), 0);
  await receiver.until("the datagram", /^hello$/);
  await receiver.stop();
  assert.ok(addon.notify(receiver.address, "hello") < 0);
  assert.ok(addon.notify("", "hello") < 0);
  assert.ok(addon.notify("/".repeat(200), "hello") < 0);
});

test("descriptors are taken only by the process they are for", () => {
  const env = { LISTEN_PID: "12", LISTEN_FDS: "2", LISTEN_FDNAMES: "a:b", OTHER: "1" };
  assert.deepEqual(passedDescriptors({ ...env }, 13), []);
  assert.deepEqual(passedDescriptors(env, 12), [3, 4]);
  assert.deepEqual(env, { OTHER: "1" });
  assert.deepEqual(passedDescriptors({}, 12), []);
  assert.deepEqual(passedDescriptors({ LISTEN_PID: "12", LISTEN_FDS: "x" }, 12), []);
});

/** Starts the server in `folder` with a socket that listens already. */
function startPassed(folder: string, socket: number): TestProcess {
  const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "${process.execPath}" dist/server.cjs`;
  return new TestProcess("sh", ["-c", script], { cwd: folder, passed: [socket] });
}

test("a passed socket serves who came before the server, and between two servers", async () => {
  const upstream = await startUpstream();
  const socket = addon.listen("127.0.0.1", 0, 64);
  const port = addon.localPort(socket);
  const section = `[server]\nlisten = "127.0.0.1:${port}"\nthreads = 2\n`;
  const folder = await compileConfig(section + proxyRoute("/", upstream.url));
  for (let round = 0; round < 2; round++) {
    // Nobody accepts yet: without the passed socket this would be refused.
    const early = await RawClient.connect(port);
    await early.send(request("GET /bytes/5"));
    const server = startPassed(folder, socket);
    assert.equal((await early.answer()).body.length, 5, server.output);
    const clients = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const client = await RawClient.connect(port);
        await client.send(request("GET /bytes/5"));
        assert.equal((await client.answer()).status, 200);
        return client;
      }),
    );
    assert.deepEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, server.output);
    for (const client of [early, ...clients]) client.close();
  }
  addon.close(socket);
  rmSync(folder, { recursive: true });
  await upstream.stop();
});

test("a passed socket can't be balanced by a program: a warning, and it serves", async () => {
  const upstream = await startUpstream();
  const socket = addon.listen("127.0.0.1", 0, 64);
  const port = addon.localPort(socket);
  const section = `[server]\nlisten = "127.0.0.1:${port}"\nthreads = 2\n`;
  const balancing = '[performance]\nreuseport_balancing = "cbpf"\n';
  const folder = await compileConfig(section + balancing + proxyRoute("/", upstream.url));
  const server = startPassed(folder, socket);
  await server.until("the warning", () => NOT_BALANCED.exec(server.output) ?? undefined);
  const [, reason] = NOT_BALANCED.exec(server.output)!;
  assert.equal(reason, "the service manager passes one socket for all workers");
  assert.equal((await exchange(port, request("GET /bytes/5"))).status, 200);
  assert.deepEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, server.output);
  addon.close(socket);
  rmSync(folder, { recursive: true });
  await upstream.stop();
});

test("a passed socket that the configuration does not name stops the start", async () => {
  const socket = addon.listen("127.0.0.1", 0, 64);
  const folder = await compileConfig(serverSection() + proxyRoute("/", "http://127.0.0.1:9"));
  const other = startPassed(folder, socket);
  assert.equal((await other.exited()).code, 1);
  assert.match(other.output, /a socket on port \d+ was passed that "listen".*does not name/);
  const file = addon.openRoot(resolve("package.json"));
  const none = startPassed(folder, file);
  assert.equal((await none.exited()).code, 1);
  assert.match(none.output, /descriptor 3 was passed and is not a listening TCP socket/);
  addon.close(socket);
  addon.close(file);
  rmSync(folder, { recursive: true });
});
