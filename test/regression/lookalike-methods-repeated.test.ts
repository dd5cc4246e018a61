// Idempotent methods were told by first letter and length, so that TRANS passed for TRACE and
// DOPOST for DELETE: when a pooled connection turned out to be stale, they were sent a second time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startScript, type Upstream } from "../lib/upstreams.ts";

const WARM = "POST";

/** Methods of the requests that the upstream has seen, warming ones left out. */
let seen: string[];
let upstream: Upstream;
let server: TestServer;

before(async () => {
  // Keeps a connection after the warming request, and hangs up at the next one that comes over it.
  const warm = new Set<number>();
  upstream = await startScript((connection) => {
    const { socket, index, received } = connection;
    if (!received.includes("\r\n\r\n")) return;
    connection.received = "";
    const method = received.slice(0, received.indexOf(" "));
    if (method === WARM) warm.add(index);
    else seen.push(method);
    if (method !== WARM && warm.has(index)) socket.end();
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const security = ["max_idle_connections_per_host = 1"];
  server = await startServer(serverSection() + proxyRoute("/", upstream.url, security));
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

/** Sends a request over a stale connection; returns its status and what arrived of it. */
async function overStale(method: string): Promise<[status: number, seen: readonly string[]]> {
  const warming = await exchange(server.port, request(`${WARM} /`, ["Content-Length: 0"]));
  assert.equal(warming.status, 200);
  seen = [];
  const { status } = await exchange(server.port, request(`${method} /`));
  return [status, seen];
}

for (const method of ["TRANS", "DOPOST", "OPTIMAL", "PAY"]) {
  test(`${method} is sent once`, async () => {
    assert.deepEqual(await overStale(method), [502, [method]]);
  });
}

for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
  test(`${method} is sent again`, async () => {
    assert.deepEqual(await overStale(method), [200, [method, method]]);
  });
}
