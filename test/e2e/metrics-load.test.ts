// What a load generator has counted by itself is what the metrics say, to the last byte.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { startServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { startUpstream } from "../lib/upstreams.ts";

const THREADS = 4;
const REQUESTS = 1500;

/** Every third path is not there. A connection a thread: so none is under way at the end. */
const SCRIPT = `
local asked, answered = 0, 0
request = function()
  asked = asked + 1
  if asked % 3 == 0 then return wrk.format("GET", "/app/status/404") end
  return wrk.format("GET", "/app/bytes/" .. asked)
end
response = function()
  answered = answered + 1
  if answered == ${REQUESTS} then wrk.thread:stop() end
end
done = function(summary)
  io.write("counted ", summary.requests, " ", summary.errors.status, " ", summary.bytes, "\\n")
end
`;

test("requests, classes and bytes are those that wrk has counted", async (t) => {
  const wrk = requireTool(t, "wrk");
  if (wrk === undefined) return;
  const upstream = await startUpstream();
  const admin = '[admin]\nlisten = "127.0.0.1:0"\n';
  const server = await startServer(serverSection(2) + admin + proxyRoute("/app", upstream.url));
  const script = join(server.folder, "count.lua");
  writeFileSync(script, SCRIPT);
  const size = ["-t", String(THREADS), "-c", String(THREADS), "-d", "600"];
  const child = new TestProcess(wrk, [...size, "-s", script, server.url]);
  // Its threads stop by themselves; the first one sleeps until it is interrupted.
  while (upstream.requests() < THREADS * REQUESTS) await sleep(10);
  while (child.running && readdirSync(`/proc/${child.pid}/task`).length > 1) await sleep(10);
  await child.stop("SIGINT");
  const counted = /^counted (\d+) (\d+) (\d+)$/m.exec(child.stdout);
  assert.ok(counted !== null, child.output);
  const [requests = 0, missing = 0, bytes = 0] = counted.slice(1).map(Number);
  assert.equal(requests, THREADS * REQUESTS);
  assert.equal(missing, requests / 3);

  const url = /metrics and probes are at (http:\/\/[^"]+)/.exec(server.log())?.[1];
  const text = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
  const sum = (pattern: RegExp) =>
    [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  assert.equal(sum(/^zproxy_requests_total\{.*class="2xx"\} (\d+)$/gm), requests - missing);
  assert.equal(sum(/^zproxy_requests_total\{.*class="4xx"\} (\d+)$/gm), missing);
  assert.equal(sum(/^zproxy_requests_total\{.*\} (\d+)$/gm), requests);
  assert.equal(sum(/^zproxy_request_duration_seconds_count\{.*\} (\d+)$/gm), requests);
  assert.equal(sum(/^zproxy_response_bytes_total\{.*\} (\d+)$/gm), bytes);
  await upstream.stop();
  await server.stop();
});
