// Upgraded connections as plain bytes: when a tunnel is made, what goes through it in which pieces,
// how each side ends it, and that nothing is left of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { header, readAnswer } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { cutsOf, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes, startHeadScript, type Upstream } from "../lib/upstreams.ts";

const ASK = request("GET /raw/chat?a=1", [
  "Connection: upgrade, x-hop",
  "Upgrade: raw",
  "X-Hop: 1",
]);
const AGREE =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\nX-A: b\r\n\r\n";
const TOGETHER = 500;

/** What the upstream does once it has a request's head; what is behind the head is `early`. */
type Script = (socket: Socket, head: string, early: Buffer) => void;

let script: Script;
let raw: Server;
let ordinary: Upstream;
let server: TestServer;
const sockets = new Set<Socket>();

function takeHead(socket: Socket): void {
  let received = Buffer.alloc(0);
  const onData = (bytes: Buffer): void => {
    received = Buffer.concat([received, bytes]);
    const end = received.indexOf("\r\n\r\n") + 4;
    if (end < 4) return;
    socket.off("data", onData);
    script(socket, received.toString("latin1", 0, end), received.subarray(end));
  };
  socket.on("data", onData);
  socket.on("error", () => {});
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
}

/** Agrees, then sends back whatever comes; its end is answered with ours. */
const echo: Script = (socket, _head, early) => {
  socket.write(AGREE);
  if (early.length > 0) socket.write(early);
  socket.on("data", (bytes: Buffer) => {
    if (!socket.write(bytes)) {
      socket.pause();
      socket.once("drain", () => socket.resume());
    }
  });
  socket.on("end", () => socket.end());
};

before(async () => {
  raw = createServer({ allowHalfOpen: true, noDelay: true }, takeHead);
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
  ordinary = await startHeadScript(({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nUpgrade: raw\r\n\r\nno");
  });
  const { port } = raw.address() as AddressInfo;
  const routes = [
    proxyRoute("/raw", `http://127.0.0.1:${port}`),
    proxyRoute("/ordinary", ordinary.url, ["max_idle_connections_per_host = 0"]),
  ];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  raw.close();
  for (const socket of sockets) socket.destroy();
  await ordinary.stop();
  await server.stop();
});

/** Which timers the kernel has for connections from or to a port; "02" is that of keepalive. */
function kernelTimers(side: "local" | "remote", port: number): string[] {
  const [local, remote] = [1, 2];
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[side === "local" ? local : remote]?.endsWith(suffix) && row[3] === "01")
    .map((row) => row[5]!.slice(0, 2));
}

/** A client behind its 101. */
async function upgraded(text = ASK): Promise<RawClient> {
  const client = await RawClient.connect(server.port);
  await client.send(text);
  assert.equal((await client.answer()).status, 101);
  return client;
}

