// TLS towards clients: what is agreed on, who may resume, and clients that do what none should.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { Agent, request as undiciRequest } from "undici";
import { abortHandshakes, handshakesWith } from "../lib/aborted-handshakes.ts";
import { header } from "../lib/answer.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { withRandom } from "../lib/random.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { type Echo, sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";
import { Wire } from "../lib/wire.ts";

const SUITES_12 = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"];
const SUITES_13 = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];

/** Where a ServerHello has its session: behind type, length, version and random. */
const SESSION_AT = 38;
const EXTENSION_KEY_SHARE = 51;
// Groups, by IANA's numbers.
const X25519 = 0x001d;
const X25519_MLKEM768 = 0x11ec;

/** Handshakes are cut off after each so many bytes; test/soak/aborted-handshakes.ts does each. */
const ABORT_STEP = 4;

let authority: Authority;
let rsa: Certificate;
let wildcard: Certificate;
let upstream: Upstream;
let server: TestServer;

before(async () => {
  authority = new Authority();
  rsa = authority.issue({ names: LOCAL_NAMES, key: "rsa" });
  const ec = authority.issue({ names: ["DNS:ec.test", ...LOCAL_NAMES.slice(2)] });
  wildcard = authority.issue({ names: ["DNS:*.wild.test"], key: "ed25519" });
  const twins = (["rsa", "ec"] as const).map((key) =>
    authority.issue({ names: ["DNS:twins.test", "DNS:*.twins.test"], key }),
  );
  upstream = await startUpstream();
  const tls = tlsSection(rsa, [ec, wildcard, ...twins]);
  server = await startServer(serverSection(2) + tls + proxyRoute("/app", upstream.url));
});

after(async () => {
  await upstream.stop();
  await server.stop();
  authority.remove();
});

