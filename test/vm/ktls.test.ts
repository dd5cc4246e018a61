// Kernel TLS, required: what the kernel does not take is refused, and its own counters say what it
// took. Each connection of these tests is one that they have to show.
//
// Long because the counters are the whole guest's: a second file would run at the same time.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import { ADMIN, samplesOf } from "../lib/admin.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { startOpenssl } from "../lib/openssl-server.ts";
import { withRandom } from "../lib/random.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { moveBothWays, SUITES, TLS12, TLS13 } from "../lib/tls-bodies.ts";
import { ALERT, CONTENT, HANDSHAKE } from "../lib/tls-records.ts";
import { foundInMemory, type Needles, noteKeys } from "../lib/tls-secrets.ts";
import { SUITES_13, Tls13Client } from "../lib/tls13-client.ts";
import {
  closedPort,
  type Echo,
  sha256,
  sizedBytes,
  startUpstream,
  type Upstream,
} from "../lib/upstreams.ts";
import { recordsOf, Wire } from "../lib/wire.ts";
import { describeOddRecords } from "./ktls-odd.ts";
import { testReload } from "./ktls-reload.ts";

const BIG = Buffer.from(sizedBytes(1_500_007, 5));
const SMALL = Buffer.from(sizedBytes(700, 6));
const MARK = "this is not to be seen on the wire";
const MARK_FIELD = `X-Mark: ${MARK}`;
/** Hundreds of records; what the guest, whose processor is emulated, moves in some seconds. */
const LARGE_BYTES = (8 << 20) + 3;
const FOLLOWED = /<<< TLS 1\.[23], Alert \[length 0002\], warning close_notify/;

let authority: Authority;
let certificate: Certificate;
let upstream: Upstream;
/** Where `openssl s_server` listens. */
let opensslPort: number;
let sockets: WebSocketServer;
/** Those of the first server with https. */
let secureSockets: WebSocketServer;
let server: TestServer;
/** Falls back; and it has two workers, on epoll. */
let fallback: TestServer;
let folder: string;
/** Servers with https, one for each suite, and whether their connections resumed a session. */
const backends: Server[] = [];
const resumed: boolean[][] = [];

/** Answers with the request's body, and ends the connection when it is asked to. */
async function startBackend(
  options: ConnectionOptions,
  cert: string,
  key: string,
): Promise<string> {
  const { minVersion, maxVersion, ciphers } = options;
  const settings = { cert, key, minVersion, maxVersion, ciphers };
  const seen: boolean[] = [];
  const backend = createServer(settings, (incoming, response) => {
    if (incoming.url!.endsWith("close")) response.setHeader("connection", "close");
    // All of it first: an answer that begins early ends the client's connection.
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.once("end", () => response.end(Buffer.concat(parts)));
  });
  backend.on("secureConnection", (socket: TLSSocket) => {
    seen.push(socket.isSessionReused());
    socket.on("error", () => {});
  });
  backends.push(backend);
  resumed.push(seen);
  await once(backend.listen(0, "127.0.0.1"), "listening");
  return `https://127.0.0.1:${(backend.address() as AddressInfo).port}`;
}