describe("the switch", () => {
  test("Upgrade goes both ways, the other fields of the hop do not", async () => {
    const heads: string[] = [];
    script = (socket, head, early) => {
      heads.push(head);
      echo(socket, head, early);
    };
    const client = await RawClient.connect(server.port);
    await client.send(ASK);
    const answer = await client.answer();
    assert.equal(answer.status, 101);
    assert.equal(header(answer, "connection"), "upgrade");
    assert.equal(header(answer, "upgrade"), "raw");
    assert.equal(header(answer, "x-a"), "b");
    client.close();
    assert.match(heads[0] ?? "", /^GET \/chat\?a=1 HTTP\/1\.1\r\n/);
    assert.match(heads[0] ?? "", /\r\nUpgrade: raw\r\n/);
    assert.match(heads[0] ?? "", /\r\nConnection: upgrade\r\n/);
    assert.doesNotMatch(heads[0] ?? "", /x-hop/i);
  });

  test("an upstream that stays with HTTP gives an ordinary answer", async () => {
    const client = await RawClient.connect(server.port);
    for (let round = 0; round < 3; round++) {
      await client.send(ASK.replace("/raw/", "/ordinary/"));
      const answer = await client.answer();
      assert.equal(answer.status, 200);
      assert.equal(answer.body.toString(), "no");
      assert.equal(header(answer, "upgrade"), undefined);
    }
    client.close();
  });

  const NOT_ASKED: readonly (readonly [string, string])[] = [
    ["no Upgrade", request("GET /raw", ["Connection: upgrade"])],
    ["no Connection", request("GET /raw", ["Upgrade: raw"])],
    ["POST", request("POST /raw", ["Connection: upgrade", "Upgrade: raw"])],
    [
      "a body",
      request("GET /raw", ["Connection: upgrade", "Upgrade: raw", "Content-Length: 1"], "x"),
    ],
    ["HTTP/1.0", ASK.replace("HTTP/1.1", "HTTP/1.0")],
    ["HTTP/2 in clear text", ASK.replace("Upgrade: raw", "Upgrade: h2c")],
  ];
  for (const [name, text] of NOT_ASKED) {
    test(`${name}: nothing is asked of the upstream, and its 101 is 502`, async () => {
      const heads: string[] = [];
      script = (socket, head) => {
        heads.push(head);
        socket.write(AGREE);
      };
      const client = await RawClient.connect(server.port);
      await client.send(text);
      assert.equal((await client.answer()).status, 502);
      assert.doesNotMatch(heads[0] ?? "upgrade", /upgrade/i);
      client.close();
    });
  }

  test("101 to a protocol without a name is 502", async () => {
    script = (socket) => socket.write("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n\r\n");
    const client = await RawClient.connect(server.port);
    await client.send(ASK);
    assert.equal((await client.answer()).status, 502);
    client.close();
  });

  test("103 may come before it", async () => {
    script = (socket, head, early) => {
      socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
      echo(socket, head, early);
    };
    const client = await RawClient.connect(server.port);
    await client.send(ASK);
    const answer = await client.answer();
    assert.deepEqual([answer.status, answer.interim.length], [101, 1]);
    await client.send("ping");
    assert.equal((await client.received(4)).toString(), "ping");
    client.close();
  });
});

describe("the bytes", () => {
  test("request and first bytes, cut anywhere", async () => {
    script = echo;
    for (const pieces of cutsOf(Buffer.from(`${ASK}early`))) {
      const client = await RawClient.connect(server.port);
      await client.send(...pieces);
      assert.equal((await client.answer()).status, 101);
      assert.equal((await client.received(5)).toString(), "early");
      client.endSending();
      assert.equal(await client.ended(), "end");
      client.close();
    }
  });

  test("the answer and first bytes, cut anywhere", async () => {
    for (const pieces of cutsOf(Buffer.from(`${AGREE}early`))) {
      script = (socket) => {
        const next = (at: number): void => {
          const piece = pieces[at];
          if (piece === undefined) socket.end();
          else socket.write(piece, () => setImmediate(next, at + 1));
        };
        next(0);
        socket.resume();
      };
      const client = await RawClient.connect(server.port);
      await client.send(ASK);
      assert.equal((await client.answer()).status, 101);
      assert.equal((await client.received(5)).toString(), "early");
      client.endSending();
      assert.equal(await client.ended(), "end");
      client.close();
    }
  });

  test("a pipelined request before it is answered before it", async () => {
    script = echo;
    const client = await RawClient.connect(server.port);
    await client.send(`${request("GET /nowhere")}${ASK}early`);
    assert.equal((await client.answer()).status, 404);
    assert.equal((await client.answer()).status, 101);
    assert.equal((await client.received(5)).toString(), "early");
    client.close();
  });

  test("mebibytes in both directions at once", async () => {
    script = echo;
    const client = await upgraded();
    const content = sizedBytes(4 << 20, 7);
    await client.send(content);
    client.endSending();
    assert.equal(await client.ended(), "end");
    assert.deepEqual(client.pending, Buffer.from(content));
    client.close();
  });

  test(`${TOGETHER} at once`, async () => {
    script = echo;
    const clients = await Promise.all(Array.from({ length: TOGETHER }, () => upgraded()));
    const { workers } = await server.stats();
    assert.equal(workers[0]?.upstreamConnections, TOGETHER);
    await Promise.all(
      clients.map(async (client, index) => {
        const content = sizedBytes(100 + index * 300, index);
        await client.send(content);
        assert.deepEqual(await client.received(content.length), Buffer.from(content));
        client.close(index % 3 === 0);
      }),
    );
    await server.settled();
  });
});

