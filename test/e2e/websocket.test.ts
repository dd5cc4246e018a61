// WebSocket end to end (RFC 6455), with a library on both sides: what a browser and its server say
// to each other through the proxy; with TLS on either side, on both, and on none.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes } from "../lib/upstreams.ts";

const SIZES = [0, 1, 125, 126, 65_535, 65_536, 300_000, 1 << 20, 16 << 20];

const TUNNELS = 500;
/** Handshakes in JavaScript take their time. */
const TUNNELS_OVER_TLS = 80;
const ROUNDS = 4;

let authority: Authority;
let upstream: WebSocketServer;
let listener: Server;
let server: TestServer;
let scheme: string;

before(() => {
  authority = new Authority();
});

after(() => authority.remove());

async function start(tlsInFront: boolean, tlsBehind: boolean): Promise<void> {
  const certificate = authority.issue({ names: LOCAL_NAMES });
  listener = tlsBehind ? createTlsServer(certificate) : createServer();
  upstream = new WebSocketServer({
    server: listener,
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  upstream.on("connection", (socket) => {
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (!isBinary && data.toString() === "close me") socket.close(4001, "as you wish");
      else socket.send(data, { binary: isBinary });
    });
    socket.on("error", () => {});
  });
  const url = `${tlsBehind ? "https" : "http"}://127.0.0.1:${await portOf(listener)}`;
  const trust = tlsBehind ? [`tls_ca_path = ${JSON.stringify(authority.path)}`] : [];
  const tls = tlsInFront ? tlsSection(certificate) : "";
  server = await startServer(serverSection() + tls + proxyRoute("/ws", url, [], trust));
  scheme = tlsInFront ? "wss" : "ws";
}

/** Lets it listen; returns the port. */
async function portOf(listening: Server): Promise<number> {
  await once(listening.listen(0, "127.0.0.1"), "listening");
  return (listening.address() as AddressInfo).port;
}

async function stop(): Promise<void> {
  for (const socket of upstream.clients) socket.terminate();
  upstream.close();
  listener.close();
  await server.stop();
}

async function open(protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`${scheme}://127.0.0.1:${server.port}/ws`, protocols, {
    ca: authority.cert,
  });
  await once(socket, "open");
  return socket;
}

async function close(socket: WebSocket): Promise<void> {
  const closed = once(socket, "close");
  socket.close(1000);
  assert.equal((await closed)[0], 1000);
}

async function echoed(socket: WebSocket): Promise<readonly [Buffer, boolean]> {
  const [data, isBinary] = await once(socket, "message");
  return [data as Buffer, isBinary as boolean];
}

