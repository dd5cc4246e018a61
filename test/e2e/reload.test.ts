// SIGHUP: the next program takes over on the same listeners, with the same clients. Nothing that a
// client can see says that it happened, but for the new routes.

import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import {
  alone,
  generations,
  hangUp,
  REFUSED,
  reload,
  reloadInstalled,
  reloadInVain,
  startFor,
  status,
  until,
} from "../lib/reload.ts";
import { COMMAND, compileConfig } from "../lib/server.ts";
import { startHeadScript, startScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** shutdown_timeout_secs, and how much later its end may be seen on a loaded machine. */
const DRAIN_SECS = 3;
const DRAIN_SLACK_SECS = 3;

test("an idle connection, and one in a request, go on with the new routes", async (t) => {
  const upstream = await startUpstream();
  const config = (prefix: string) => serverSection(2) + proxyRoute(prefix, upstream.url);
  const server = await startFor(t, config("/one"));
  const idle = await Promise.all(Array.from({ length: 600 }, () => RawClient.connect(server.port)));
  // Half of them have never asked for anything.
  for (const client of idle.slice(300)) assert.equal(await status(client, "/one/bytes/1"), 200);
  const busy = await RawClient.connect(server.port);
  const requests = upstream.requests();
  await busy.send(request("GET /one/slow/1500"));
  while (upstream.requests() === requests) await sleep(5);
  const partial = await RawClient.connect(server.port);
  await partial.send("GET /one/bytes/3 HTTP/1.1\r\nHo");
  await sleep(50);

  await reload(server, config("/two"));
  for (const client of idle) assert.equal(await status(client, "/one/bytes/1"), 404);
  for (const client of idle) assert.equal(await status(client, "/two/bytes/1"), 200);
  // What was begun under the old routes ends under them; the next request meets the new ones.
  await partial.send("st: a\r\n\r\n");
  assert.equal((await partial.answer()).body.length, 3);
  assert.equal(await status(partial, "/two/bytes/1"), 200);
  assert.equal((await busy.answer()).body.toString(), "slow");
  assert.equal(await status(busy, "/one/bytes/1"), 404);
  assert.equal(await status(busy, "/two/bytes/1"), 200);
  await alone(server);
  for (const client of [...idle, busy, partial]) client.close();
  await upstream.stop();
  await server.stop();
});

test("what can't take over is refused with a reason, and the server goes on", async (t) => {
  const config = serverSection() + fileRoute("/", "site");
  const prepare = (folder: string): void => {
    mkdirSync(join(folder, "site"));
    writeFileSync(join(folder, "site/a.txt"), "here");
  };
  const server = await startFor(t, config, { prepare, expectedErrors: [REFUSED] });
  const client = await RawClient.connect(server.port);
  const script = join(server.folder, "dist/server.cjs");
  const refused = () => until(server, REFUSED, () => hangUp(server));
  cpSync(script, `${script}.good`);
  for (const [text, reason] of [
    ["this is no script", /it does not load: Unexpected identifier/],
    ["", /it does not say what it is/],
    ["throw new Error('broken')", /it does not load: broken/],
    ['require("worker_threads").parentPort.postMessage({})', /another version/],
  ] as const) {
    writeFileSync(script, text);
    await refused();
    assert.match(server.log(), reason);
    assert.equal(await status(client, "/a.txt"), 200);
  }
  rmSync(script);
  await refused();
  assert.match(server.log(), /can't read the compiled server/);
  renameSync(`${script}.good`, script);
  await reloadInVain(server, serverSection() + fileRoute("/", "/no/such/folder"));
  assert.match(server.log(), /\/no\/such\/folder\\" does not exist/);
  assert.equal(await status(client, "/a.txt"), 200);
  assert.equal(await generations(server), 1);
  // None of this is in the way of one that is right.
  await reload(server, config.replace('"*"."/"', '"*"."/files"'));
  assert.equal(await status(client, "/files/a.txt"), 200);
  client.close();
  await alone(server);
  await server.stop();
});

test("settings that take a restart are named, and the rest is applied", async (t) => {
  const server = await startFor(t, serverSection() + fileRoute("/a", "/usr"));
  const logging = "[logging]\nchannel_size = 5000\n";
  await reload(server, serverSection(2) + logging + fileRoute("/b", "/usr"));
  assert.match(server.log(), /server\.threads has changed; that takes a restart/);
  assert.match(server.log(), /logging\.channel_size has changed; that takes a restart/);
  assert.doesNotMatch(server.log(), /logging\.max_log_size has changed/);
  assert.equal((await exchange(server.port, request("GET /b/no-such-file"))).status, 404);
  await alone(server);
  await server.stop();
});

test("listeners come and go, and one that can't be bound is refused", async (t) => {
  const section = (...addresses: string[]) =>
    `[server]\nlisten = ${JSON.stringify(addresses)}\nthreads = 2\n`;
  const first = "127.0.0.1:0";
  const route = fileRoute("/", "/usr");
  const server = await startFor(t, section(first) + route, { expectedErrors: [REFUSED] });
  const client = await RawClient.connect(server.port);
  const holder = await startUpstream();
  await reloadInVain(server, section(first, `127.0.0.1:${new URL(holder.url).port}`) + route);
  assert.match(server.log(), /127\.0\.0\.1:\d+ is in use/);
  await holder.stop();
  await reload(server, section(first, "127.0.0.2:0") + route);
  const second = Number(/http:\/\/127\.0\.0\.2:(\d+)$/m.exec(server.process.stdout)?.[1]);
  for (let round = 0; round < 8; round++) {
    const other = await RawClient.connect(second, "127.0.0.2");
    assert.equal(await status(other, "/none"), 404);
    other.close();
  }
  assert.equal(await status(client, "/none"), 404);
  await reload(server, section(first) + route);
  await assert.rejects(RawClient.connect(second, "127.0.0.2"), /ECONNREFUSED/);
  assert.equal(await status(client, "/none"), 404);
  client.close();
  await alone(server);
  await server.stop();
});

/** A server that switches protocols, and then gives back what it gets. */
function startEcho(): Promise<Upstream> {
  const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
  return startScript((connection) => {
    const { socket, received } = connection;
    if (received.startsWith("GET")) socket.write(switching);
    else socket.write(received);
    connection.received = "";
  });
}

async function openTunnel(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  await client.send(request("GET /", ["Connection: upgrade", "Upgrade: x"]));
  assert.equal((await client.answer()).status, 101);
  return client;
}

test("a tunnel lasts until the drain limit, and is cut then", async (t) => {
  const echo = await startEcho();
  const section = `${serverSection()}shutdown_timeout_secs = ${DRAIN_SECS}\n`;
  const server = await startFor(t, section + proxyRoute("/", echo.url));
  const client = await openTunnel(server.port);
  await reload(server, section + proxyRoute("/new", echo.url));
  const reloaded = Date.now();
  await client.send("through");
  while (client.pending.length < 7) await sleep(5);
  assert.equal(client.pending.toString(), "through");
  assert.equal(await generations(server), 2);
  await client.ended();
  const [line] = /^.*of an earlier generation are cut off after 3 s.*$/m.exec(server.log())!;
  const { time } = JSON.parse(line) as { time: number };
  client.close();
  await alone(server, (DRAIN_SECS + DRAIN_SLACK_SECS) * 1000 - (Date.now() - reloaded));
  // The limit runs from the moment that the next generation accepts, a little before the report.
  const lasted = (time - reloaded) / 1000;
  assert.ok(lasted > DRAIN_SECS - 1 && lasted < DRAIN_SECS + DRAIN_SLACK_SECS, `${lasted} s`);
  await echo.stop();
  await server.stop();
});

test("without a drain limit, the oldest generation's tunnels make way for the next one", async (t) => {
  const echo = await startEcho();
  const config = `${serverSection()}shutdown_timeout_secs = 0\n${proxyRoute("/", echo.url)}`;
  const server = await startFor(t, config);
  const tunnels = [await openTunnel(server.port)];
  for (let round = 0; round < 3; round++) {
    await reloadInstalled(server);
    tunnels.push(await openTunnel(server.port));
  }
  assert.equal(await generations(server), 4);
  assert.doesNotMatch(server.log(), /cut off/);
  await reloadInstalled(server);
  assert.match(server.log(), /of the oldest generation are cut off/);
  const [oldest, ...others] = tunnels;
  await oldest!.ended();
  for (const tunnel of others) {
    await tunnel.send("through");
    while (tunnel.pending.length < 7) await sleep(5);
  }
  for (const tunnel of tunnels) tunnel.close();
  await echo.stop();
  await alone(server);
  await server.stop();
});

test("more reloads than there is room for wait for the earlier generations", async (t) => {
  const silent = await startHeadScript(() => {});
  const config = serverSection() + proxyRoute("/", silent.url);
  const server = await startFor(t, config, { expectedErrors: [REFUSED] });
  const clients: RawClient[] = [];
  for (let round = 1; round <= 4; round++) {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /"));
    while (silent.requests() < round) await sleep(5);
    clients.push(client);
    const pattern = round < 4 ? /zproxy reloaded/ : /several earlier generations are still/;
    await until(server, pattern, () => hangUp(server));
  }
  for (const client of clients) client.close();
  await silent.stop();
  await alone(server);
  await reloadInstalled(server);
  await alone(server);
  await server.stop();
});

test("counts of rate limits and connections outlive a reload", async (t) => {
  const upstream = await startUpstream();
  const limits = "[security]\nmax_concurrent_connections = 3\n";
  const route = proxyRoute("/", upstream.url, ["rate_limit_requests_per_min = 4"]);
  const config = serverSection() + limits + route;
  const server = await startFor(t, config);
  const client = await RawClient.connect(server.port);
  const others = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
  for (let round = 0; round < 3; round++) assert.equal(await status(client, "/bytes/1"), 200);
  await reload(server, config);
  await alone(server);
  assert.equal(await status(client, "/bytes/1"), 200);
  assert.equal(await status(client, "/bytes/1"), 429);
  assert.equal((await exchange(server.port, request("GET /bytes/1"))).status, 503);
  for (const it of [client, ...others]) it.close();
  await upstream.stop();
  await server.stop();
});

test("a worker that is restarted runs its own generation's code", async (t) => {
  const server = await startFor(t, serverSection() + fileRoute("/", "/usr"));
  // Put there, not asked for: nothing may come of it.
  writeFileSync(join(server.folder, "dist/server.cjs"), "throw new Error('not asked for')");
  assert.equal((await exchange(server.port, request("GET /none"))).status, 404);
  assert.equal(await generations(server), 1);
  await server.stop();
});

test("after dropping privileges, too", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root: there is nothing to drop");
  const drop = '[security]\ndrop_privileges_user = "nobody"\n';
  const prepare = (folder: string): void => chmodSync(folder, 0o755);
  const server = await startFor(t, serverSection() + drop + fileRoute("/a", "/usr"), { prepare });
  const client = await RawClient.connect(server.port);
  await reload(server, serverSection() + drop + fileRoute("/b", "/usr/bin"));
  assert.equal(await status(client, "/b/env"), 200);
  client.close();
  await alone(server);
  await server.stop();
});

test("a link that leads to another release is followed, and the old one may go", async (t) => {
  const upstream = await startUpstream();
  const folder = await compileConfig(serverSection() + fileRoute("/a", "/usr"));
  const checked = `[upstreams.u]\nservers = ["${upstream.url}"]\n[upstreams.u.health_check]\n`;
  const route = '[path_routes."*"."/b"]\ntype = "Proxy"\nupstream = "u"\n';
  const next = await compileConfig(serverSection() + checked + route);
  renameSync(join(folder, "dist"), join(folder, "one"));
  renameSync(join(next, "dist"), join(folder, "two"));
  const dist = join(folder, "dist");
  symlinkSync("one", dist);
  const child = new TestProcess(process.execPath, ["dist/server.cjs"], { cwd: folder });
  t.after(() => (child.running ? child.stop("SIGKILL") : undefined));
  const port = await child.until("the ready line", () => {
    const found = /^zproxy listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(child.stdout);
    return found === null ? undefined : Number(found[1]);
  });
  assert.equal((await exchange(port, request("GET /a/bin/env"))).status, 200);
  symlinkSync("two", `${dist}-next`);
  renameSync(`${dist}-next`, dist);
  rmSync(join(folder, "one"), { recursive: true });
  child.kill("SIGHUP");
  await child.until("the reload", () => /zproxy reloaded/.exec(child.stderr) ?? undefined);
  assert.equal((await exchange(port, request("GET /a/bin/env"))).status, 404);
  assert.equal((await exchange(port, request("GET /b/status/200"))).status, 200);
  await child.until("a health check", () => upstream.requests() >= 2 || undefined);
  await upstream.stop();
  assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
  for (const it of [folder, next]) rmSync(it, { recursive: true });
});

test("zproxy run compiles again on SIGHUP", async () => {
  const folder = await compileConfig(serverSection() + fileRoute("/a", "/usr"));
  const config = join(folder, "config.toml");
  const env = { XDG_CACHE_HOME: join(folder, "cache") };
  const child = new TestProcess(process.execPath, [COMMAND, "run", config], { cwd: folder, env });
  const port = await child.until("the ready line", () => {
    const found = /^zproxy listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(child.stdout);
    return found === null ? undefined : Number(found[1]);
  });
  writeFileSync(config, `${serverSection()}thread = 1\n${fileRoute("/b", "/usr")}`);
  child.kill("SIGHUP");
  await child.until("a diagnostic", () => /schema\/unknown-key/.exec(child.stderr) ?? undefined);
  assert.equal((await exchange(port, request("GET /a/bin/env"))).status, 200);
  writeFileSync(config, serverSection() + fileRoute("/b", "/usr"));
  child.kill("SIGHUP");
  await child.until("the reload", () => /zproxy reloaded/.exec(child.stderr) ?? undefined);
  assert.equal((await exchange(port, request("GET /b/bin/env"))).status, 200);
  assert.equal((await exchange(port, request("GET /a/bin/env"))).status, 404);
  assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
  rmSync(folder, { recursive: true });
});
