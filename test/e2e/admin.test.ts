// The administrator's server: metrics that say what clients have seen, probes, and what is served.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { AdminServer } from "../../runtime/control/admin-server.ts";
import { ADMIN, ADMIN_URL, pageOf, samplesOf } from "../lib/admin.ts";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { type Faults, startWithFaults } from "../lib/faults.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { alone, reloadInstalled } from "../lib/reload.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { requestCame, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** More than the bounds of the histogram have between them. */
const SLOW_MS = 60;
/** More than any test but one needs. */
const CONNECTIONS = 50;

function route(prefix: string): string {
  return String.raw`route="path_routes.\"*\".\"${prefix}\""`;
}

function checkMetrics(promtool: string, text: string): void {
  const check = spawnSync(promtool, ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.equal(check.status, 0, `${check.stdout}${check.stderr}`);
  assert.equal(check.stdout + check.stderr, "", "not even a remark");
}

describe("metrics", () => {
  let upstream: Upstream;
  let faults: Faults;
  let server: TestServer;

  before(async () => {
    upstream = await startUpstream();
    const config = [
      serverSection(2),
      ADMIN,
      `[security]\nmax_concurrent_connections = ${CONNECTIONS}\n`,
      proxyRoute("/app", upstream.url),
      proxyRoute("/post", upstream.url, ['allowed_methods = ["POST"]']),
      proxyRoute("/few", upstream.url, ["rate_limit_requests_per_min = 3"]),
      fileRoute("/file", "page.txt", ['mode = "memory"']),
      proxyRoute("/dead", "http://127.0.0.1:1"),
    ];
    faults = await startWithFaults(config.join("\n"), {
      prepare: (folder) => writeFileSync(join(folder, "page.txt"), "page"),
      expectedErrors: [/injected crash/, /worker 0 has died/],
    });
    server = faults.server;
  });

  after(async () => {
    await upstream.stop();
    await faults.stop();
  });

  test("counters are what clients have counted, over all workers", async () => {
    const asked = new Map<string, number>();
    let bytes = 0;
    const targets = [
      ["/app/bytes/5000", "/app", 2],
      ["/app/status/404", "/app", 4],
      ["/app/status/302", "/app", 3],
      ["/post", "/post", 4],
      ["/few", "/few", 0],
      ["/file", "/file", 2],
      ["/dead", "/dead", 5],
      ["/none", "", 4],
    ] as const;
    const one = async () => {
      const client = await RawClient.connect(server.port);
      for (const [path, prefix] of targets) {
        await client.send(request(`GET ${path}`));
        const { status } = await client.answer();
        const key = `${prefix} ${Math.floor(status / 100)}`;
        asked.set(key, (asked.get(key) ?? 0) + 1);
        if (prefix === "/file" && status === 200) bytes++;
      }
      client.close();
    };
    await Promise.all(Array.from({ length: 20 }, one));
    const samples = await samplesOf(server);
    let all = 0;
    for (const [key, count] of asked) {
      const [prefix, hundred] = key.split(" ");
      const label = prefix === "" ? 'route="none"' : route(prefix!);
      const name = `zproxy_requests_total{${label},class="${hundred}xx"}`;
      assert.equal(samples.get(name), count, name);
      all += count;
    }
    const counted = [...samples].filter(([name]) => name.startsWith("zproxy_requests_total{"));
    assert.equal(counted.length, asked.size, "nothing else was counted");
    const durations = [...samples].filter(([name]) => /duration_seconds_count/.test(name));
    assert.equal(
      durations.reduce((sum, [, count]) => sum + count, 0),
      all,
    );
    assert.equal(asked.get("/few 2"), 3);
    assert.equal(samples.get("zproxy_rate_limited_total"), 17);
    assert.equal(samples.get("zproxy_connections_accepted_total"), 20);
    const perFile = samples.get(`zproxy_response_bytes_total{${route("/file")}}`)! / bytes;
    assert.ok(Number.isInteger(perFile) && perFile > 100, `${perFile} bytes each`);
  });

  test("gauges: connections, upstreams, requests in flight", async () => {
    const client = await RawClient.connect(server.port);
    const seen = upstream.requests();
    await client.send(request("GET /app/slow/60000"));
    await requestCame(upstream, seen);
    const inFlight = `zproxy_upstream_requests_in_flight{upstream="${upstream.url}",server="${upstream.url}"}`;
    let samples = await samplesOf(server);
    for (let tries = 0; samples.get(inFlight) !== 1 && tries < 100; tries++)
      samples = await samplesOf(server);
    assert.equal(samples.get(inFlight), 1);
    assert.ok(samples.get("zproxy_connections")! >= 1);
    assert.ok(samples.get("zproxy_upstream_connections")! >= 1);
    client.close();
  });

  test("a connection to an upstream is counted once, however often it is used", async () => {
    const opened = async () =>
      (await samplesOf(server)).get("zproxy_upstream_connections_opened_total")!;
    const ask = async (target: string) =>
      assert.equal((await exchange(server.port, request(`GET ${target}`))).status, 200);
    await ask("/app/bytes/1");
    const before = await opened();
    assert.ok(before >= 1);
    // A worker has a pool of its own, so that each may open one.
    for (let count = 0; count < 20; count++) await ask("/app/bytes/1");
    assert.ok((await opened()) - before <= 1, "used connections were counted");
  });

  test("durations fall into the bucket they belong to", async () => {
    const client = await RawClient.connect(server.port);
    const bucket = (le: string) =>
      `zproxy_request_duration_seconds_bucket{${route("/app")},le="${le}"}`;
    const before = await samplesOf(server);
    await client.send(request(`GET /app/slow/${SLOW_MS}`));
    await client.answer();
    client.close();
    const after = await samplesOf(server);
    assert.equal(after.get(bucket("0.05")), before.get(bucket("0.05")), "not below 50 ms");
    assert.ok(after.get(bucket("10"))! > before.get(bucket("10"))!);
  });

  test("completions by turn: a histogram of all that came", async () => {
    const samples = await samplesOf(server);
    const batch = "zproxy_ring_batch_completions";
    const buckets = [...samples].filter(([name]) => name.startsWith(`${batch}_bucket`));
    const counts = buckets.map(([, count]) => count);
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
      "none is less than the one before",
    );
    assert.equal(counts.at(-1), samples.get(`${batch}_count`));
    assert.ok(counts.at(-1)! > counts[0]!, "turns with completions");
    const asked = [...samples].filter(([name]) => name.startsWith("zproxy_requests_total{"));
    const requests = asked.reduce((sum, [, count]) => sum + count, 0);
    // A request takes a receive and a send at least.
    assert.ok(samples.get(`${batch}_sum`)! >= 2 * requests, `${requests} requests`);
  });

  test("connections over the limit are counted, and are none that were accepted", async () => {
    const before = await samplesOf(server);
    const clients: RawClient[] = [];
    let refused = 0;
    while (refused < 3) {
      const client = await RawClient.connect(server.port);
      await client.send(request("GET /none"));
      if ((await client.answer()).status === 503) refused++;
      clients.push(client);
    }
    const after = await samplesOf(server);
    const grown = (name: string) => after.get(name)! - before.get(name)!;
    assert.equal(grown("zproxy_connections_refused_total"), refused);
    assert.equal(grown("zproxy_connections_accepted_total"), clients.length);
    for (const client of clients) client.close();
  });

  test("promtool accepts them", async (context) => {
    const promtool = requireTool(context, "promtool");
    if (promtool === undefined) return;
    const { text, type } = await pageOf(server, "/metrics");
    assert.equal(type, "text/plain; version=0.0.4; charset=utf-8");
    checkMetrics(promtool, text);
  });

  test("a worker that dies is counted, and what it has counted stays", async () => {
    const before = await samplesOf(server);
    await faults.crash(0);
    await server.process.until("the restart", () =>
      /has died/.test(server.log()) ? true : undefined,
    );
    let after = await samplesOf(server);
    for (let tries = 0; after.get("zproxy_workers") !== 2 && tries < 200; tries++)
      after = await samplesOf(server);
    assert.equal(after.get("zproxy_worker_restarts_total"), 1);
    assert.equal(after.get("zproxy_workers"), 2);
    for (const [name, count] of before)
      if (name.startsWith("zproxy_requests_total")) assert.ok(after.get(name)! >= count, name);
  });
});

describe("pages", () => {
  let authority: Authority;
  let upstream: Upstream;
  let server: TestServer;

  before(async () => {
    authority = new Authority();
    const tls = tlsSection(authority.issue({ names: LOCAL_NAMES }), [], ["ktls_enabled = true"]);
    upstream = await startUpstream();
    const group = `[upstreams.api]\nservers = ["${upstream.url}", { url = "http://127.0.0.1:1", weight = 3 }]\n`;
    const check = "[upstreams.api.health_check]\ninterval_secs = 3600\nunhealthy_threshold = 1\n";
    const routes = `[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "api"\n`;
    server = await startServer(serverSection() + ADMIN + tls + group + check + routes);
    await server.process.until("the check", () =>
      /127\.0\.0\.1:1 is now unhealthy/.test(server.log()) ? true : undefined,
    );
    await server.remember(); // the checks' connections have gone
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
    authority.remove();
  });

  test("/healthz and /readyz", async () => {
    assert.deepEqual(await pageOf(server, "/healthz"), {
      status: 200,
      type: "text/plain; charset=utf-8",
      text: "ok\n",
    });
    const { status, text } = await pageOf(server, "/readyz");
    assert.deepEqual([status, text], [200, "ready\n"]);
  });

  test("/config is the manifest of what is served", async () => {
    const { text, type } = await pageOf(server, "/config");
    assert.equal(type, "application/json");
    assert.equal(text, readFileSync(join(server.folder, "dist/manifest.json"), "utf8"));
    const { configHash } = JSON.parse(text) as { configHash: string };
    const { text: metrics } = await pageOf(server, "/metrics");
    assert.match(metrics, new RegExp(`zproxy_config_info\\{hash="${configHash}",`));
  });

  test("/upstreams says who is healthy", async () => {
    const read = async () => JSON.parse((await pageOf(server, "/upstreams")).text)[0];
    const { name, algorithm, checked, servers } = await read();
    assert.deepEqual([name, algorithm, checked], ["api", "round_robin", true]);
    const [good, bad] = servers;
    assert.deepEqual(good, {
      url: upstream.url,
      weight: 1,
      healthy: true,
      inFlight: 0,
      addresses: ["127.0.0.1"],
    });
    assert.deepEqual([bad.weight, bad.healthy], [3, false]);
    const samples = await samplesOf(server);
    const healthy = (url: string) =>
      samples.get(`zproxy_upstream_healthy{upstream="api",server="${url}"}`);
    assert.deepEqual([healthy(good.url), healthy(bad.url)], [1, 0]);
  });

  test("promtool accepts metrics of TLS and of checked servers, also during a reload", async (t) => {
    const promtool = requireTool(t, "promtool");
    if (promtool === undefined) return;
    const client = await RawClient.connectTls(server.port);
    await client.send(request("GET /bytes/1"));
    await client.answer();
    const texts: string[] = [];
    let reloading = true;
    const reloaded = reloadInstalled(server).then(() => {
      reloading = false;
    });
    while (reloading) texts.push((await pageOf(server, "/metrics")).text);
    await reloaded;
    await alone(server);
    texts.push((await pageOf(server, "/metrics")).text);
    client.close();
    assert.ok(texts.length > 1, "one at least while it reloads");
    const kinds = new Map(texts.map((text) => [text.replace(/ [\d.e+-]+$/gm, ""), text]));
    for (const text of kinds.values()) checkMetrics(promtool, text);
    for (const name of ["tls_handshakes", "ktls", "upstream_healthy", "certificate"])
      assert.match(texts.at(-1)!, new RegExp(`^zproxy_\\w*${name}`, "m"));
  });

  test("nothing else, and nothing but GET and HEAD", async () => {
    assert.equal((await pageOf(server, "/")).status, 404);
    assert.equal((await pageOf(server, "/metrics?x=/healthz")).status, 200);
    assert.equal((await pageOf(server, "/metrics", "POST")).status, 405);
    const { status, text } = await pageOf(server, "/healthz", "HEAD");
    assert.deepEqual([status, text], [200, ""]);
  });
});

test("a server that stops is not ready, and lives", async () => {
  const upstream = await startUpstream();
  const server = await startServer(serverSection() + ADMIN + proxyRoute("/", upstream.url));
  try {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /slow/1500"));
    await requestCame(upstream, 0);
    server.process.kill("SIGTERM");
    let page = await pageOf(server, "/readyz");
    while (page.status === 200) page = await pageOf(server, "/readyz");
    assert.deepEqual([page.status, page.text], [503, "stopping\n"]);
    assert.equal((await pageOf(server, "/healthz")).status, 200);
    assert.equal((await client.answer()).status, 200);
    client.close();
    await server.process.exited();
  } finally {
    await upstream.stop();
    await server.stop();
  }
});

test("clients that say nothing do not keep a probe out", async (t) => {
  const server = await startServer(serverSection() + ADMIN);
  t.after(() => server.stop());
  const { port } = new URL(ADMIN_URL.exec(server.log())![1]!);
  const silent: RawClient[] = [];
  for (let clients = 0; clients < 80; clients++) silent.push(await RawClient.connect(Number(port)));
  assert.equal((await pageOf(server, "/healthz")).status, 200);
  for (const client of silent) client.close();
});

test("clients that can't be accepted are no error of the server", async () => {
  const page = () => "";
  const admin = new AdminServer({
    metrics: page,
    unreadiness: page,
    config: page,
    upstreams: page,
  });
  const url = await admin.listen({ address: "127.0.0.1", port: 0 });
  // What Node says when accept(2) fails; the kernel's reasons for it are hard to come by.
  const { server } = admin as unknown as { server: Server };
  for (let round = 0; round < 3; round++) server.emit("error", new Error("accept EMFILE"));
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  admin.close();
});

test("dropped log records are counted", async () => {
  const logging =
    '[logging]\naccess_log = true\nfile_path = "zproxy.log"\nflush_interval_ms = 3600000\n';
  const config = `${serverSection()}${logging}channel_size = 4\n${ADMIN}${fileRoute("/", "page.txt")}`;
  const prepare = (folder: string) => writeFileSync(join(folder, "page.txt"), "page");
  const server = await startServer(config, { prepare });
  try {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /").repeat(400));
    for (let count = 0; count < 400; count++) await client.answer();
    client.close();
    await server.settled();
    const log = readFileSync(join(server.folder, "zproxy.log"), "utf8");
    const url = ADMIN_URL.exec(log)?.[1];
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
    const dropped = Number(/^zproxy_log_dropped_total (\d+)$/m.exec(text)?.[1]);
    assert.ok(dropped > 0 && dropped < 400, `${dropped}`);
    await server.process.stop("SIGTERM");
    const whole = readFileSync(join(server.folder, "zproxy.log"), "utf8");
    const written = whole.match(/"msg":"request"\}/g)?.length ?? 0;
    assert.equal(written + dropped, 400);
  } finally {
    await server.stop();
  }
});
