// Handshakes that fail are counted by cause, and each cause is told in the log.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect } from "node:tls";
import { ADMIN, samplesOf } from "../lib/admin.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { type Faults, startWithFaults } from "../lib/faults.ts";
import { runProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { Wire } from "../lib/wire.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Less than that, by more than a test takes. */
const ALMOST_MS = 8_700;
/** Enough for a turn of the loop, which looks at the clock. */
const TURN_MS = 50;

let authority: Authority;
let certificate: Certificate;
let faults: Faults;
let port: number;

before(async () => {
  authority = new Authority();
  certificate = authority.issue({ names: LOCAL_NAMES });
  const upstream = proxyRoute("/", "https://127.0.0.1:1", ["backend_connect_timeout_secs = 1"]);
  const config = serverSection(2) + ADMIN + tlsSection(certificate) + upstream;
  faults = await startWithFaults(config);
  port = faults.server.port;
});

after(async () => {
  await faults.stop();
  authority.remove();
});

/** A client of Node's that is refused, or refuses. */
async function fail(options: ConnectionOptions): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  await new Promise((resolve) => socket.once("error", resolve));
}

async function say(bytes: string): Promise<void> {
  const client = await RawClient.connect(port);
  await client.send(bytes);
  client.endSending();
  await client.ended();
  client.close();
}

/** What a client does to make a handshake fail, and what is counted. */
const WAYS: readonly [cause: string, reason: RegExp, way: () => Promise<void>][] = [
  ["plain_http", /http request/, () => say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ["closed", /closed/, () => say("\x16\x03\x01\x00\xff\x01")],
  ["protocol", /\w/, () => say("\x17\x03\x03\x00\x02xx")],
  ["version", /protocol/, () => fail({ minVersion: "TLSv1.1", maxVersion: "TLSv1.1" })],
  ["alpn", /application protocol/, () => fail({ ALPNProtocols: ["h2"] })],
  [
    "nothing_in_common",
    /no shared cipher/,
    () => fail({ maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256" }),
  ],
  [
    "alert",
    /unknown ca/,
    async () => {
      const target = ["-connect", `127.0.0.1:${port}`, "-verify_return_error"];
      await runProcess("openssl", ["s_client", ...target]);
    },
  ],
];

async function failures(): Promise<Record<string, number>> {
  const samples = await samplesOf(faults.server);
  const name = "zproxy_tls_handshakes_failed_total";
  const rows = [...samples].filter(([key, value]) => key.startsWith(`${name}{`) && value > 0);
  return Object.fromEntries(rows.map(([key, value]) => [key.slice(name.length + 8, -2), value]));
}

test("each cause is counted, and told once in a while with its reason", async () => {
  const expected: Record<string, number> = {};
  for (const [cause, reason, way] of WAYS) {
    for (let times = 0; times < 8; times++) await way();
    expected[cause] = 8;
    while ((await failures())[cause] !== 8) await sleep(20);
    const line = new RegExp(
      `"level":30.*TLS handshake with client 127\\.0\\.0\\.1 failed \\(${cause}: ([^)]*)\\); 1 of`,
    );
    await faults.server.process.until("the line", () => {
      return reason.test(line.exec(faults.server.log())?.[1] ?? "") || undefined;
    });
    const lines = faults.server.log().match(new RegExp(`failed \\(${cause}`, "g"));
    assert.ok(lines!.length <= 2, `${cause}: at most once a minute by each worker`);
  }
  assert.deepEqual(await failures(), expected);
});

test("a client that says nothing is no failure; one that waits too long is", async () => {
  const before = await failures();
  for (let times = 0; times < 8; times++) (await RawClient.connect(port)).close();
  const slow = connectTcp({ port, host: "127.0.0.1" });
  slow.on("error", () => {});
  const gone = new Promise((resolve) => slow.once("close", resolve));
  while ((await faults.server.stats()).workers.every(({ tlsSessions }) => tlsSessions === 0))
    await sleep(5);
  faults.skip(HANDSHAKE_TIMEOUT_MS + 1000);
  await gone;
  assert.deepEqual(await failures(), { ...before, timeout: 1 });
});

/** What a client says first. */
async function clientHello(): Promise<Buffer> {
  const wire = await Wire.start(port);
  (await RawClient.connectTls(wire.port)).close();
  await wire.stop();
  const { sent } = wire;
  return sent.subarray(0, 5 + sent.readUInt16BE(3));
}

test("a client has all of its time for a handshake, and a dripping one no more", async () => {
  const hello = await clientHello();
  const { timeout = 0 } = await failures();
  const [late, dripping] = [await RawClient.connect(port), await RawClient.connect(port)];
  for (let at = 0; at < 3; at++) {
    await dripping.send(hello.subarray(at * 50, (at + 1) * 50));
    await sleep(TURN_MS);
    faults.skip(ALMOST_MS / 3);
  }
  await late.send(hello);
  assert.equal((await late.received(1))[0], 22, "no ServerHello");
  await dripping.send(hello.subarray(150, 200));
  await sleep(TURN_MS);
  faults.skip(HANDSHAKE_TIMEOUT_MS - ALMOST_MS);
  for (const client of [late, dripping]) {
    await client.ended();
    client.close();
  }
  assert.equal((await failures()).timeout, timeout + 2);
});

test("handshakes that succeed are counted, and when the certificate expires is shown", async () => {
  const done = 'zproxy_tls_handshakes_total{peer="client"}';
  const before = (await samplesOf(faults.server)).get(done)!;
  const client = await RawClient.connectTls(port);
  await client.send(request("GET /"));
  assert.equal((await client.answer()).status, 502);
  client.close();
  const samples = await samplesOf(faults.server);
  assert.equal(samples.get(done), before + 1);
  const { validTo } = new X509Certificate(certificate.cert);
  const time = `zproxy_tls_certificate_not_after_seconds{path="${certificate.certPath}"}`;
  assert.ok(Math.abs(samples.get(time)! - Date.parse(validTo) / 1000) < 3600);
});
