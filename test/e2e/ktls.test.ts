// kTLS as far as any kernel shows it: one without it is noticed at the start. What a kernel that
// has it does is in test/vm.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { loadAddon } from "../../runtime/native.ts";
import { Authority, type Certificate, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { compileConfig, startServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

const WARNING =
  /kTLS can't be used, TLS stays in user space: this kernel has no TLS; load its module/;

/** Whether this machine's kernel has it, asked by the addon itself. */
const hasKernelTls = loadAddon(resolve("native/build/Release/zproxy.node")).ktlsProbe() === 0;

let authority: Authority;
let certificate: Certificate;
let upstream: Upstream;

before(async () => {
  authority = new Authority();
  certificate = authority.issue({ names: LOCAL_NAMES });
  upstream = await startUpstream();
});

after(async () => {
  await upstream.stop();
  authority.remove();
});

function configOf(...settings: string[]): string {
  const tls = tlsSection(certificate, [], settings);
  return serverSection() + tls + proxyRoute("/", upstream.url);
}

test("with falling back, TLS stays in user space, and the log says why", async () => {
  const server = await startServer(configOf("ktls_enabled = true"));
  const client = await RawClient.connectTls(server.port);
  await client.send(request("GET /status/204"));
  assert.equal((await client.answer()).status, 204);
  client.close();
  assert.equal(WARNING.test(server.log()), !hasKernelTls, server.log());
  await upstream.stop();
  await server.stop();
});

test("without falling back, a kernel that has no TLS is a reason not to start", async () => {
  const config = configOf("ktls_enabled = true", "ktls_fallback_enabled = false");
  if (hasKernelTls) {
    await (await startServer(config)).stop();
    return;
  }
  const folder = await compileConfig(config);
  const { code, stderr } = await runProcess(process.execPath, ["dist/server.cjs"], { cwd: folder });
  rmSync(folder, { recursive: true });
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /^zproxy: kTLS can't be used, and falling back is off: this kernel has no TLS/,
  );
  assert.match(stderr, /"modprobe tls"/);
});