before(async () => {
  authority = new Authority();
  folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
  writeFileSync(join(folder, "big.bin"), BIG);
  writeFileSync(join(folder, "small.bin"), SMALL);
  writeFileSync(join(folder, "mark.txt"), MARK);
  upstream = await startUpstream();
  sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  await once(sockets, "listening");
  const { port } = sockets.address() as { port: number };
  certificate = authority.issue({ names: LOCAL_NAMES });
  opensslPort = await closedPort();
  const settings = ["ktls_enabled = true", "ktls_fallback_enabled = false"];
  const limits = ["max_request_body_size = 30000000", "max_chunked_body_size = 30000000"];
  const trust = [`tls_ca_path = ${JSON.stringify(authority.path)}`];
  const routes = [
    proxyRoute("/", upstream.url, limits),
    proxyRoute("/ws", `http://127.0.0.1:${port}`),
    fileRoute("/files", folder),
    proxyRoute("/openssl", `https://127.0.0.1:${opensslPort}`, [], trust),
  ];
  for (const [index, options] of SUITES.entries()) {
    const url = await startBackend(options, certificate.cert, certificate.key);
    routes.push(proxyRoute(`/secure${index}`, url, [], trust));
  }
  secureSockets = new WebSocketServer({ server: backends[0] });
  secureSockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  const tls = ADMIN + tlsSection(certificate, [], settings);
  writeFileSync(join(folder, "sendfile"), "");
  const env = {
    NODE_OPTIONS: `--require ${resolve("test/lib/sendfile-preload.cjs")}`,
    ZPROXY_SENDFILE_COUNT: join(folder, "sendfile"),
  };
  const lenient = tlsSection(certificate, [], ["ktls_enabled = true"]) + fileRoute("/", folder);
  const epoll = '[performance]\nio = "epoll"\n';
  [server, fallback] = await Promise.all([
    startServer(serverSection() + tls + routes.join("\n"), { env }),
    startServer(serverSection(2) + ADMIN + epoll + lenient),
  ]);
});

after(async () => {
  sockets.close();
  secureSockets.close();
  await upstream.stop();
  await server.stop();
  await fallback.stop();
  authority.remove();
  rmSync(folder, { recursive: true });
});

/** The kernel's counters of TLS. */
function counters(): Readonly<Record<string, number>> {
  const text = readFileSync("/proc/net/tls_stat", "utf8");
  return Object.fromEntries([...text.matchAll(/^(\w+)\s+(\d+)$/gm)].map((it) => [it[1], +it[2]!]));
}

/** Runs `body` and asserts that the kernel took over as many connections as it says. */
async function taken(count: number, body: () => Promise<void>): Promise<void> {
  const before = counters();
  await body();
  const now = counters();
  const [sent, received] = ["TlsTxSw", "TlsRxSw"].map((name) => now[name]! - before[name]!);
  assert.deepEqual({ sent, received }, { sent: count, received: count });
}

async function get(client: RawClient, path: string): Promise<Buffer> {
  await client.send(request(`GET ${path}`));
  const answer = await client.answer();
  assert.equal(answer.status, 200);
  return Buffer.from(answer.body);
}

