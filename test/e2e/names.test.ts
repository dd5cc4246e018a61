// Names of upstreams that change while the server runs: traffic follows them, and nothing fails.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { patience } from "../lib/patience.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { reloadInstalled, startFor } from "../lib/reload.ts";
import { startServer, type TestServer } from "../lib/server.ts";

const PRELOAD = resolve("test/lib/names-preload.cjs");
const CLIENTS = 8;
const PATIENCE_MS = patience(20_000);

let folder: string;
let port: number;
let first: Backend;
let second: Backend;
let server: TestServer;

/** A server that answers with its address. */
class Backend {
  readonly address: string;
  /** Health checks that have come. */
  checks = 0;
  readonly #server: Server;

  constructor(address: string) {
    this.address = address;
    this.#server = createServer((request, response) => {
      if (request.url === "/check") this.checks++;
      response.end(address);
    });
    this.#server.keepAliveTimeout = 120_000;
  }

  /** Returns the port. */
  async listen(port = 0): Promise<number> {
    await once(this.#server.listen(port, this.address), "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  connections(): Promise<number> {
    return new Promise((done) => this.#server.getConnections((_error, count) => done(count)));
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function setNames(names: Readonly<Record<string, readonly string[]>>): void {
  const path = join(folder, "names.json");
  writeFileSync(`${path}.new`, JSON.stringify(names));
  renameSync(`${path}.new`, path);
}

async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  of = server,
): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `no ${what}; log:\n${of.log()}`);
    await sleep(10);
  }
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-names-"));
  first = new Backend("127.0.0.1");
  second = new Backend("127.0.0.2");
  port = await first.listen();
  await second.listen(port);
  setNames({ "moves.test": [first.address] });
  const routes = [
    proxyRoute("/moves", `http://moves.test:${port}`),
    proxyRoute("/late", `http://late.test:${port}`),
  ];
  server = await startServer(serverSection(2) + routes.join("\n"), { env: namesEnv() });
});

function namesEnv(): Record<string, string> {
  return { NODE_OPTIONS: `--require ${PRELOAD}`, ZPROXY_NAMES: join(folder, "names.json") };
}

after(async () => {
  first.stop();
  second.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

test("a name moves while all connections to it are busy", async () => {
  const answers = new Map<string, number>();
  const bad: string[] = [];
  let running = true;
  const clients = Array.from({ length: CLIENTS }, async () => {
    const client = await RawClient.connect(server.port);
    while (running) {
      await client.send(request("GET /moves"));
      const { status, body } = await client.answer();
      if (status !== 200) bad.push(`${status} ${body}`);
      answers.set(String(body), (answers.get(String(body)) ?? 0) + 1);
    }
    client.close();
  });
  const count = ({ address }: Backend): number => answers.get(address) ?? 0;
  try {
    await until("answers of the first address", () => count(first) > 500);
    assert.equal(count(second), 0);
    setNames({ "moves.test": [second.address] });
    await until("end of the connections to it", async () => (await first.connections()) === 0);
    const left = count(first);
    const before = count(second);
    await until("answers of the second address", () => count(second) > before + 500);
    assert.equal(count(first), left);
    setNames({});
    await until("word of the failure", () => /moves\.test\\" does not resolve/.test(server.log()));
    const known = count(second);
    await until("answers of the last known address", () => count(second) > known + 500);
  } finally {
    running = false;
    await Promise.all(clients);
  }
  assert.deepEqual(bad, []);
});

test("a name that did not exist at the start is used when it appears", async () => {
  assert.equal((await exchange(server.port, request("GET /late"))).status, 502);
  setNames({ "moves.test": [second.address], "late.test": [second.address] });
  await until("an answer", async () => {
    const { status } = await exchange(server.port, request("GET /late"));
    return status === 200;
  });
});

test("checks go to the addresses that are known, however ill the name server is", async (t) => {
  setNames({ "checked.test": [first.address] });
  const text = `[upstreams.u]
servers = ["http://checked.test:${port}"]
[upstreams.u.health_check]
path = "/check"
interval_secs = 1
unhealthy_threshold = 1
[path_routes."*"."/"]
type = "Proxy"
upstream = "u"
`;
  const other = await startServer(serverSection() + text, { env: namesEnv() });
  t.after(() => other.process.stop("SIGTERM"));
  setNames({});
  const failure = /checked\.test\\" does not resolve/;
  await until("word of the failure", () => failure.test(other.log()), other);
  const before = first.checks;
  await until("checks", () => first.checks > before + 1, other);
  assert.equal((await exchange(other.port, request("GET /"))).status, 200);
  assert.doesNotMatch(other.log(), /is now unhealthy/);
});

test("a reload goes on with the addresses that are known", async (t) => {
  setNames({ "kept.test": [first.address] });
  const unpooled = ["max_idle_connections_per_host = 0"];
  const text = serverSection() + proxyRoute("/", `http://kept.test:${port}`, unpooled);
  const other = await startFor(t, text, { env: namesEnv() });
  setNames({});
  for (let reloads = 0; reloads < 2; reloads++) {
    await reloadInstalled(other);
    assert.equal((await exchange(other.port, request("GET /"))).status, 200);
  }
  await other.stop();
});
