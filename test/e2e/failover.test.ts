// Three servers in processes of their own, of which one is killed and started again, while requests
// that may be made twice are on their way to all of them: no client sees any of it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { patience } from "../lib/patience.ts";
import { TestProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";

const CLIENTS = 12;
const ROUNDS = 3;
const PATIENCE_MS = patience(20_000);

/** Answers with its name, a moment after the request, so that a kill meets requests under way. */
const PROGRAM = `
const [, port, name] = process.argv;
const server = require("node:http").createServer((incoming, response) => {
  incoming.resume().on("end", () => setTimeout(() => response.end(name), Math.random() * 5));
});
server.keepAliveTimeout = 120_000;
server.listen(Number(port), "127.0.0.1", () => console.log("port", server.address().port));
`;

const REQUESTS = [
  ["GET", request("GET /trio/x")],
  ["HEAD", request("HEAD /trio/x")],
  ["PUT", request("PUT /trio/x", ["Content-Length: 5"], "again")],
] as const;

class Backend {
  port = 0;
  answered = 0;
  readonly name: string;
  #process: TestProcess | undefined;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    const child = new TestProcess(process.execPath, ["-e", PROGRAM, String(this.port), this.name]);
    this.#process = child;
    this.port = await child.until("a port", () => {
      const port = /^port (\d+)$/m.exec(child.stdout)?.[1];
      return port === undefined ? undefined : Number(port);
    });
  }

  async kill(): Promise<void> {
    await this.#process?.stop("SIGKILL");
  }
}

const backends = ["a", "b", "c"].map((name) => new Backend(name));
let server: TestServer;

before(async () => {
  for (const backend of backends) await backend.start();
  const urls = backends.map(({ port }) => `"http://127.0.0.1:${port}"`);
  server = await startServer(`
[server]
listen = "127.0.0.1:0"
threads = 2
[upstreams.trio]
servers = [${urls.join(", ")}]
health_check = { interval_secs = 1, unhealthy_threshold = 1, healthy_threshold = 1 }
[path_routes."*"."/trio"]
type = "Proxy"
upstream = "trio"
`);
  await server.rememberLeast();
});

after(async () => {
  for (const backend of backends) await backend.kill();
  await server.stop();
});

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `no ${what}; log:\n${server.log()}`);
    await sleep(5);
  }
}

const said = (backend: Backend, state: string): number =>
  server.log().split(`"Upstream 127.0.0.1:${backend.port} is now ${state}"`).length - 1;

test("a server that is killed costs no request", async () => {
  let running = true;
  const bad: string[] = [];
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const client = await RawClient.connect(server.port);
    for (let round = index; running; round++) {
      const [method, text] = REQUESTS[round % REQUESTS.length]!;
      await client.send(text);
      const { status, body } = await client.answer(method);
      if (status !== 200) bad.push(`${method} ${status} ${body}`);
      const backend = backends.find(({ name }) => name === body.toString());
      if (backend !== undefined) backend.answered++;
    }
    client.close();
  });
  const allAnswer = async (some: readonly Backend[]): Promise<void> => {
    const before = some.map(({ answered }) => answered);
    await until("answers", () => some.every(({ answered }, at) => answered > before[at]! + 20));
  };
  try {
    const [, b] = backends as [Backend, Backend, Backend];
    for (let round = 1; round <= ROUNDS; round++) {
      await allAnswer(backends);
      await b.kill();
      await until("b's removal", () => said(b, "unhealthy") === round);
      await allAnswer(backends.filter((backend) => backend !== b));
      await b.start();
      await until("b's return", () => said(b, "healthy") === round);
    }
    await allAnswer(backends);
  } finally {
    running = false;
  }
  await Promise.all(clients);
  assert.deepEqual(bad, []);
});
