// Algorithms of upstream groups over two workers: shares, loads that count on every worker and are
// given back however a request ends, clients that stay with their server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import {
  closedPort,
  type Echo,
  startScript,
  startUpstream,
  type Upstream,
} from "../lib/upstreams.ts";

const NAMES = ["a", "b", "c"];
const ENDS = 12;

let upstreams: Upstream[];
let scripted: Upstream[];
let server: TestServer;

function group(name: string, lines: readonly string[], security: readonly string[] = []): string {
  const route = `path_routes."*"."/${name}"`;
  return [
    `[upstreams.${name}]`,
    ...lines,
    `[${route}]`,
    'type = "Proxy"',
    `upstream = "${name}"`,
    ...(security.length > 0 ? [`[${route}.security]`, ...security] : []),
    "",
  ].join("\n");
}

function servers(urls: readonly string[], weights: readonly number[] = []): string {
  const items = urls.map((url, at) => `{ url = "${url}", weight = ${weights[at] ?? 1} }`);
  return `servers = [${items.join(", ")}]`;
}

/** Answers by what the request line asks for; nothing is ever kept alive by accident. */
function startEnding(name: string): Promise<Upstream> {
  return startScript((connection) => {
    const { socket } = connection;
    if (!connection.received.includes("\r\n\r\n")) return;
    const path = /^\w+ (\S+)/.exec(connection.received)?.[1] ?? "";
    connection.received = "";
    if (path.endsWith("/hang")) return;
    if (path.endsWith("/reset")) socket.resetAndDestroy();
    else if (path.endsWith("/garbage")) socket.write("nonsense\r\n\r\n");
    else if (path.endsWith("/cut")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    else if (path.endsWith("/tunnel"))
      socket.write("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n");
    else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Upstream: ${name}\r\n\r\n${name}`);
  });
}

before(async () => {
  upstreams = await Promise.all(NAMES.map((name) => startUpstream(name)));
  scripted = await Promise.all(NAMES.map(startEnding));
  const urls = upstreams.map(({ url }) => url);
  const endings = scripted.map(({ url }) => url);
  const dead = `http://localhost:${await closedPort()}`;
  const groups = [
    group("weighted", [servers(urls, [1, 2, 5])]),
    group("least", ['algorithm = "least_conn"', servers(urls)]),
    group("endings", ['algorithm = "least_conn"', servers(endings)]),
    group("hash", ['algorithm = "ip_hash"', servers(urls)]),
    group("hashdead", ['algorithm = "ip_hash"', servers([dead, ...urls])]),
    group("renamed", [servers([dead, urls[0] ?? ""])]),
  ];
  server = await startServer(serverSection(2) + groups.join("\n"));
});

after(async () => {
  for (const upstream of [...upstreams, ...scripted]) await upstream.stop();
  await server.stop();
});

async function serverOf(target: string): Promise<string> {
  const answer = await exchange(server.port, request(`GET ${target}`));
  assert.equal(answer.status, 200, answer.body.toString());
  return (JSON.parse(answer.body.toString()) as Echo).server;
}

async function sharesOf(target: string, times: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let round = 0; round < times; round++) {
    const name = await serverOf(target);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test("weights share a round of turns over both workers", async () => {
  assert.deepEqual(await sharesOf("/weighted", 40), { a: 5, b: 10, c: 25 });
});

test("another server is asked under its own name", async () => {
  for (const body of ["", "x".repeat(5000)]) {
    for (let round = 0; round < 4; round++) {
      const fields = [`Content-Length: ${body.length}`, "X-Keep: yes"];
      const answer = await exchange(server.port, request("PUT /renamed/p", fields, body));
      assert.equal(answer.status, 200);
      const echo = JSON.parse(answer.body.toString()) as Echo;
      assert.equal(echo.headers.host, `127.0.0.1:${upstreams[0]?.port}`);
      assert.deepEqual([echo.method, echo.url], ["PUT", "/p"]);
      assert.deepEqual([echo.headers["x-keep"], echo.bodyBytes], ["yes", body.length]);
    }
  }
});

describe("least_conn", () => {
  test("ties take turns", async () => {
    assert.deepEqual(await sharesOf("/least", 30), { a: 10, b: 10, c: 10 });
  });

  test("requests that last are spread evenly, whichever worker has them", async () => {
    const clients: RawClient[] = [];
    const before = upstreams.map((upstream) => upstream.requests());
    for (let index = 0; index < 30; index++) {
      const client = await RawClient.connect(server.port);
      clients.push(client);
      await client.send(request("GET /least/slow/1500"));
      await arrived(before, index + 1);
    }
    const counts = upstreams.map((upstream, at) => upstream.requests() - (before[at] ?? 0));
    assert.deepEqual(counts, [10, 10, 10]);
    for (const client of clients) {
      assert.equal((await client.answer()).status, 200);
      client.close();
    }
  });

  async function arrived(before: readonly number[], count: number): Promise<void> {
    const total = () =>
      upstreams.reduce((sum, upstream, at) => sum + upstream.requests() - (before[at] ?? 0), 0);
    while (total() < count) await sleep(1);
  }

  const ENDINGS: Readonly<Record<string, (client: RawClient) => Promise<void>>> = {
    "an answer": async (client) => {
      await client.send(request("GET /endings/ok"));
      assert.equal((await client.answer()).status, 200);
    },
    "a malformed answer": async (client) => {
      await client.send(request("GET /endings/garbage"));
      assert.equal((await client.answer()).status, 502);
    },
    "a reset by the upstream": async (client) => {
      await client.send(request("POST /endings/reset", ["Content-Length: 1"], "x"));
      assert.equal((await client.answer()).status, 502);
    },
    "a cut answer": async (client) => {
      await client.send(request("GET /endings/cut"));
      await client.ended();
    },
    "a client that leaves": async (client) => {
      await client.send(request("GET /endings/hang"));
      await sleep(5);
      client.close(true);
    },
    "a body that breaks off": async (client) => {
      await client.send(request("POST /endings/hang", ["Content-Length: 100"], "half"));
      await sleep(5);
      client.close();
    },
    "a body that is refused": async (client) => {
      const fields = ["Transfer-Encoding: chunked"];
      await client.send(request("POST /endings/hang", fields), "1\r\nx\r\n", "nonsense\r\n");
      assert.equal((await client.answer()).status, 400);
    },
    "a tunnel": async (client) => {
      await client.send(request("GET /endings/tunnel", ["Connection: upgrade", "Upgrade: raw"]));
      assert.equal((await client.answer()).status, 101);
      client.endSending();
      client.close();
    },
    "a tunnel that is reset": async (client) => {
      await client.send(request("GET /endings/tunnel", ["Connection: upgrade", "Upgrade: raw"]));
      assert.equal((await client.answer()).status, 101);
      client.close(true);
    },
  };

  for (const [name, end] of Object.entries(ENDINGS)) {
    test(`the count is given back after ${name}`, async () => {
      for (let round = 0; round < ENDS; round++) {
        const client = await RawClient.connect(server.port);
        await end(client);
        client.close();
      }
      // A client's end is seen a moment later. With nothing in flight, all servers tie.
      const even = { a: ENDS, b: ENDS, c: ENDS };
      let shares: Record<string, number> = {};
      for (let attempt = 0; attempt < 40; attempt++) {
        shares = {};
        for (let index = 0; index < 3 * ENDS; index++) {
          const answer = await exchange(server.port, request("GET /endings/ok"));
          const at = answer.body.toString();
          shares[at] = (shares[at] ?? 0) + 1;
        }
        if (NAMES.every((it) => shares[it] === ENDS)) break;
        await sleep(50);
      }
      assert.deepEqual({ ...even, ...shares }, even);
    });
  }

  test("a tunnel is counted until it ends", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /endings/tunnel", ["Connection: upgrade", "Upgrade: raw"]));
    assert.equal((await client.answer()).status, 101);
    const seen = new Set<string>();
    for (let index = 0; index < 12; index++)
      seen.add((await exchange(server.port, request("GET /endings/ok"))).body.toString());
    assert.equal(seen.size, 2);
    client.close();
  });
});

describe("ip_hash", () => {
  async function serverFor(target: string, localAddress: string): Promise<string> {
    const client = await RawClient.connect(server.port, "127.0.0.1", localAddress);
    await client.send(request(`GET ${target}`));
    const answer = await client.answer();
    client.close();
    assert.equal(answer.status, 200);
    return (JSON.parse(answer.body.toString()) as Echo).server;
  }

  test("a client stays with its server on every worker; many clients use all", async () => {
    const seen = new Set<string>();
    for (let index = 1; index <= 20; index++) {
      const address = `127.0.1.${index}`;
      const first = await serverFor("/hash", address);
      seen.add(first);
      for (let round = 0; round < 4; round++)
        assert.equal(await serverFor("/hash", address), first);
    }
    assert.deepEqual([...seen].sort(), NAMES);
  });

  test("a server that can't be reached moves its own clients alone", async () => {
    for (let index = 1; index <= 20; index++) {
      const address = `127.0.2.${index}`;
      assert.equal(await serverFor("/hashdead", address), await serverFor("/hash", address));
    }
  });
});
