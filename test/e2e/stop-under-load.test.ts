// SIGTERM while requests are under way and arriving: what has reached an upstream is answered to
// the end, the answer says that the connection ends, new clients are refused instead of kept
// waiting, and the server exits 0 well inside its limit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { header } from "../lib/answer.ts";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";
import { startHeadScript, startUpstream } from "../lib/upstreams.ts";
import { Wire } from "../lib/wire.ts";

/** Clients whose request waits in an upstream when the signal comes. */
const WAITING = 40;
/** Clients that ask one request after the other all the while. */
const BUSY = 16;
/** The type of a record. */
const ALERT = 21;
const BODY_BYTES = 100_000;

/** shutdown_timeout_secs: nothing of this load lasts so long. */
const LIMIT_SECS = 20;

type Connect = () => Promise<RawClient>;

interface Load {
  answered: number;
  stop: boolean;
}

/** Asks on one connection until it ends; an answer that has begun must come whole. */
async function askOn(connect: Connect, load: Load): Promise<void> {
  const client = await connect().catch(() => undefined);
  if (client === undefined) {
    load.stop = true; // refused: the server listens no more
    return;
  }
  try {
    for (;;) {
      await client.send(request(`GET /app/bytes/${BODY_BYTES}`));
      let answer: Awaited<ReturnType<RawClient["answer"]>>;
      try {
        answer = await client.answer();
      } catch {
        assert.equal(client.pending.length, 0, "an answer was cut off");
        return;
      }
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, BODY_BYTES);
      load.answered++;
      if (header(answer, "connection") === "close") return;
    }
  } finally {
    client.close();
  }
}

for (const [scheme, threads] of [
  ["http", 1],
  ["http", 2],
  ["https", 2],
] as const) {
  test(`${scheme}, ${threads} worker(s): what has reached an upstream is answered`, async () => {
    const upstream = await startUpstream();
    const open: (() => void)[] = [];
    const waiting = await startHeadScript(({ socket }) => {
      open.push(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"));
    });
    const authority = new Authority();
    const tls = scheme === "http" ? "" : tlsSection(authority.issue({ names: LOCAL_NAMES }));
    const section = `${serverSection(threads)}shutdown_timeout_secs = ${LIMIT_SECS}\n`;
    const routes = proxyRoute("/app", upstream.url) + proxyRoute("/waiting", waiting.url);
    const server = await startServer(section + tls + routes);
    // In TLS 1.2 the type of an encrypted record can be seen.
    const wire = await Wire.start(server.port);
    const connect: Connect = () =>
      scheme === "http"
        ? RawClient.connect(server.port)
        : RawClient.connectTls(server.port, { maxVersion: "TLSv1.2" });

    const clients = await Promise.all(Array.from({ length: WAITING }, connect));
    const seen =
      scheme === "http"
        ? undefined
        : await RawClient.connectTls(wire.port, { maxVersion: "TLSv1.2" });
    if (seen !== undefined) clients.push(seen);
    await Promise.all(clients.map((client) => client.send(request("GET /waiting"))));
    while (open.length < clients.length) await sleep(5);
    const load: Load = { answered: 0, stop: false };
    const busy = Array.from({ length: BUSY }, async () => {
      while (!load.stop) await askOn(connect, load);
    });
    while (load.answered < 10 * BUSY) await sleep(5);

    server.process.kill("SIGTERM");
    const signalled = Date.now();
    await Promise.all(busy);
    assert.ok(server.process.running, "it waits for its answers");
    for (const answer of open) answer();
    for (const client of clients) {
      const answer = await client.answer();
      assert.equal(answer.body.toString(), "late");
      assert.equal(header(answer, "connection"), "close");
      assert.equal(await client.ended(), "end");
      client.close();
    }
    assert.deepEqual(await server.process.exited(), { code: 0, signal: null }, server.log());
    assert.ok(Date.now() - signalled < LIMIT_SECS * 1000, "within its limit");
    if (seen !== undefined) assert.equal(wire.records.at(-1)?.type, ALERT, "close_notify");
    assert.equal(load.answered, upstream.requests(), "each was answered once");
    assert.doesNotMatch(server.log(), /cut off/);
    await upstream.stop();
    await waiting.stop();
    await wire.stop();
    await server.stop();
    authority.remove();
  });
}
