// What a start says about certificates, keys and roots: everything that is wrong at once, and what
// will soon be.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { TlsFiles } from "../../runtime/control/tls-files.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
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
