// What an operator gets: a dist/ folder that runs anywhere without node_modules, and a process that
// stops when it is told to.

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { header } from "../lib/answer.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { compileConfig, startServer } from "../lib/server.ts";
import { startHeadScript, startUpstream } from "../lib/upstreams.ts";

test("a copied dist/ runs outside the repository, with nothing else", async () => {
  const upstream = await startUpstream();
  const folder = mkdtempSync(join(tmpdir(), "zproxy-shipped-"));
  mkdirSync(join(folder, "site"));
  writeFileSync(join(folder, "site/index.html"), "shipped");
  const routes = [proxyRoute("/app", upstream.url), fileRoute("/", join(folder, "site"))];
  const compiled = await compileConfig(serverSection() + routes.join("\n"));
  for (const name of ["server.cjs", "zproxy.node", "manifest.json", "generated"]) {
    assert.ok(existsSync(join(compiled, "dist", name)), `dist/${name}`);
  }
  cpSync(join(compiled, "dist"), join(folder, "deployed"), { recursive: true });
  rmSync(compiled, { recursive: true });

  // An empty environment and another working directory: nothing of this repository can leak in.
  const script = `exec env -i "${process.execPath}" deployed/server.cjs`;
  const child = new TestProcess("sh", ["-c", script], { cwd: folder });
  try {
    const port = await child.until("the ready line", () => {
      const match = /^zproxy listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(child.stdout);
      return match === null ? undefined : Number(match[1]);
    });
    assert.equal((await exchange(port, request("GET /"))).body.toString(), "shipped");
    assert.equal((await exchange(port, request("GET /app/bytes/9"))).body.length, 9);
    assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
  } finally {
    if (child.running) await child.stop("SIGKILL");
    await upstream.stop();
    rmSync(folder, { recursive: true });
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} while idle exits 0`, async () => {
    const upstream = await startUpstream();
    const server = await startServer(serverSection(2) + proxyRoute("/", upstream.url));
    const idle = await RawClient.connect(server.port);
    await idle.send(request("GET /bytes/1"));
    await idle.answer();
    assert.deepEqual(await server.process.stop(signal), { code: 0, signal: null }, server.log());
    assert.equal(await idle.ended(), "end", "idle connections are closed, not reset");
    idle.close();
    await upstream.stop();
    await server.stop();
  });

  test(`${signal} lets a request in flight finish`, async () => {
    const upstream = await startUpstream();
    const server = await startServer(serverSection(2) + proxyRoute("/", upstream.url));
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /slow/500"));
    while (upstream.requests() === 0) await sleep(5);
    server.process.kill(signal);
    const answer = await client.answer();
    assert.equal(answer.body.toString(), "slow");
    assert.equal(header(answer, "connection"), "close");
    assert.equal(await client.ended(), "end");
    assert.deepEqual(await server.process.exited(), { code: 0, signal: null }, server.log());
    await assert.rejects(RawClient.connect(server.port), /ECONNREFUSED/);
    client.close();
    await upstream.stop();
    await server.stop();
  });
}

test("a request that never ends is cut off after shutdown_timeout_secs", async () => {
  const silent = await startHeadScript(() => {});
  const section = `${serverSection()}shutdown_timeout_secs = 1\n`;
  const server = await startServer(section + proxyRoute("/", silent.url));
  const client = await RawClient.connect(server.port);
  await client.send(request("GET /"));
  while (silent.requests() === 0) await sleep(5);
  server.process.kill("SIGTERM");
  assert.deepEqual(await server.process.exited(), { code: 0, signal: null }, server.log());
  await client.ended();
  client.close();
  await silent.stop();
  await server.stop();
});

test("a second signal exits at once", async () => {
  const silent = await startHeadScript(() => {});
  const server = await startServer(serverSection() + proxyRoute("/", silent.url));
  const client = await RawClient.connect(server.port);
  await client.send(request("GET /"));
  while (silent.requests() === 0) await sleep(5);
  server.process.kill("SIGTERM");
  // The default limit is 30 s and the helper's patience 20 s: only the second signal ends this.
  await sleep(200);
  assert.ok(server.process.running);
  await server.process.stop("SIGTERM");
  await client.ended();
  client.close();
  await silent.stop();
  rmSync(server.folder, { recursive: true });
});

test("a port that is taken stops the start with a sentence that names it", async () => {
  const upstream = await startUpstream();
  const config = `[server]\nlisten = "127.0.0.1:${upstream.port}"\nthreads = 1\n`;
  const folder = await compileConfig(config + proxyRoute("/", upstream.url));
  const child = new TestProcess(process.execPath, ["dist/server.cjs"], { cwd: folder });
  const { code } = await child.exited();
  assert.notEqual(code, 0);
  assert.match(child.output, new RegExp(`127\\.0\\.0\\.1:${upstream.port}`));
  await upstream.stop();
  rmSync(folder, { recursive: true });
});