describe("the end", () => {
  test("the client's FIN is passed on, and the answer to it comes back", async () => {
    script = (socket) => {
      socket.write(AGREE);
      const pieces: Buffer[] = [];
      socket.on("data", (bytes: Buffer) => pieces.push(bytes));
      socket.on("end", () => socket.end(`${Buffer.concat(pieces).length} bytes`));
    };
    const client = await upgraded();
    await client.send(sizedBytes(300_000, 1));
    client.endSending();
    assert.equal(await client.ended(), "end");
    assert.equal(client.pending.toString(), "300000 bytes");
    client.close();
  });

  test("the upstream's FIN is passed on, and the client may still send", async () => {
    let received = 0;
    let done: (count: number) => void;
    const total = new Promise<number>((resolve) => {
      done = resolve;
    });
    script = (socket) => {
      socket.end(`${AGREE}bye`);
      socket.on("data", (bytes: Buffer) => {
        received += bytes.length;
      });
      socket.on("end", () => done(received));
    };
    const client = await upgraded();
    assert.equal(await client.ended(), "end");
    assert.equal(client.pending.toString(), "bye");
    await client.send(sizedBytes(300_000, 2));
    client.endSending();
    assert.equal(await total, 300_000);
    client.close();
  });

  test("a client that has ended before the answer is heard out", async () => {
    // The FIN can only be passed on once there is a tunnel, so this upstream must not wait for it.
    script = (socket) => {
      socket.write(AGREE);
      socket.on("end", () => socket.end("after"));
      socket.resume();
    };
    const client = await RawClient.connect(server.port);
    await client.send(ASK);
    client.endSending();
    assert.equal(await client.ended(), "end");
    const head = readAnswer(client.pending, "GET", true);
    assert.equal(head?.answer.status, 101);
    assert.equal(client.pending.subarray(head?.bytes).toString(), "after");
    client.close();
  });

  for (const side of ["client", "upstream"] as const) {
    test(`a reset by the ${side} ends both sides`, async () => {
      let ended: () => void;
      const upstreamClosed = new Promise<void>((resolve) => {
        ended = resolve;
      });
      let upstreamSocket: Socket | undefined;
      script = (socket, head, early) => {
        upstreamSocket = socket;
        socket.on("close", () => ended());
        echo(socket, head, early);
      };
      const client = await upgraded();
      if (side === "client") client.close(true);
      else upstreamSocket?.resetAndDestroy();
      await Promise.all([upstreamClosed, side === "client" ? undefined : client.ended()]);
      client.close();
      await server.settled();
    });
  }

  test("the kernel asks after peers that are silent, and may be gone", async () => {
    script = echo;
    const client = await upgraded();
    await client.send("ping");
    assert.equal((await client.received(4)).toString(), "ping");
    const { port } = raw.address() as AddressInfo;
    const timers = () => [kernelTimers("local", server.port), kernelTimers("remote", port)];
    // While bytes are not acknowledged yet, another timer runs.
    for (let tries = 0; tries < 300 && timers().join() !== "02,02"; tries++) await sleep(10);
    assert.deepEqual(timers(), [["02"], ["02"]]);
    client.close();
  });

  test("draining keeps a tunnel until it ends", async () => {
    script = echo;
    const { port } = raw.address() as AddressInfo;
    const other = await startServer(
      serverSection() + proxyRoute("/raw", `http://127.0.0.1:${port}`),
    );
    try {
      const client = await RawClient.connect(other.port);
      await client.send(ASK);
      assert.equal((await client.answer()).status, 101);
      const exit = other.process.stop("SIGTERM");
      await client.send("still here");
      assert.equal((await client.received(10)).toString(), "still here");
      client.endSending();
      assert.equal(await client.ended(), "end");
      assert.deepEqual(await exit, { code: 0, signal: null });
      client.close();
    } finally {
      await other.stop();
    }
  });

  test("draining cuts it off at shutdown_timeout_secs", async () => {
    script = echo;
    const { port } = raw.address() as AddressInfo;
    const section = `${serverSection()}shutdown_timeout_secs = 1\n`;
    const other = await startServer(section + proxyRoute("/raw", `http://127.0.0.1:${port}`));
    try {
      const client = await RawClient.connect(other.port);
      await client.send(ASK);
      assert.equal((await client.answer()).status, 101);
      assert.deepEqual(await other.process.stop("SIGTERM"), { code: 0, signal: null });
      await client.ended();
      client.close();
    } finally {
      await other.stop();
    }
  });
});
