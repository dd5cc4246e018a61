// Records between the server and its peers: what a listener on the wire sees of them, what becomes
// of those that somebody changes, cuts off, or sends in floods.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { header } from "../lib/answer.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { HandMade, type Version } from "../lib/hand-made-records.ts";
import { startOpenssl } from "../lib/openssl-server.ts";
import { patience } from "../lib/patience.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { ALERT, CONTENT, HANDSHAKE } from "../lib/tls-records.ts";
import { requireTool } from "../lib/tools.ts";
import { closedPort, sizedBytes } from "../lib/upstreams.ts";
import { Wire } from "../lib/wire.ts";

const MARK = "this is not to be seen on the wire";
const WHOLE = Buffer.from(sizedBytes(200_000, 7));
const HALF_BYTES = 100_000;
const FLOOD = 300;

let authority: Authority;
let certificate: Certificate;
let backend: Server;
let sockets: WebSocketServer;
/** Between the server and the backend. */
let behind: Wire;
let server: TestServer;
/** Where `openssl s_server` is to listen. */
let port: number;
/** Answers that have been begun, or not even that. */
const open: ServerResponse[] = [];

before(async () => {
  authority = new Authority();
  certificate = authority.issue({ names: LOCAL_NAMES });
  backend = createServer(certificate, (incoming, response) => {
    open.push(response);
    const [, route] = /^\/(\w+)/.exec(incoming.url!)!;
    if (route === "half") response.setHeader("content-length", WHOLE.length);
    if (route === "unending") response.useChunkedEncodingByDefault = false;
    if (route === "half" || route === "unending") response.write(WHOLE.subarray(0, HALF_BYTES));
    if (route === "echo") {
      response.setHeader("x-mark", incoming.headers["x-mark"]!);
      incoming.pipe(response);
    }
  });
  backend.on("secureConnection", (socket) => socket.on("error", () => {}));
  sockets = new WebSocketServer({ server: backend });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  await once(backend.listen(0, "127.0.0.1"), "listening");
  behind = await Wire.start((backend.address() as AddressInfo).port);
  port = await closedPort();
  const trust = [`tls_ca_path = ${JSON.stringify(authority.path)}`];
  // A connection for each request: which one is the newest is always known.
  const fresh = ["max_idle_connections_per_host = 0"];
  const routes = [
    proxyRoute("/", `https://127.0.0.1:${behind.port}`, fresh, trust),
    proxyRoute("/openssl", `https://127.0.0.1:${port}`, [], trust),
  ];
  server = await startServer(serverSection() + tlsSection(certificate) + routes.join(""));
});

after(async () => {
  sockets.close();
  await behind.stop();
  backend.close();
  backend.closeAllConnections();
  await server.stop();
  authority.remove();
});

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + patience(10_000); !holds(); await sleep(2))
    assert.ok(Date.now() < deadline, `no sign of ${what}`);
}

/** The next answer that a backend is to give, once its request is there. */
async function asked(): Promise<ServerResponse> {
  await until("a request", () => open.length > 0);
  return open.shift()!;
}

test("nothing that is said can be read on the wire, before and behind the server", async () => {
  const before = await Wire.start(server.port);
  const client = await RawClient.connectTls(before.port);
  const fields = [`Content-Length: ${MARK.length}`, `X-Mark: ${MARK}`];
  await client.send(request("POST /echo", fields, MARK));
  const answer = await client.answer("POST");
  assert.deepEqual([answer.body.toString(), header(answer, "x-mark")], [MARK, MARK]);
  client.close();
  await asked();
  const socket = new WebSocket(`wss://localhost:${before.port}/chat`, { ca: authority.cert });
  await once(socket, "open");
  socket.send(MARK);
  assert.equal(String((await once(socket, "message"))[0]), MARK);
  socket.terminate();
  for (const wire of [before, behind]) {
    assert.ok(wire.bytes.length > 2000, "the wire was not listened to");
    for (const text of [MARK, "HTTP/1.1", "websocket"]) assert.ok(!wire.bytes.includes(text), text);
  }
  await before.stop();
});

/** Something that is no record of the backend's. */
function nonsense(random: Random): Buffer {
  const body = Buffer.from(random.bytes(random.below(300)));
  const head = Buffer.from([
    random.pick([ALERT, HANDSHAKE, CONTENT, random.below(256)]),
    3,
    3,
    0,
    0,
  ]);
  head.writeUInt16BE(random.below(2) === 0 ? body.length : random.below(65_536), 3);
  return random.below(3) === 0 ? Buffer.concat([body, head]) : Buffer.concat([head, body]);
}