async function open(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const defaults = { port: server.port, host: "127.0.0.1", ca: authority.cert };
  const socket = connect({ servername: "localhost", ...defaults, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** One request over a connection of its own; returns the answer's body. */
async function get(target: string, options: ConnectionOptions = {}): Promise<Buffer> {
  const defaults = { ca: authority.cert, servername: "localhost", rejectUnauthorized: true };
  const client = await RawClient.connectTls(server.port, { ...defaults, ...options });
  try {
    await client.send(request(`GET ${target}`));
    return (await client.answer()).body;
  } finally {
    client.close();
  }
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const suites = version === "TLSv1.3" ? SUITES_13 : SUITES_12;
  for (const suite of suites.flatMap((it) =>
    version === "TLSv1.3" ? [it] : [`ECDHE-ECDSA-${it}`, `ECDHE-RSA-${it}`],
  )) {
    test(`${version} with ${suite}`, async () => {
      const versions = { minVersion: version, maxVersion: version };
      const servername = suite.includes("ECDSA") ? "ec.test" : "localhost";
      const options = { ...versions, ciphers: suite, servername };
      const socket = await open(options);
      const { name, standardName } = socket.getCipher();
      assert.ok(name === suite || standardName === suite, `${name} ${standardName}`);
      socket.destroy();
      const body = await get("/app/bytes/300000?seed=4", options);
      assert.equal(sha256(body), sha256(sizedBytes(300_000, 4)));
    });
  }
}

test("old versions and weak suites are refused", async () => {
  for (const options of [
    { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" },
    { maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256" },
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-SHA" },
    { maxVersion: "TLSv1.2", sigalgs: "RSA+SHA1" },
    { ecdhCurve: "P-521" },
  ] as const) {
    await assert.rejects(open(options), JSON.stringify(options));
  }
});

test("the hybrid group is chosen by who has it, which OpenSSL 3.5 does", async () => {
  const hybrid = versionOf(process.versions.openssl) >= versionOf("3.5");
  // The test's Node is the server's: without the group both are content with the next.
  const ecdhCurve = hybrid ? "X25519MLKEM768:X25519" : "X25519";
  const wire = await Wire.start(server.port);
  const client = await RawClient.connectTls(wire.port, { ecdhCurve });
  assert.equal(groupOf(wire.records[0]!.body), hybrid ? X25519_MLKEM768 : X25519);
  client.close();
  await wire.stop();
});

/** 3.5 and 3.10 as numbers in their order. */
function versionOf(text: string): number {
  const [major, minor] = text.split(".").map(Number);
  return major! * 1000 + minor!;
}

/** The group of the key that a ServerHello brings (RFC 8446 §4.1.3, §4.2.8). */
function groupOf(hello: Buffer): number {
  const sessionBytes = hello[SESSION_AT]!;
  // Behind the session: the suite, the compression, and the length of all extensions.
  for (let at = SESSION_AT + 1 + sessionBytes + 5; at < hello.length; ) {
    if (hello.readUInt16BE(at) === EXTENSION_KEY_SHARE) return hello.readUInt16BE(at + 4);
    at += 4 + hello.readUInt16BE(at + 2);
  }
  throw new Error("no key in the ServerHello");
}

test("ALPN: http/1.1 is chosen, nothing in common fails, none is fine", async () => {
  for (const [offered, chosen] of [
    [["h2", "http/1.1"], "http/1.1"],
    [undefined, false],
  ] as const) {
    const socket = await open(offered === undefined ? {} : { ALPNProtocols: [...offered] });
    assert.equal(socket.alpnProtocol, chosen);
    socket.destroy();
  }
  await assert.rejects(open({ ALPNProtocols: ["h2"] }), /no.application.protocol|alert/i);
});

test("the certificate is chosen by name", async () => {
  for (const [servername, name] of [
    ["localhost", "DNS:localhost"],
    ["ec.test", "DNS:ec.test"],
    ["EC.test", "DNS:ec.test"],
    ["a.wild.test", "DNS:*.wild.test"],
    ["a.b.wild.test", "DNS:localhost"],
    ["wild.test", "DNS:localhost"],
    ["unknown.test", "DNS:localhost"],
  ] as const) {
    const socket = await open({ servername, rejectUnauthorized: false });
    const { subjectaltname } = socket.getPeerCertificate();
    assert.equal(subjectaltname?.split(", ")[0], name, servername);
    socket.destroy();
  }
});

test("the chain behind a certificate is sent, whichever is chosen by name", async () => {
  const between = new Authority("zproxy test authority, intermediate", authority);
  const chains = ["localhost", "chain.test"].map((it) => between.issue({ names: [`DNS:${it}`] }));
  const tls = tlsSection(chains[0]!, [chains[1]!], ['min_version = "1.3"']);
  const chained = await startServer(serverSection() + tls + proxyRoute("/app", upstream.url));
  for (const servername of ["localhost", "chain.test"]) {
    // The client knows the root alone.
    const socket = await open({ port: chained.port, servername });
    assert.ok(socket.authorized, servername);
    socket.destroy();
    const old = open({ port: chained.port, servername, maxVersion: "TLSv1.2" });
    await assert.rejects(old, /alert protocol version/i, `TLS 1.2, ${servername}`);
  }
  await chained.stop();
  between.remove();
});

test("of two certificates for the same names, each client gets the one it can use", async () => {
  for (const servername of ["twins.test", "a.twins.test"]) {
    for (const [kind, options] of [
      ["RSA", { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" }],
      ["EC", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" }],
      ["RSA", { minVersion: "TLSv1.3", sigalgs: "RSA-PSS+SHA256" }],
      ["EC", { minVersion: "TLSv1.3", sigalgs: "ECDSA+SHA256" }],
    ] as const) {
      const socket = await open({ servername, ...options });
      const { subjectaltname, asn1Curve } = socket.getPeerCertificate();
      assert.equal(subjectaltname, "DNS:twins.test, DNS:*.twins.test");
      assert.equal(asn1Curve === undefined ? "RSA" : "EC", kind, JSON.stringify(options));
      assert.ok(socket.getPeerCertificate(true).issuerCertificate, "the chain is missing");
      socket.destroy();
    }
  }
});

test("sessions are resumed by both workers, with TLS 1.2 and 1.3", async () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const client = connect({
      port: server.port,
      host: "127.0.0.1",
      ca: authority.cert,
      maxVersion,
    });
    const session = once(client, "session");
    client.write(request("GET /app/bytes/1", ["Connection: close"]));
    client.resume();
    const [ticket] = (await session) as [Buffer];
    // Connections are spread over the workers by their ports: among so many both have some.
    const resumed: TLSSocket[] = [];
    for (let i = 0; i < 24; i++) {
      resumed.push(await open({ session: ticket, maxVersion, servername: "" }));
      assert.ok(resumed.at(-1)!.isSessionReused(), `${maxVersion}, connection ${i}`);
    }
    const { workers } = await server.stats();
    assert.ok(
      workers.every(({ tlsSessions }) => tlsSessions > 0),
      "one worker had all of them",
    );
    for (const socket of resumed) socket.destroy();
    client.destroy();
  }
});

test("the keys of tickets change while the server runs", async () => {
  const config = serverSection() + tlsSection(rsa) + proxyRoute("/app", upstream.url);
  const hasty = await startServer(config, { env: { ZPROXY_TEST_TICKET_MS: "300" } });
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const options = { port: hasty.port, maxVersion };
    const first = connect({ ...options, host: "127.0.0.1", ca: authority.cert });
    const session = once(first, "session");
    first.write(request("GET /none"));
    first.resume();
    const [ticket] = (await session) as [Buffer];
    first.destroy();
    for (let resumed = true; resumed; ) {
      const again = await open({ ...options, session: ticket });
      resumed = again.isSessionReused();
      again.destroy();
      await sleep(50);
    }
  }
  await hasty.stop();
});

test("bodies of many sizes, both ways, and what the upstream is told", async () => {
  const agent = new Agent({ connect: { ca: authority.cert } });
  const origin = `https://localhost:${server.port}`;
  for (const size of [0, 1, 1399, 1400, 1401, 16_384, 16_385, 70_000, 5_000_000]) {
    const content = sizedBytes(size, size);
    const options = { method: "POST", body: Buffer.from(content), dispatcher: agent } as const;
    const { body } = await undiciRequest(`${origin}/app/echo`, options);
    const echo = (await body.json()) as Echo;
    assert.deepEqual([echo.bodyBytes, echo.bodySha256], [size, sha256(content)]);
    assert.equal(echo.headers["x-forwarded-proto"], "https");
    const answer = await undiciRequest(`${origin}/app/bytes/${size}?seed=9`, { dispatcher: agent });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    assert.equal(sha256(bytes), sha256(sizedBytes(size, 9)));
  }
  await agent.close();
});

test("curl", async (t) => {
  const curl = requireTool(t, "curl");
  if (curl === undefined) return;
  const url = `https://localhost:${server.port}/app/bytes/100000?seed=1`;
  const resolve = `localhost:${server.port}:127.0.0.1`;
  const args = ["-sS", "--resolve", resolve, "--cacert", authority.path];
  const result = await runProcess(curl, [
    ...[...args, "-w", "%{http_code} %{size_download} "],
    ...["-o", "/dev/null", url, "-o", "/dev/null", url],
  ]);
  assert.equal(result.stdout, "200 100000 200 100000 ", result.stderr);
});

test("close_notify comes before FIN, and one from the client is answered", async () => {
  const closing = await open();
  closing.write(request("GET /app/bytes/5", ["Connection: close"]));
  closing.resume();
  // Node takes a FIN without it for an error ("ECONNRESET") or a plain end; OpenSSL's own client
  // tells them apart.
  await once(closing, "end");
  closing.destroy();
  const result = await runProcess("sh", [
    "-c",
    `printf 'GET /app/bytes/5 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' |
      openssl s_client -connect 127.0.0.1:${server.port} -ign_eof -msg 2>&1`,
  ]);
  assert.match(result.stdout, /<<< TLS 1\.3, Alert \[length 0002\], warning close_notify/);
  assert.doesNotMatch(result.stdout, /unexpected eof/);
});

test("handshakes cut off at any byte leave nothing behind", async () => {
  const handshakes = await handshakesWith(server);
  const bytes = handshakes.reduce((sum, handshake) => sum + handshake.bytes, 0);
  await abortHandshakes(server, handshakes, Math.ceil(bytes / ABORT_STEP), ABORT_STEP);
  while ((await server.stats()).tlsConnections > 0) await sleep(20);
});

test("a handshake and a request in single bytes", async () => {
  const bytesOf = (held: Buffer) => Array.from(held, (_, at) => held.subarray(at, at + 1));
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const wire = await Wire.start(server.port, bytesOf, 0);
    const client = await RawClient.connectTls(wire.port, { maxVersion });
    await client.send(request("GET /app/bytes/5"));
    assert.equal((await client.answer()).body.length, 5);
    client.close();
    await wire.stop();
  }
});

test("garbage and plain HTTP end the connection, and no other", async () => {
  await withRandom(async (random) => {
    const other = await open();
    for (let round = 0; round < 40; round++) {
      const client = await RawClient.connect(server.port);
      const text = random.pick(["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff"]);
      await client.send(round % 2 === 0 ? random.bytes(1 + random.below(400)) : text);
      client.endSending();
      await client.ended();
      assert.doesNotMatch(client.pending.toString("latin1"), /HTTP\/1/);
      client.close();
    }
    other.write(request("GET /app/bytes/3", ["Connection: close"]));
    assert.match(String((await once(other, "data"))[0]), /^HTTP\/1\.1 200/);
    other.destroy();
  });
});

test("changed records end the connection, and nothing of them reaches an upstream", async () => {
  await withRandom(async (random) => {
    for (let round = 0; round < 60; round++) {
      // A relay that flips a bit of some record behind the handshake.
      const before = upstream.requests();
      const transport = connectTcp({ port: server.port, host: "127.0.0.1" });
      transport.on("error", () => {});
      await once(transport, "connect");
      const socket = connect({ socket: transport, rejectUnauthorized: false });
      socket.on("error", () => {});
      await once(socket, "secureConnect");
      const write = transport.write.bind(transport);
      const garbage = Buffer.from([23, 3, 3, 0, 60, ...random.bytes(60)]);
      write(round % 2 === 0 ? garbage : Buffer.from(random.bytes(100)));
      socket.resume();
      await once(transport, "close");
      assert.equal(upstream.requests(), before);
    }
  });
});

test("renegotiation is refused", async () => {
  const socket = await open({ maxVersion: "TLSv1.2" });
  const refused = new Promise<Error | null>((resolve) => {
    socket.on("error", resolve);
    socket.renegotiate({}, resolve);
  });
  assert.ok((await refused) instanceof Error);
  socket.destroy();
});

test("some key updates are followed, a flood of them ends the connection", async (t) => {
  const openssl = requireTool(t, "openssl");
  if (openssl === undefined) return;
  const args = ["s_client", "-connect", `127.0.0.1:${server.port}`, "-tls1_3", "-msg"];
  const child = spawn(openssl, args, { stdio: ["pipe", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
  });
  child.stdin.on("error", () => {});
  const ended = once(child, "close");
  const updates = () =>
    output.match(/>>> TLS 1\.3, Handshake \[length 0005\], KeyUpdate/g)?.length ?? 0;
  while (!output.includes("read R BLOCK")) await sleep(20);
  for (let i = 1; i <= 10; i++) {
    child.stdin.write("K\n");
    while (updates() < i) await sleep(5);
  }
  child.stdin.write("GET /app/bytes/5 HTTP/1.1\r\nHost: x\r\n\r\n");
  while (!output.includes("HTTP/1.1 200 OK")) await sleep(20);
  let running = true;
  void ended.then(() => {
    running = false;
  });
  for (let i = 11; i < 200 && running; i++) {
    child.stdin.write("K\n");
    while (running && updates() < i) await sleep(5);
  }
  assert.ok(!running, "still there after 200 key updates");
  await ended;
});

test("over the limit of connections, a client is closed without an answer", async () => {
  const limited = await startServer(
    `${serverSection()}[security]\nmax_concurrent_connections = 1\n${tlsSection(rsa)}` +
      proxyRoute("/app", upstream.url),
  );
  const first = await RawClient.connectTls(limited.port);
  await assert.rejects(RawClient.connectTls(limited.port));
  await first.send(request("GET /none"));
  assert.equal((await first.answer()).status, 404);
  first.close();
  await limited.settled();
  assert.match(limited.log(), /max_concurrent_connections is reached/);
  await limited.stop();
});

test("a stop lets a handshake end and its request be answered", async () => {
  const stopping = await startServer(
    serverSection() + tlsSection(rsa) + proxyRoute("/app", upstream.url),
  );
  const transport = connectTcp({ port: stopping.port, host: "127.0.0.1" });
  await once(transport, "connect");
  await sleep(200);
  stopping.process.kill("SIGTERM");
  await sleep(200);
  const client = connect({ socket: transport, rejectUnauthorized: false });
  await once(client, "secureConnect");
  client.write(request("GET /app/bytes/9"));
  const [answer] = (await once(client, "data")) as [Buffer];
  assert.match(answer.toString("latin1"), /^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close/);
  client.destroy();
  assert.deepEqual(await stopping.process.exited(), { code: 0, signal: null });
  await stopping.stop();
});

test("a keep-alive connection carries many requests", async () => {
  const client = await RawClient.connectTls(server.port);
  for (let round = 0; round < 50; round++) {
    await client.send(request("GET /app/bytes/100"));
    const answer = await client.answer();
    assert.equal(answer.body.length, 100);
    assert.equal(header(answer, "connection"), undefined);
  }
  client.close();
});
