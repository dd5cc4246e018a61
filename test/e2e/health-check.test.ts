// Active health checks: servers that go away and come back under load, what counts as an answer,
// and what clients get when nobody is left.

import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, type Socket, Server as TcpServer } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";

const CLIENTS = 6;
const PATIENCE_MS = 20_000;

/** A server that can be taken away and put back, on one port. */
class Backend {
  port = 0;
  /** What the checks ask, in order. */
  readonly checks: { path: string; host: string; agent: string }[] = [];
  answered = 0;
  check: RequestListener = (_request, response) => response.end();
  readonly #name: string;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(name: string) {
    this.#name = name;
  }

  async start(): Promise<void> {
    const server = createServer((incoming, response) => {
      const { host = "", "user-agent": agent = "" } = incoming.headers;
      if (incoming.url?.startsWith("/health") === true) {
        this.checks.push({ path: incoming.url, host, agent });
        this.check(incoming, response);
        return;
      }
      this.answered++;
      if (!server.listening) response.setHeader("connection", "close");
      response.end(this.#name);
    });
    server.keepAliveTimeout = 120_000;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Refuses connections from now on and ends those it has, each after its answer. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    // Not Node's own way, which also cuts connections whose first request is on its way.
    const closed = new Promise<void>((resolve) => {
      TcpServer.prototype.close.call(server, () => resolve());
    });
    for (let round = 0; round < 40 && this.#sockets.size > 0; round++) await sleep(5);
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
}

const [a, b, c, strict, slow, closed] = ["a", "b", "c", "strict", "slow", "closed"].map(
  (name) => new Backend(name),
) as [Backend, Backend, Backend, Backend, Backend, Backend];
const ALL = [a, b, c, strict, slow, closed];
let server: TestServer;

function group(name: string, backends: readonly Backend[], lines: readonly string[]): string {
  return [
    `[upstreams.${name}]`,
    `servers = [${backends.map(({ url }) => `"${url}"`).join(", ")}]`,
    `[upstreams.${name}.health_check]`,
    "interval_secs = 1",
    "timeout_secs = 1",
    ...lines,
    `[path_routes."*"."/${name}"]`,
    'type = "Proxy"',
    `upstream = "${name}"`,
    "",
  ].join("\n");
}

before(async () => {
  for (const backend of ALL) await backend.start();
  strict.check = (incoming, response) => {
    if (incoming.url === "/health/good") response.end();
    else response.writeHead(302, { location: "/health/good" }).end("elsewhere");
  };
  const quick = ['path = "/health?deep=1"', "unhealthy_threshold = 1", "healthy_threshold = 1"];
  const groups = [
    group("trio", [a, b, c], quick),
    group("strict", [strict], [...quick, "healthy_statuses = [200]"]),
    group("redirect", [strict], quick),
    group("slow", [slow], quick),
    group("closed", [closed, a], quick),
  ];
  server = await startServer(serverSection(2) + groups.join("\n"));
  // What is open is counted in the pause behind the second round of checks.
  await until("checks", () => ALL.every(({ checks }) => checks.length > 1) && a.checks.length > 3);
  await sleep(100);
  await server.remember();
  slow.check = () => {};
  closed.check = (incoming) => incoming.socket.destroy();
});

after(async () => {
  for (const backend of ALL) await backend.stop();
  await server.stop();
});

function said(backend: Backend, state: "healthy" | "unhealthy"): number {
  return server.log().split(`"Upstream 127.0.0.1:${backend.port} is now ${state}"`).length - 1;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `no ${what}; log:\n${server.log()}`);
    await sleep(5);
  }
}

test("a server that stops and comes back costs no request", async () => {
  let running = true;
  const bad: string[] = [];
  const names = new Map<string, number>();
  const clients = Array.from({ length: CLIENTS }, async () => {
    const client = await RawClient.connect(server.port);
    while (running) {
      await client.send(request("GET /trio/x"));
      const answer = await client.answer();
      const name = answer.body.toString();
      if (answer.status !== 200) bad.push(`${answer.status} ${name}`);
      names.set(name, (names.get(name) ?? 0) + 1);
    }
    client.close();
  });
  const until50More = async (backend: Backend): Promise<void> => {
    const start = backend.answered;
    await until("answers", () => backend.answered >= start + 50);
  };
  await Promise.all([a, b, c].map(until50More));

  await b.stop();
  await until("b's removal", () => said(b, "unhealthy") === 1);
  await Promise.all([a, c].map(until50More));
  await b.start();
  await until("b's return", () => said(b, "healthy") === 1);
  await Promise.all([a, b, c].map(until50More));
  running = false;
  await Promise.all(clients);
  assert.deepEqual(bad, []);
  assert.deepEqual([...names.keys()].sort(), ["a", "b", "c"]);
  assert.deepEqual([said(a, "unhealthy"), said(c, "unhealthy")], [0, 0]);
});

test("the request of a check", async () => {
  await until("a check", () => a.checks.length > 0);
  assert.deepEqual(a.checks[0], {
    path: "/health?deep=1",
    host: `127.0.0.1:${a.port}`,
    agent: "zproxy",
  });
});

test("redirects are not followed; their status counts", async () => {
  await until("the verdict", () => said(strict, "unhealthy") === 1);
  assert.equal((await exchange(server.port, request("GET /strict/x"))).status, 503);
  assert.equal((await exchange(server.port, request("GET /redirect/x"))).status, 200);
  assert.ok(strict.checks.every(({ path }) => path === "/health?deep=1"));
});

test("no answer in time is a failure", async () => {
  await until("the verdict", () => said(slow, "unhealthy") === 1);
  assert.equal((await exchange(server.port, request("GET /slow/x"))).status, 503);
});

test("a check that is cut off is a failure; the other server gets everything", async () => {
  await until("the verdict", () => said(closed, "unhealthy") === 1);
  for (let round = 0; round < 10; round++)
    assert.equal((await exchange(server.port, request("GET /closed/x"))).body.toString(), "a");
});
