// What a start says about certificates, keys and roots: everything that is wrong at once, and what
// will soon be.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { EMFILE } from "../../native/abi.ts";
import type { Facts } from "../../runtime/control/bundle.ts";
import { TlsFiles } from "../../runtime/control/tls-files.ts";
import { buildTlsKeys } from "../../runtime/control/tls-keys.ts";
import type { Addon } from "../../runtime/native.ts";
import {
  Authority,
  type Certificate,
  type CertificateOptions,
  LOCAL_NAMES,
  tlsSection,
} from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startFor } from "../lib/reload.ts";
import { startServer } from "../lib/server.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let authority: Authority;
let certificate: Certificate;

before(() => {
  authority = new Authority();
  certificate = authority.issue({ names: LOCAL_NAMES });
});

after(() => authority.remove());

function configOf(first: Certificate, others: readonly Certificate[] = []): string {
  return serverSection() + tlsSection(first, others) + proxyRoute("/app", "http://127.0.0.1:1");
}

test("bad certificates are told at the start, all at once", async () => {
  const other = authority.issue({ names: LOCAL_NAMES });
  const missing = `${authority.folder}/missing.key`;
  const [encrypted, notPem] = [`${authority.folder}/encrypted.key`, authority.path];
  await runProcess("openssl", [
    ...["pkey", "-in", other.keyPath, "-aes128", "-passout", "pass:secret", "-out", encrypted],
  ]);
  const pairs = [
    { ...certificate, keyPath: other.keyPath },
    { ...certificate, keyPath: missing },
    { ...other, keyPath: encrypted },
    { ...other, keyPath: notPem },
    { ...other, certPath: other.keyPath },
  ];
  const [first, ...others] = pairs;
  await assert.rejects(startServer(configOf(first!, others)), (error: Error) => {
    for (const expected of [
      `${other.keyPath} is not the key of the certificate in ${certificate.certPath}`,
      `TLS key file not found: ${missing}`,
      `${encrypted} is encrypted`,
      `${notPem} holds no private key`,
      `${other.keyPath} holds no certificate`,
    ])
      assert.ok(error.message.includes(expected), `${expected}\n${error.message}`);
    return true;
  });
});