for (const tlsInFront of [false, true]) {
  for (const tlsBehind of [false, true]) {
    describe(`${tlsInFront ? "wss" : "ws"} in front, ${tlsBehind ? "wss" : "ws"} behind`, () => {
      before(() => start(tlsInFront, tlsBehind));
      after(stop);

      test("messages of every length form come back, text and binary", async () => {
        const socket = await open();
        for (const size of SIZES) {
          const content = Buffer.from(sizedBytes(size, size));
          socket.send(content);
          assert.deepEqual(await echoed(socket), [content, true]);
          const text = "ä".repeat(size >> 1);
          socket.send(text);
          const [data, isBinary] = await echoed(socket);
          assert.ok(data.toString() === text && !isBinary, `${size} bytes of text`);
        }
        await close(socket);
      });

      test("fragments with a ping between them", async () => {
        const socket = await open();
        const pong = once(socket, "pong");
        const message = echoed(socket);
        socket.send("one ", { fin: false });
        socket.ping("are you there");
        socket.send("two ", { fin: false });
        socket.send("three", { fin: true });
        assert.equal((await message)[0].toString(), "one two three");
        assert.equal(String((await pong)[0]), "are you there");
        await close(socket);
      });

      test("a long message in fragments of many sizes, with pings between them", async () => {
        const socket = await open();
        const content = Buffer.from(sizedBytes(16 << 20, 5));
        const message = echoed(socket);
        let pongs = 0;
        socket.on("pong", () => pongs++);
        let pings = 0;
        for (let at = 0, size = 1; at < content.length; size = Math.min(size * 3, 1_000_000)) {
          const end = Math.min(at + size, content.length);
          socket.send(content.subarray(at, end), { fin: end === content.length });
          socket.ping(String(pings++));
          at = end;
        }
        const [data, isBinary] = await message;
        assert.ok(isBinary && content.equals(data));
        await close(socket);
        assert.equal(pongs, pings);
      });

      test("a subprotocol is agreed on", async () => {
        const socket = await open(["chat.v2", "chat.v1"]);
        assert.equal(socket.protocol, "chat.v2");
        await close(socket);
      });

      test("compression is negotiated between the two ends", async () => {
        const socket = await open();
        const text = "again and again ".repeat(5000);
        socket.send(text);
        assert.equal((await echoed(socket))[0].toString(), text);
        await close(socket);
      });

      test("close codes pass in both directions", async () => {
        const socket = await open();
        const closed = once(socket, "close");
        socket.send("close me");
        const [code, reason] = await closed;
        assert.deepEqual([code, String(reason)], [4001, "as you wish"]);

        const other = await open();
        const [end] = [...upstream.clients].slice(-1);
        assert.ok(end);
        const seen = once(end, "close");
        other.close(4002, "enough");
        const [seenCode, seenReason] = await seen;
        assert.deepEqual([seenCode, String(seenReason)], [4002, "enough"]);
      });

      test("an upstream that is gone mid-talk ends the client's connection", async () => {
        const socket = await open();
        const closed = once(socket, "close");
        for (const end of upstream.clients) end.terminate();
        assert.equal((await closed)[0], 1006);
      });

      const count = tlsInFront || tlsBehind ? TUNNELS_OVER_TLS : TUNNELS;
      test(`${count} talk at once`, async () => {
        const sockets = await Promise.all(Array.from({ length: count }, () => open()));
        await Promise.all(
          sockets.map(async (socket, index) => {
            for (let round = 0; round < ROUNDS; round++) {
              const content = Buffer.from(sizedBytes(index * 50 + round, index));
              socket.send(content);
              assert.deepEqual(await echoed(socket), [content, true]);
            }
            await close(socket);
          }),
        );
      });
    });
  }
}

describe("a group of servers", () => {
  const listeners = ["a", "b"].map((name) => {
    const behind = createServer();
    new WebSocketServer({ server: behind }).on("connection", (socket) => socket.send(name));
    return behind;
  });
  let proxied: TestServer;

  before(async () => {
    const ports = await Promise.all(listeners.map(portOf));
    const servers = ports.map((port) => `"http://127.0.0.1:${port}"`).join(", ");
    const group = `[upstreams.pool]\nalgorithm = "least_conn"\nservers = [${servers}]\n`;
    const route = '[path_routes."*"."/ws"]\ntype = "Proxy"\nupstream = "pool"\n';
    proxied = await startServer(serverSection(2) + group + route);
  });

  after(async () => {
    for (const behind of listeners) behind.close();
    await proxied.stop();
  });

  /** A connection, and the name of the server that it has met. */
  async function meet(): Promise<readonly [WebSocket, string]> {
    const socket = new WebSocket(`ws://127.0.0.1:${proxied.port}/ws`);
    const [name] = await once(socket, "message");
    return [socket, String(name)];
  }

  test("a connection counts for its server until it ends", async () => {
    const first: (readonly [WebSocket, string])[] = [];
    for (let count = 0; count < 12; count++) first.push(await meet());
    const of = (name: string) => first.filter(([, met]) => met === name).map(([socket]) => socket);
    assert.deepEqual([of("a").length, of("b").length], [6, 6]);
    for (const socket of of("b")) await close(socket);
    const next: (readonly [WebSocket, string])[] = [];
    for (let count = 0; count < 5; count++) next.push(await meet());
    assert.deepEqual(
      next.map(([, name]) => name),
      Array(5).fill("b"),
    );
    for (const socket of [...of("a"), ...next.map(([socket]) => socket)]) await close(socket);
  });
});
