// The access log: what a record says of a request, whatever a client sends, and that there is one
// for each request.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { requestCame, startUpstream, type Upstream } from "../lib/upstreams.ts";

interface Entry {
  readonly level: number;
  readonly time: number;
  readonly client: string | null;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly path_cut?: boolean;
  readonly status: number;
  readonly bytes: number;
  readonly duration_ms: number;
  readonly upstream?: string;
  readonly upstream_ms?: number;
  readonly route?: string;
  readonly broken?: boolean;
  readonly id: string;
}

const LOGGING = '[logging]\naccess_log = true\nflush_interval_ms = 5\nlevel = "error"\n';
const PAGE = "x".repeat(1000);

describe("what a record says", () => {
  let upstream: Upstream;
  let server: TestServer;
  let started: number;

  before(async () => {
    started = Date.now();
    upstream = await startUpstream();
    const config = [
      `${serverSection()}trusted_proxies = ["127.0.0.9"]\n`,
      LOGGING,
      proxyRoute("/app", upstream.url),
      proxyRoute("/post", upstream.url, ['allowed_methods = ["POST"]']),
      fileRoute("/files", "site"),
      fileRoute("/memory", "site/page.txt", ['mode = "memory"']),
    ];
    server = await startServer(config.join("\n"), {
      prepare(folder) {
        mkdirSync(join(folder, "site"));
        writeFileSync(join(folder, "site/page.txt"), PAGE);
        writeFileSync(join(folder, "site/large.bin"), Buffer.alloc(300_000));
      },
    });
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
  });

  /** The record with this path; there has to be exactly one. */
  async function entryOf(path: string): Promise<Entry> {
    const find = () => entriesOf(server.log()).filter((entry) => entry.path === path);
    const found = await server.process.until(`the record of ${path}`, () => find()[0]);
    assert.equal(find().length, 1);
    return found;
  }

  test("a proxied request", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /app/bytes/70000?seed=1", ["Host: Example.COM:80"]));
    const answer = await client.answer();
    assert.equal(answer.status, 200);
    client.close();
    const entry = await entryOf("/app/bytes/70000?seed=1");
    assert.equal(entry.client, "127.0.0.1");
    assert.equal(entry.method, "GET");
    assert.equal(entry.host, "example.com");
    assert.equal(entry.status, 200);
    assert.equal(entry.upstream, upstream.url);
    assert.equal(entry.route, 'path_routes."*"."/app"');
    assert.equal(entry.broken, undefined);
    assert.match(entry.id, /^[0-9a-f]{16}$/);
    assert.ok(entry.bytes > 70_000 && entry.bytes < 70_500, `${entry.bytes} bytes`);
    assert.ok(entry.upstream_ms! > 0 && entry.duration_ms >= entry.upstream_ms!);
    assert.ok(entry.time >= started - 1000 && entry.time <= Date.now());
  });

  test("durations, of the upstream and in all", async () => {
    await exchange(server.port, request("GET /app/slow/120"));
    const { upstream_ms, duration_ms } = await entryOf("/app/slow/120");
    assert.ok(upstream_ms! >= 119 && duration_ms >= upstream_ms!, `${upstream_ms} ${duration_ms}`);
  });

  test("files: bytes are all that was sent", async () => {
    for (const path of ["/files/page.txt", "/files/large.bin", "/memory", "/files/none"]) {
      const client = await RawClient.connect(server.port);
      await client.send(request(`GET ${path}`, ["Connection: close"]));
      await client.ended();
      const entry = await entryOf(path);
      assert.equal(entry.bytes, client.pending.length, path);
      assert.equal(entry.status, path === "/files/none" ? 404 : 200);
      assert.equal(entry.upstream, undefined);
      assert.equal(entry.upstream_ms, undefined);
      assert.match(entry.route!, /^path_routes/);
    }
    const conditional = ["Range: bytes=0-9,20-29"];
    await exchange(server.port, request("GET /files/page.txt?parts", conditional));
    assert.equal((await entryOf("/files/page.txt?parts")).status, 206);
  });

  test("refusals: their route where one was found, and the id of the error page", async () => {
    const cases = [
      ["GET /nowhere", 404, undefined],
      ["GET /post", 405, 'path_routes."*"."/post"'],
      ["OPTIONS *", 200, undefined],
    ] as const;
    for (const [line, status, route] of cases) {
      const answer = await exchange(server.port, request(line));
      const entry = await entryOf(line.split(" ")[1] ?? "");
      assert.equal(answer.status, status);
      assert.equal(entry.status, status);
      assert.equal(entry.route, route);
      assert.equal(entry.upstream, undefined);
      if (status >= 400) assert.match(answer.body.toString(), new RegExp(entry.id));
    }
  });

  test("a head that can't be read has a record without its texts", async () => {
    const answer = await exchange(server.port, "GET /bad\x01 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert.equal(answer.status, 400);
    const entry = await entryOf("");
    assert.deepEqual(
      [entry.method, entry.host, entry.status, entry.client],
      ["", "", 400, "127.0.0.1"],
    );
    assert.match(answer.body.toString(), new RegExp(entry.id));
  });

  test("pipelined requests have a record each, with their own bytes", async () => {
    const client = await RawClient.connect(server.port);
    const paths = ["/memory?1", "/app/bytes/5", "/memory?2", "/none?3"];
    await client.send(paths.map((path) => request(`GET ${path}`)).join(""));
    for (const path of paths) {
      await client.answer();
      const { bytes } = await entryOf(path);
      assert.ok(bytes > 0 && bytes < 1500, `${path}: ${bytes}`);
    }
    client.close();
  });

  test("the client is the one that a trusted proxy names", async () => {
    const from = ["203.0.113.7", "2001:db8::a:0:0:1", "::ffff:198.51.100.2"];
    const logged = ["203.0.113.7", "2001:db8::a:0:0:1", "198.51.100.2"];
    for (const [index, address] of from.entries()) {
      const client = await RawClient.connect(server.port, "127.0.0.1", "127.0.0.9");
      const path = `/memory?client=${index}`;
      await client.send(request(`GET ${path}`, [`X-Forwarded-For: ${address}`]));
      await client.answer();
      client.close();
      assert.equal((await entryOf(path)).client, logged[index]);
    }
  });

  test("clients that go: 499 before the answer, broken inside it", async () => {
    const early = await RawClient.connect(server.port);
    const seen = upstream.requests();
    await early.send(request("GET /app/slow/60000"));
    await requestCame(upstream, seen);
    early.close(true);
    const { status, broken } = await entryOf("/app/slow/60000");
    assert.deepEqual([status, broken], [499, true]);
    const late = await RawClient.connect(server.port);
    await late.send(request("GET /app/bytes/30000000"));
    await late.received(1000);
    late.close(true);
    const cut = await entryOf("/app/bytes/30000000");
    assert.deepEqual([cut.status, cut.broken], [200, true]);
    assert.ok(cut.bytes < 30_000_000);
  });

  test("what a client sends stays one value on one line", async () => {
    const paths = [
      '/memory?"},"status":999,"x":"',
      "/memory?\\u0041\\",
      `/memory?${Buffer.from("é\u2028\u009b").toString("latin1")}`,
      `/memory?${"a".repeat(4000)}`,
    ];
    for (const path of paths) {
      const lines = entriesOf(server.log()).length;
      const answer = await exchange(server.port, request(`GET ${path}`));
      const entry = await server.process.until("its record", () => entriesOf(server.log())[lines]);
      assert.equal(entry.status, answer.status);
      if (answer.status === 400) assert.equal(entry.path, "", "bytes above ASCII are refused");
      else if (path.length < 1000) assert.equal(entry.path, path);
      else {
        assert.ok(path.startsWith(entry.path) && entry.path.length > 1000);
        assert.equal(entry.path_cut, true);
      }
    }
    assert.match(server.log(), /^[\n -~]*$/, "the log holds printable ASCII alone");
  });
});

test("without access_log nothing is written", async () => {
  const upstream = await startUpstream();
  const server = await startServer(serverSection() + proxyRoute("/", upstream.url));
  try {
    await exchange(server.port, request("GET /app"));
    assert.doesNotMatch(server.log(), /"msg":"request"/);
  } finally {
    await upstream.stop();
    await server.stop();
  }
});

function entriesOf(log: string): Entry[] {
  return log
    .split("\n")
    .filter((line) => line.endsWith('"msg":"request"}'))
    .map((line) => JSON.parse(line) as Entry);
}
