// Workers serve requests of their own making before they accept, and nobody sees anything of it.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, samplesOf } from "../lib/admin.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { reloadInstalled, startFor } from "../lib/reload.ts";
import { startUpstream } from "../lib/upstreams.ts";

const ONCE = ["rate_limit_requests_per_min = 1"];

/** Has the workers of the next generation note each request that they look for a route of. */
function noteRequests(folder: string, noted: string): void {
  const path = join(folder, "dist/server.cjs");
  const text = readFileSync(path, "utf8");
  const [before, after] = text.split("void serve(program);");
  assert.ok(after !== undefined, "the entry");
  const note = `require("node:fs").appendFileSync(${JSON.stringify(noted)}, "x");`;
  const noting = `(...request) => { ${note} return matchRoute(...request); }`;
  writeFileSync(path, `${before}void serve({ ...program, matchRoute: ${noting} });${after}`);
}

test("warming up leaves no connection, count, record or used limit behind", async (t) => {
  const upstream = await startUpstream();
  t.after(() => upstream.stop());
  const config = [
    serverSection(),
    "[logging]\naccess_log = true\nflush_interval_ms = 5\n",
    ADMIN,
    proxyRoute("/app", upstream.url, ONCE),
    fileRoute("/file", "/etc/hostname"),
  ];
  const server = await startFor(t, config.join("\n"));
  const noted = join(server.folder, "noted");
  noteRequests(server.folder, noted);
  await reloadInstalled(server);
  assert.ok(readFileSync(noted).length > 0, "requests of its own");
  assert.equal(upstream.connections(), 0);
  assert.doesNotMatch(server.log(), /"method"/);
  const samples = await samplesOf(server);
  for (const [name, value] of samples)
    if (/^zproxy_(requests|rate_limited|connections)/.test(name)) assert.equal(value, 0, name);
  assert.equal((await exchange(server.port, request("GET /app/bytes/1"))).status, 200);
  assert.equal((await exchange(server.port, request("GET /app/bytes/1"))).status, 429);
  assert.equal((await exchange(server.port, request("GET /file"))).status, 200);
  await server.process.until("their records", () => server.log().split('"method"').length === 4);
  await upstream.stop();
  await server.stop();
});
