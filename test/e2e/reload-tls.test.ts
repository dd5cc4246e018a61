// SIGHUP with TLS: idle connections go on without a new handshake, sessions are resumed, and new
// certificates are served. What can't go on is told so with its next answer.

import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { header } from "../lib/answer.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import {
  alone,
  hangUp,
  REFUSED,
  reload,
  reloadInstalled,
  startFor,
  status,
  until,
} from "../lib/reload.ts";
import type { TestServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

const CLIENTS = 12;
/** A client that has become idle leaves within some ticks. */
const LEAVING_MS = 600;

let authority: Authority;
let upstream: Upstream;
let secure: Upstream;
/** A folder whose files a server may read as any user. */
let folder: string;
let count = 0;

before(async () => {
  authority = new Authority();
  const { cert, key } = authority.issue({ names: LOCAL_NAMES });
  upstream = await startUpstream();
  secure = await startUpstream("secure", { cert, key });
  folder = authority.folder;
  chmodSync(folder, 0o755);
});

after(async () => {
  await upstream.stop();
  await secure.stop();
  authority.remove();
});

/** A certificate's files under names that stay when another one takes its place. */
function place(certificate: Certificate, at = join(folder, `place-${count++}`)): Certificate {
  const paths = { certPath: `${at}.pem`, keyPath: `${at}.key` };
  copyFileSync(certificate.certPath, paths.certPath);
  copyFileSync(certificate.keyPath, paths.keyPath);
  return { ...certificate, ...paths };
}

function fingerprint({ cert }: Certificate): string {
  return cert.slice(0, 400);
}

/** The certificate that a new connection meets. */
async function served(server: TestServer): Promise<string> {
  const socket = await handshake(server);
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  const lines = raw.toString("base64").match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}`.slice(0, 400);
}

async function handshake(server: TestServer, more: ConnectionOptions = {}): Promise<TLSSocket> {
  const options = { port: server.port, host: "127.0.0.1", rejectUnauthorized: false };
  const socket = connect({ ...options, ...more });
  await new Promise<void>((done, fail) => {
    socket.once("secureConnect", done).once("error", fail);
  });
  return socket;
}

test("idle connections go on with the new routes, and sessions are resumed", async (t) => {
  const certificate = authority.issue({ names: LOCAL_NAMES });
  const config = (prefix: string) =>
    serverSection(2) +
    tlsSection(certificate) +
    proxyRoute(prefix, upstream.url) +
    proxyRoute("/secure", secure.url, [], [`tls_ca_path = ${JSON.stringify(authority.path)}`]);
  const server = await startFor(t, config("/one"));
  const versions = ["TLSv1.2", "TLSv1.3"] as const;
  const clients: RawClient[] = [];
  const sessions = new Map<string, Buffer>();
  for (const maxVersion of versions) {
    for (let at = 0; at < CLIENTS; at++) {
      const client = await RawClient.connectTls(server.port, { maxVersion });
      if (at % 2 === 0) assert.equal(await status(client, "/one/bytes/1"), 200);
      clients.push(client);
    }
  }
  for (const maxVersion of versions) {
    const first = await handshake(server, { maxVersion });
    first.write(request("GET /one/bytes/1"));
    await once(first, "data"); // behind the tickets
    sessions.set(maxVersion, first.getSession()!);
    first.destroy();
  }
  const busy = await RawClient.connectTls(server.port);
  const requests = upstream.requests();
  await busy.send(request("GET /one/slow/1500"));
  while (upstream.requests() === requests) await sleep(5);

  await reload(server, config("/two"));
  for (const client of clients) assert.equal(await status(client, "/one/bytes/1"), 404);
  for (const client of clients) assert.equal(await status(client, "/two/bytes/70000"), 200);
  for (const client of clients) assert.equal(await status(client, "/secure/bytes/9"), 200);
  assert.equal((await busy.answer()).body.toString(), "slow");
  await sleep(LEAVING_MS); // a request that follows at once may still meet the worker before
  assert.equal(await status(busy, "/two/bytes/1"), 200);
  for (const [maxVersion, session] of sessions) {
    const resumed = await handshake(server, { session, maxVersion: maxVersion as "TLSv1.2" });
    assert.ok(resumed.isSessionReused(), `the session of ${maxVersion} was not resumed`);
    resumed.destroy();
  }
  await alone(server);
  for (const client of [...clients, busy]) client.close();
  await upstream.stop();
  await secure.stop();
  await server.stop();
  upstream = await startUpstream();
});

test("a new certificate is served, and a broken one is refused", async (t) => {
  const [old, renewed, broken] = [1, 2, 3].map(() => authority.issue({ names: LOCAL_NAMES }));
  const placed = place(old!);
  const config = serverSection() + tlsSection(placed) + fileRoute("/", "/usr");
  const server = await startFor(t, config, { expectedErrors: [REFUSED] });
  const client = await RawClient.connectTls(server.port);
  assert.equal(await served(server), fingerprint(old!));
  place(renewed!, placed.certPath.replace(/\.pem$/, ""));
  await reloadInstalled(server);
  assert.equal(await served(server), fingerprint(renewed!));
  assert.equal(await status(client, "/none"), 404);
  copyFileSync(broken!.keyPath, placed.keyPath);
  await until(server, REFUSED, () => hangUp(server));
  assert.match(server.log(), /is not the key of the certificate/);
  assert.equal(await served(server), fingerprint(renewed!));
  assert.equal(await status(client, "/none"), 404);
  client.close();
  await alone(server);
  await server.stop();
});

test("when TLS comes or goes, each client ends with its next answer", async (t) => {
  const certificate = authority.issue({ names: LOCAL_NAMES });
  const plain = serverSection(2) + fileRoute("/", "/usr");
  const encrypted = serverSection(2) + tlsSection(certificate) + fileRoute("/", "/usr");
  const server = await startFor(t, plain);
  const before = await Promise.all([1, 2, 3].map(() => RawClient.connect(server.port)));
  const ends = async (clients: readonly RawClient[]) => {
    for (const client of clients) {
      await client.send(request("GET /none"));
      const answer = await client.answer();
      assert.equal(answer.status, 404);
      assert.equal(header(answer, "connection"), "close");
      assert.equal(await client.ended(), "end");
    }
  };
  await reload(server, encrypted);
  const secureClients = await Promise.all([1, 2, 3].map(() => RawClient.connectTls(server.port)));
  await ends(before);
  await alone(server);
  await reload(server, plain);
  const last = await RawClient.connect(server.port);
  assert.equal(await status(last, "/none"), 404);
  await ends(secureClients);
  for (const client of [...before, ...secureClients, last]) client.close();
  await alone(server);
  await server.stop();
});

test("a key that only root may read stays as it was; one that all may read is renewed", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root: there is nothing to drop");
  const [old, renewed] = [1, 2].map(() => authority.issue({ names: LOCAL_NAMES }));
  const placed = place(old!);
  chmodSync(placed.keyPath, 0o600);
  const drop = '[security]\ndrop_privileges_user = "nobody"\n';
  const config = (prefix: string) =>
    serverSection() + drop + tlsSection(placed) + fileRoute(prefix, "/usr");
  const prepare = (at: string): void => {
    chmodSync(at, 0o755);
    mkdirSync(join(at, "site"));
    writeFileSync(join(at, "site/a.txt"), readFileSync("/etc/hostname"));
  };
  const server = await startFor(t, config("/a"), { prepare });
  place(renewed!, placed.certPath.replace(/\.pem$/, ""));
  await reload(server, config("/b"));
  assert.match(server.log(), /stays as it was at the start, because this user can't read \S+\.key/);
  assert.equal(await served(server), fingerprint(old!));
  const client = await RawClient.connectTls(server.port);
  assert.equal(await status(client, "/b/bin/env"), 200);
  chmodSync(placed.keyPath, 0o644);
  await reloadInstalled(server);
  assert.equal(await served(server), fingerprint(renewed!));
  assert.equal(await status(client, "/b/bin/env"), 200);
  client.close();
  await alone(server);
  await server.stop();
});