test("an upstream's changed records end their answer, and no other", async () => {
  await withRandom(async (random) => {
    for (let round = 0; round < 20; round++) {
      const other = await RawClient.connectTls(server.port);
      await other.send(request("GET /half"));
      const whole = await asked();
      const client = await RawClient.connectTls(server.port);
      const begun = round % 2 === 0;
      await client.send(request(begun ? "GET /half" : "GET /silent"));
      const response = await asked();
      if (begun) await client.received(HALF_BYTES);
      behind.injectBack(nonsense(random));
      behind.endBack();
      if (begun) {
        await client.ended();
        const body = client.pending.subarray(client.pending.indexOf("\r\n\r\n") + 4);
        assert.ok(WHOLE.subarray(0, HALF_BYTES).equals(body), "what came is not what was sent");
      } else assert.equal((await client.answer()).status, 502);
      response.destroy();
      client.close();
      whole.end(WHOLE.subarray(HALF_BYTES));
      assert.ok((await other.answer()).body.equals(WHOLE));
      other.close();
    }
  });
});

test("an answer that its end delimits is whole only with close_notify", async () => {
  for (const cut of [false, true]) {
    const wire = await Wire.start(server.port);
    // In TLS 1.2 the type of an encrypted record can be seen.
    const client = await RawClient.connectTls(wire.port, { maxVersion: "TLSv1.2" });
    await client.send("GET /unending HTTP/1.0\r\nHost: x\r\n\r\n");
    const response = await asked();
    await client.received(HALF_BYTES);
    if (cut) behind.endBack();
    else response.end(WHOLE.subarray(HALF_BYTES));
    await client.ended();
    assert.equal(wire.records.at(-1)!.type, cut ? CONTENT : ALERT);
    client.close();
    response.destroy();
    await wire.stop();
  }
});

test("an upstream's new keys are followed, between answers and within one", async (t) => {
  if (requireTool(t, "openssl") === undefined) return;
  const openssl = await startOpenssl(port, certificate);
  const client = await RawClient.connectTls(server.port);
  for (let round = 1; round <= 3; round++) {
    await client.send(request("GET /openssl/a"));
    await openssl.said(/^GET \/a HTTP\/1\.1/gm, round);
    openssl.tell("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    await client.received(50);
    // In turn with and without the wish for new keys of ours.
    openssl.tell(round === 2 ? "k\n" : "K\n");
    await openssl.said(/>>> TLS 1\.3, Handshake \[length 0005\], KeyUpdate/g, 2 * round - 1);
    openssl.tell("0123456789");
    assert.equal((await client.answer()).body.toString(), "0123456789");
    openssl.tell("K\n");
    await openssl.said(/>>> TLS 1\.3, Handshake \[length 0005\], KeyUpdate/g, 2 * round);
  }
  await openssl.said(/<<< TLS 1\.3, Handshake \[length 0005\], KeyUpdate/g, 2);
  client.close();
  assert.equal(openssl.count(/ClientHello/g), 1, "one connection");
  await openssl.stop();
});

/** A ClientHello of TLS 1.2 that offers one suite. */
const HELLO = Buffer.from([1, 0, 0, 41, 3, 3, ...Buffer.alloc(32), 0, 0, 2, 0xc0, 0x2b, 1, 0]);
const USER_CANCELED = Buffer.from([1, 90]);

const FLOODS: readonly [string, readonly Version[], number, Buffer][] = [
  ["empty records", ["TLSv1.2", "TLSv1.3"], CONTENT, Buffer.alloc(0)],
  ["warnings", ["TLSv1.2", "TLSv1.3"], ALERT, USER_CANCELED],
  ["attempts at renegotiation", ["TLSv1.2"], HANDSHAKE, HELLO],
];

for (const [name, versions, type, content] of FLOODS) {
  for (const version of versions) {
    for (const pauseMs of [0, 2]) {
      const how = pauseMs === 0 ? "at once" : "one by one";
      test(`some ${name} are borne with, a flood of them is not: ${version}, ${how}`, async () => {
        const made = await HandMade.connect(server.port, version);
        const { wire } = made;
        const send = async (count: number) => {
          for (let sent = 0; sent < count && !wire.hasEnded; sent++) {
            made.send(type, content);
            if (pauseMs > 0) await sleep(pauseMs);
          }
        };
        await send(3);
        const before = wire.bytes.length;
        made.send(CONTENT, request("GET /half"));
        (await asked()).end(WHOLE.subarray(HALF_BYTES));
        await until("the answer", () => wire.bytes.length - before > WHOLE.length);
        await send(FLOOD);
        await until("the end", () => wire.hasEnded);
        await made.close();
      });
    }
  }
}
