// What testssl.sh (Debian's package) finds at zproxy and at nginx with Mozilla's "intermediate"
// profile, both with the same certificates: no finding may be more severe here. It takes minutes.
//
//   node test/run.mjs --run test/soak/testssl.ts [OPTION OF testssl.sh...]

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { startNginx } from "../lib/nginx.ts";
import { runProcess } from "../lib/process.ts";
import { startServer } from "../lib/server.ts";
import { findTool } from "../lib/tools.ts";
import { closedPort } from "../lib/upstreams.ts";

/** https://wiki.mozilla.org/Security/Server_Side_TLS, guidelines 5.7. */
const INTERMEDIATE = `
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers ${[
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
  ].join(":")};
  ssl_prefer_server_ciphers off;
  ssl_session_timeout 1d;
  ssl_session_cache shared:MozSSL:10m;
  ssl_session_tickets off;`;

/**
 * In ascending order. "WARN" is none of them: the check could not be made, as that of tickets,
 * which it looks for without waiting for those of TLS 1.3.
 */
const SEVERITIES = ["LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"];

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** -1: well. */
const rank = (finding: Finding | undefined) => SEVERITIES.indexOf(finding?.severity ?? "OK");

const folder = mkdtempSync(join(tmpdir(), "zproxy-testssl-"));
const authority = new Authority();
const certificate = authority.issue({ names: LOCAL_NAMES });
const [testssl, nginxProgram] = [findTool("testssl"), findTool("nginx")];
assert.ok(testssl && nginxProgram, "install the packages testssl.sh and nginx-light");

async function findingsOf(name: string, port: number): Promise<Map<string, Finding>> {
  const file = join(folder, `${name}.json`);
  const quiet = ["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1"];
  const options = [...quiet, "--add-ca", authority.path, "--jsonfile", file];
  const start = Date.now();
  const args = [...options, ...process.argv.slice(2), `localhost:${port}`];
  const { stdout, stderr } = await runProcess(testssl as string, args);
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  const findings = JSON.parse(readFileSync(file, "utf8")) as Finding[];
  assert.ok(findings.length > 10, stdout + stderr);
  console.log(`${name}: ${findings.length} findings in ${seconds} s`);
  // Of those with one name the worst.
  findings.sort((left, right) => rank(left) - rank(right));
  return new Map(findings.map((finding) => [finding.id, finding]));
}

const port = await closedPort();
writeFileSync(join(folder, "index.html"), "hello");
const nginx = await startNginx(
  nginxProgram,
  `listen 127.0.0.1:${port} ssl; root ${folder};
  ssl_certificate ${certificate.certPath}; ssl_certificate_key ${certificate.keyPath};
  ${INTERMEDIATE}`,
);
const server = await startServer(
  serverSection() + tlsSection(certificate) + fileRoute("/", folder),
);
const theirs = await findingsOf("nginx", port);
const ours = await findingsOf("zproxy", server.port);
await nginx.stop();
await server.stop();
authority.remove();
rmSync(folder, { recursive: true });

const differing = [...ours.values()].filter((it) => rank(it) !== rank(theirs.get(it.id)));
for (const { id, severity, finding } of differing) {
  const other = theirs.get(id);
  const nginxSays = other === undefined ? "nothing" : `${other.severity} (${other.finding})`;
  console.log(`${id}: ${severity} (${finding}), nginx: ${nginxSays}`);
}
const bad = [...ours.values()].filter((it) => rank(it) >= 0);
for (const { id, severity, finding } of bad)
  console.log(`not well: ${id}, ${severity}: ${finding}`);
const worse = differing.filter((it) => rank(it) > rank(theirs.get(it.id)));
console.log(`${worse.length} of ${ours.size} findings are worse than nginx's`);
assert.deepEqual(worse, []);