/** Bytes that the server has sent by sendfile(2) so far. */
function sentByFile(): number {
  const counts = readFileSync(join(folder, "sendfile"), "latin1").split("\n");
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

/** One request of each kind on one connection. */
async function exerciseAll(client: RawClient): Promise<void> {
  for (const body of ["x", "y".repeat(20_000), "z".repeat(300_000)]) {
    await client.send(request("POST /echo", [`Content-Length: ${body.length}`], body));
    const answer = await client.answer("POST");
    const echo = JSON.parse(answer.body.toString()) as Echo;
    assert.equal(echo.bodySha256, sha256(Buffer.from(body)));
    assert.equal(echo.headers["x-forwarded-proto"], "https");
  }
  for (const query of ["?seed=5", "?seed=5&chunked"]) {
    const body = await get(client, `/bytes/${BIG.length}${query}`);
    assert.equal(sha256(body), sha256(BIG));
  }
  assert.equal(sha256(await get(client, "/files/small.bin")), sha256(SMALL));
  assert.equal(sha256(await get(client, "/files/big.bin")), sha256(BIG));
}

describe("every suite, every kind of body", () => {
  for (const options of SUITES) {
    test(`${options.ciphers}`, async () => {
      await taken(1, async () => {
        const client = await RawClient.connectTls(server.port, options);
        await exerciseAll(client);
        client.close();
      });
    });
  }
});

describe("every suite, a large body in each direction", () => {
  for (const options of SUITES) {
    test(`${options.ciphers}`, async () => {
      // A connection each way.
      await taken(2, () =>
        withRandom((random) => moveBothWays(server.port, options, LARGE_BYTES, random, "")),
      );
    });
  }
});

for (const versions of [TLS13, TLS12]) {
  test(`a resumed session, ${JSON.stringify(versions)}`, async () => {
    await taken(2, async () => {
      const sessionOf = async (session: Buffer | undefined) => {
        const options = { port: server.port, rejectUnauthorized: false, ...versions };
        const socket = connect(session === undefined ? options : { ...options, session });
        const next = once(socket, "session");
        socket.write(request("GET /files/small.bin"));
        await once(socket, "data");
        assert.equal(socket.isSessionReused(), session !== undefined);
        const [made] = session === undefined ? await next : [];
        socket.destroy();
        return made as Buffer;
      };
      await sessionOf(await sessionOf(undefined));
    });
  });
}

/** Holds the client's Finished until its first content follows, and cuts `fromEnd` bytes off. */
function joinFlight(fromEnd: number) {
  let done = false;
  return (held: Buffer): readonly Buffer[] | undefined => {
    const types = recordsOf(held).map(({ type }) => type);
    if (done || types[0] === HANDSHAKE) return [held];
    if (types.filter((type) => type === CONTENT).length < 2) return undefined;
    done = true;
    const at = held.length - fromEnd;
    return [held.subarray(0, at), held.subarray(at)].filter(({ length }) => length > 0);
  };
}

test("a request that comes with the end of the handshake, cut in many places", async () => {
  const text = request("GET /files/small.bin");
  const cuts = Array.from({ length: 14 }, (_, index) => index * 9);
  assert.ok(cuts.at(-1)! > text.length + 22 + 20, "some cuts are in the Finished");
  await taken(cuts.length, async () => {
    for (const cut of cuts) {
      const wire = await Wire.start(server.port, joinFlight(cut));
      const client = await RawClient.connectTls(wire.port, TLS13);
      for (let round = 0; round < 3; round++) {
        assert.equal(sha256(await get(client, "/files/small.bin")), sha256(SMALL));
      }
      client.close();
      await wire.stop();
    }
  });
});

describe("servers with https, every suite, every kind of body", () => {
  for (const [index, { ciphers }] of SUITES.entries()) {
    test(`${ciphers}`, async () => {
      // The client's connection, and one to the server that is used again and again.
      await taken(2, async () => {
        const client = await RawClient.connectTls(server.port);
        for (const bytes of [1, 700, 16_385, 300_000, 1_500_007]) {
          const content = Buffer.from(sizedBytes(bytes, bytes));
          const fields = [`Content-Length: ${bytes}`];
          await client.send(request(`POST /secure${index}/`, fields, content.toString("latin1")));
          assert.equal(sha256((await client.answer("POST")).body), sha256(content), `${bytes}`);
        }
        client.close();
      });
      assert.deepEqual(resumed[index], [false]);
    });
  }

  test("sessions are resumed, close_notify ends a connection in the pool", async () => {
    for (const index of SUITES.keys()) {
      const client = await RawClient.connectTls(server.port);
      for (let round = 0; round < 3; round++) await get(client, `/secure${index}/close`);
      client.close();
      const [first, ...others] = resumed[index]!;
      assert.ok(!first && others.length >= 2 && others.some((it) => it), `${resumed[index]}`);
      backends[index]!.closeIdleConnections();
    }
  });
});

test("nothing that is said can be read on the wire", async () => {
  for (const options of SUITES) {
    const wire = await Wire.start(server.port);
    const client = await RawClient.connectTls(wire.port, options);
    await client.send(request("POST /echo", [`Content-Length: ${MARK.length}`, MARK_FIELD], MARK));
    const answer = await client.answer("POST");
    assert.equal(JSON.parse(answer.body.toString()).headers["x-mark"], MARK);
    assert.equal((await get(client, "/files/mark.txt")).toString(), MARK);
    assert.ok(wire.bytes.length > 1000, "the wire was not listened to");
    assert.ok(!wire.bytes.includes(MARK) && !wire.bytes.includes("HTTP/1.1"));
    client.close();
    await wire.stop();
  }
});

test("an answer that ends the connection is followed by close_notify", async () => {
  for (const path of ["/files/big.bin", "/bytes/10", `/bytes/${BIG.length}`]) {
    const wire = await Wire.start(server.port);
    // In TLS 1.2 the type of an encrypted record can be seen.
    const client = await RawClient.connectTls(wire.port, TLS12);
    await client.send(request(`GET ${path}`, ["Connection: close"]));
    await client.answer();
    assert.equal(await client.ended(), "end");
    assert.equal(wire.records.at(-1)?.type, ALERT);
    client.close();
    await wire.stop();
  }
});

test("a client's close_notify ends its connection, and it gets its answer", async () => {
  for (const options of SUITES) {
    const client = await RawClient.connectTls(server.port, options);
    await client.send(request("GET /slow/50"));
    client.endSending();
    assert.equal((await client.answer()).body.toString(), "slow");
    assert.equal(await client.ended(), "end");
    client.close();
  }
});

/**
 * openssl's client, which has commands for what others do not do: "K" is for new keys, "R" for
 * another handshake. Sends the command, and a request behind it; returns when it has ended.
 */
async function command(args: readonly string[], letter: string, said: RegExp): Promise<string> {
  const target = ["-connect", `127.0.0.1:${server.port}`];
  const child = spawn("openssl", ["s_client", "-msg", ...target, ...args]);
  let output = "";
  let step = 0;
  const onOutput = (bytes: Buffer) => {
    output += bytes.toString("latin1");
    if (step === 0 && output.includes("Verify return code")) {
      step = 1;
      child.stdin.write(`${letter}\n`);
    } else if (step === 1 && said.test(output)) {
      step = 2;
      child.stdin.write(request("GET /files/mark.txt"));
    }
  };
  child.stdout.on("data", onOutput);
  child.stderr.on("data", onOutput);
  child.stdin.on("error", () => {});
  await once(child, "close");
  assert.equal(step, 2, output);
  return output;
}

test("new keys and another handshake end a connection, and only that", async () => {
  const other = await RawClient.connectTls(server.port);
  await get(other, "/files/mark.txt");
  await taken(3, async () => {
    for (const [version, letter, said] of [
      ["-tls1_3", "k", /KEYUPDATE/],
      ["-tls1_3", "K", /KEYUPDATE/],
      ["-tls1_2", "R", /RENEGOTIATING/],
    ] as const) {
      const output = await command([version], letter, said);
      assert.match(output, FOLLOWED, `${letter}: cut off instead of closed`);
    }
  });
  assert.equal((await get(other, "/files/mark.txt")).toString(), MARK);
  other.close();
});

test("records that are none end a connection, and only that", async () => {
  const other = await RawClient.connectTls(server.port);
  await withRandom(async (random) => {
    for (let round = 0; round < 24; round++) {
      const wire = await Wire.start(server.port);
      const client = await RawClient.connectTls(wire.port, SUITES[round % SUITES.length]);
      await get(client, "/files/small.bin");
      const body = Buffer.from(random.bytes(round * 3));
      const head = Buffer.from([round % 4 === 0 ? random.below(256) : CONTENT, 3, 3, 0, 0]);
      head.writeUInt16BE(round % 3 === 0 ? random.below(65536) : body.length, 3);
      wire.inject(Buffer.concat([head, body]));
      wire.endInjected();
      await client.ended();
      client.close();
      await wire.stop();
    }
  });
  assert.equal((await get(other, "/files/mark.txt")).toString(), MARK);
  other.close();
});

test("records cut off by the end of the connection leave nothing behind", async () => {
  const wire = await Wire.start(server.port, joinFlight(0));
  const client = await RawClient.connectTls(wire.port, TLS13);
  await client.send(request("GET /files/big.bin"));
  await client.received(100_000);
  wire.inject(Buffer.from([CONTENT, 3, 3, 1]));
  client.close(true);
  await wire.stop();
});

test("an upstream's new keys end its answer, and the next comes on a new connection", async () => {
  const openssl = await startOpenssl(opensslPort, certificate);
  const begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";
  let requests = 0;
  for (const round of [1, 2]) {
    const client = await RawClient.connectTls(server.port);
    const ask = async (answer: string) => {
      await client.send(request("GET /openssl"));
      await openssl.said(/^GET \//gm, ++requests);
      openssl.tell(answer);
    };
    // What comes after a first answer is the kernel's to open.
    await ask(`${begun}56789`);
    assert.equal((await client.answer()).body.length, 10, `round ${round}`);
    await ask(begun);
    await client.received(60);
    openssl.tell("K\n");
    await client.ended();
    assert.ok(client.pending.toString("latin1").endsWith("01234"), "more than came");
    client.close();
  }
  await openssl.stop();
});

for (const [path, connections] of [
  ["/ws", 1],
  ["/secure0/wss", 2],
] as const) {
  test(`WebSocket messages pass in both directions, ${path} behind`, async () => {
    await taken(connections, async () => {
      const socket = new WebSocket(`wss://localhost:${server.port}${path}`, { ca: authority.cert });
      await once(socket, "open");
      for (const size of [1, 126, 65_536, 300_000]) {
        const content = Buffer.from(sizedBytes(size, size));
        socket.send(content);
        const [data] = await once(socket, "message");
        assert.ok((data as Buffer).equals(content), `${size} bytes`);
      }
      const closed = once(socket, "close");
      socket.close(1000);
      assert.equal((await closed)[0], 1000);
    });
  });
}

test("files leave by sendfile, also those that the first request asks for", async () => {
  const before = sentByFile();
  for (const round of [1, 2, 3]) {
    const client = await RawClient.connectTls(server.port);
    assert.equal(sha256(await get(client, "/files/big.bin")), sha256(BIG));
    client.close();
    assert.equal(sentByFile() - before, round * BIG.length);
  }
});

/** A connection for each suite, all at once: none takes the memory that another has given back. */
async function withEverySuite(
  path: (suiteIndex: number) => string,
  body: (keyLogs: readonly { lines: string[]; hello: Buffer }[]) => void,
): Promise<void> {
  const each = SUITES.map(async (options, index) => {
    const wire = await Wire.start(server.port);
    const socket = connect({ ...options, port: wire.port, rejectUnauthorized: false });
    const lines: string[] = [];
    socket.on("keylog", (line: Buffer) => lines.push(line.toString()));
    await once(socket, "secureConnect");
    return { wire, socket, lines, path: path(index) };
  });
  const clients = await Promise.all(each);
  const answers = clients.map(async ({ socket, path }) => {
    socket.write(request(`GET ${path}`, [`X-Mark: ${MARK}`]));
    await once(socket, "data");
  });
  await Promise.all(answers);
  try {
    body(clients.map(({ lines, wire }) => ({ lines, hello: wire.fromServer })));
  } finally {
    for (const { wire, socket } of clients) {
      socket.destroy();
      await wire.stop();
    }
  }
}

test("keys and their secrets do not stay in the server's memory", async () => {
  await withEverySuite(
    () => "/files/small.bin",
    (keyLogs) => {
      const needles: Needles = new Map();
      for (const [index, { lines, hello }] of keyLogs.entries())
        for (const line of lines) noteKeys(needles, SUITES[index]!.ciphers!, line, hello);
      assert.equal(needles.size, 3 * 4 + 3 * 3);
      assert.deepEqual(foundInMemory(server.pid, needles, MARK), []);
    },
  );
});

test("nor do those of which no key log tells", async () => {
  const clients = SUITES_13.map(
    (suite) => new Tls13Client(server.port, suite, request("GET /files/mark.txt")),
  );
  await Promise.all(clients.map((client) => client.answered(MARK)));
  const needles: Needles = new Map(clients.flatMap((client) => [...client.needles]));
  assert.deepEqual(foundInMemory(server.pid, needles, MARK), []);
  for (const client of clients) client.close();
});

test("nor do those of connections to servers", async () => {
  const needles: Needles = new Map();
  const backendsOf13 = backends.slice(0, 3); // sessions of 1.2 are kept, with their master secret
  const stops = backendsOf13.map((backend, index) => {
    const note = (line: Buffer) =>
      noteKeys(needles, SUITES[index]!.ciphers!, line.toString(), Buffer.alloc(0));
    backend.on("keylog", note).closeIdleConnections();
    return () => backend.off("keylog", note);
  });
  await withEverySuite(
    (index) => `/secure${index % stops.length}/`,
    () => {
      assert.equal(needles.size, 3 * 4);
      assert.deepEqual(foundInMemory(server.pid, needles, MARK), []);
    },
  );
  for (const stop of stops) stop();
});

test("what the kernel can't do is refused, with its cause in the log", async () => {
  await taken(0, async () => {
    const target = ["-connect", `127.0.0.1:${server.port}`, "-maxfraglen", "1024"];
    const child = spawn("openssl", ["s_client", ...target], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    await once(child, "close");
  });
  const cause = /kTLS: the kernel did not take a connection, it is refused: .*smaller/;
  await server.process.until("the cause", () => cause.exec(server.log()) ?? undefined);
});

test("with falling back it is served in user space, and others by the kernel", async () => {
  const clients = 4;
  const head = "GET /small.bin HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n";
  const target = `-connect 127.0.0.1:${fallback.port} -maxfraglen 1024 -quiet`;
  await taken(0, async () => {
    for (let at = 0; at < clients; at++) {
      const shell = spawn("sh", ["-c", `printf '${head}' | openssl s_client ${target}`]);
      const parts: Buffer[] = [];
      shell.stdout.on("data", (part: Buffer) => parts.push(part));
      await once(shell, "close");
      assert.ok(Buffer.concat(parts).subarray(-SMALL.length).equals(SMALL));
    }
  });
  const options = [TLS13, TLS12, TLS13, TLS12];
  await taken(options.length, async () => {
    for (const versions of options) {
      const client = await RawClient.connectTls(fallback.port, versions);
      assert.equal(sha256(await get(client, "/big.bin")), sha256(BIG));
      client.close();
    }
  });
  const samples = await samplesOf(fallback);
  assert.equal(samples.get('zproxy_ktls_fallbacks_total{cause="unsupported"}'), clients);
  const lines = fallback.log().match(/kTLS: .* it stays in user space: .*smaller records.*/g)!;
  assert.equal(lines.length, 1, "told once, and not by each worker");
});

test("metrics say what the kernel has taken, and what it has not", async () => {
  const samples = await samplesOf(server);
  const all = [...samples, ...(await samplesOf(fallback))];
  const sumOf = (pattern: RegExp) =>
    all.reduce((sum, [name, value]) => sum + (pattern.test(name) ? value : 0), 0);
  const { TlsTxSw, TlsRxSw } = counters();
  assert.equal(sumOf(/^zproxy_ktls_connections_total.*"tx"/), TlsTxSw);
  assert.equal(sumOf(/^zproxy_ktls_connections_total.*"rx"/), TlsRxSw);
  assert.ok(sumOf(/^zproxy_ktls_connections_total.*"upstream".*"rx"/) >= SUITES.length);
  assert.equal(samples.get('zproxy_ktls_fallbacks_total{cause="unsupported"}'), 1);
  assert.equal(samples.get('zproxy_tls_handshakes_failed_total{cause="kernel"}'), 1);
});

test("in the end the kernel holds nothing of ours", async () => {
  for (const backend of backends) {
    backend.close();
    backend.closeAllConnections();
  }
  await upstream.stop();
  await server.settled();
  await fallback.settled();
  const { TlsCurrTxSw, TlsCurrRxSw, TlsRxSw } = counters();
  assert.deepEqual([TlsCurrTxSw, TlsCurrRxSw], [0, 0]);
  assert.ok(TlsRxSw! > 50, "hardly any connection went to the kernel");
});

test("connections in the kernel go on with the next generation", testReload);

describe("odd records", describeOddRecords);