test("a certificate that can't be read is told with its number, and not the end of the file", () => {
  const path = `${authority.folder}/corrupt.pem`;
  const spoilt = authority.cert.replace(/\n[\w+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  const readWith = (...certificates: string[]) => {
    writeFileSync(path, certificates.join(""));
    const files = new TlsFiles(Date.now());
    const pair = files.readPair(path, certificate.keyPath);
    const roots = files.readRoots(path);
    assert.equal(pair === undefined, files.problems.length > 0);
    assert.equal(roots === undefined, files.problems.length > 0);
    return files.problems.map((problem) => problem.replace(/(?<=read: ).*/, "…"));
  };
  const told = (number: number) =>
    new Array(2).fill(`${path}: certificate ${number} of the file can't be read: …`);
  assert.deepEqual(readWith(certificate.cert), []);
  assert.deepEqual(readWith(certificate.cert, spoilt), told(3));
  assert.deepEqual(readWith(certificate.cert, spoilt, authority.cert), told(3));
  // What else is in the file is nobody's business.
  assert.deepEqual(readWith(certificate.cert, certificate.key, authority.cert), []);
});

test("keys that no client would take are refused", () => {
  const told = (key: CertificateOptions["key"]) => {
    const { certPath, keyPath } = authority.issue({ names: LOCAL_NAMES, key: key! });
    const files = new TlsFiles(Date.now());
    const pair = files.readPair(certPath, keyPath);
    assert.equal(pair === undefined, files.problems.length > 0);
    return files.problems.map((text) => text.replace(keyPath, "KEY"));
  };
  const refused = (kind: string) =>
    `KEY: no client would take a key of the kind ${kind}; use one of RSA, or of EC on P-256`;
  for (const key of ["ec", "rsa", "ed25519", "p521"] as const) assert.deepEqual(told(key), []);
  assert.deepEqual(told("ed448"), [refused("ed448")]);
  assert.deepEqual(told("rsaPss"), [refused("rsa-pss")]);
  assert.deepEqual(told("k256"), [refused("secp256k1 (ec)")]);
});

test("a key on P-521 serves its clients, a name's second certificate nobody", async (t) => {
  const large = authority.issue({ names: ["DNS:large.test"], key: "p521" });
  const second = authority.issue({ names: ["DNS:test", "DNS:large.test", "DNS:other.test"] });
  const server = await startFor(t, configOf(certificate, [large, second]));
  const warning = `${second.certPath} is not served for test, large.test: ${certificate.certPath}`;
  await server.process.until("the warning", () => server.log().includes(warning) || undefined);
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const name = { servername: "large.test", rejectUnauthorized: false };
    const socket = connect({ port: server.port, maxVersion, ...name });
    await once(socket, "secureConnect");
    assert.equal(socket.getPeerCertificate().asn1Curve, "secp521r1");
    socket.destroy();
  }
  await server.stop();
});

test("when there is no room for another certificate, that is said", () => {
  const addon = { tlsContext: () => -EMFILE, tlsError: () => "" } as unknown as Addon;
  const { certPath, keyPath } = certificate;
  const tls = { certificates: [{ certPath, keyPath }], minVersion: "1.2" };
  const program = { server: { tls }, upstreams: [] } as unknown as Facts;
  const { problems } = buildTlsKeys(program, addon);
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /^TLS can't be used: there are more certificates .* than 4096/);
});

test("an expired certificate is used, with a warning", async () => {
  const expired = authority.issue({ names: LOCAL_NAMES, expired: true });
  const server = await startServer(configOf(expired));
  const warning = `${expired.certPath}: the certificate has expired (`;
  await server.process.until("the warning", () => server.log().includes(warning) || undefined);
  const client = await RawClient.connectTls(server.port);
  await client.send(request("GET /none"));
  assert.equal((await client.answer()).status, 404);
  client.close();
  await server.stop();
});

test("warnings depend on the time, for the whole chain", () => {
  // Two days long, and its authority's as well.
  const { certPath, keyPath, cert } = certificate;
  const { validFrom, validTo } = new X509Certificate(cert);
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  const warningsAt = (nowMs: number) => {
    const files = new TlsFiles(nowMs);
    const pair = files.readPair(certPath, keyPath);
    assert.deepEqual(files.problems, []);
    assert.ok(Math.abs(pair!.notAfterSecs * 1000 - to) < HOUR_MS);
    return files.warnings.map((text) => text.replace(/ \(.*\)|(?<=before ).*(?=;)/, "…"));
  };
  const both = (text: string) => [
    `${certPath}: the certificate ${text}`,
    `${certPath}: a certificate of the chain ${text}`,
  ];
  assert.deepEqual(warningsAt(from + DAY_MS), []);
  assert.deepEqual(warningsAt(to - 11 * HOUR_MS), both("expires soon…; renew it"));
  assert.deepEqual(warningsAt(to + HOUR_MS), both("has expired…; clients will refuse it"));
  const early = "is not valid before …; clients will refuse it until then";
  assert.deepEqual(warningsAt(from - HOUR_MS), both(early));
});

test("authorities are read before the privileges go, for health checks as well", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root");
  const secret = `${authority.folder}/secret-ca.pem`;
  writeFileSync(secret, authority.cert);
  chmodSync(secret, 0o600);
  const group =
    '[upstreams.app]\nservers = ["https://127.0.0.1:1"]\n' +
    "health_check = { interval_secs = 1, unhealthy_threshold = 1 }\n" +
    '[security]\ndrop_privileges_user = "nobody"\n' +
    `[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "app"\ntls_ca_path = "${secret}"\n`;
  const server = await startServer(serverSection() + group, {
    prepare: (folder) => chmodSync(folder, 0o755),
  });
  const verdict = "Upstream 127.0.0.1:1 is now unhealthy";
  await server.process.until("a check", () => server.log().includes(verdict) || undefined);
  await server.process.stop("SIGTERM");
  rmSync(server.folder, { recursive: true });
});
