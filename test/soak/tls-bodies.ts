// Bodies of 100 MiB over TLS, by every cipher of both versions, in random pieces, in both
// directions, with and without TLS behind as well; checksums are compared.
//
//   node test/run.mjs --run test/soak/tls-bodies.ts [MEBIBYTES]

import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { residentKib } from "../lib/process.ts";
import { withRandom } from "../lib/random.ts";
import { startServer } from "../lib/server.ts";
import { moveBothWays, SUITES } from "../lib/tls-bodies.ts";
import { startUpstream } from "../lib/upstreams.ts";

const bytes = Number(process.argv[2] ?? 100) * 2 ** 20;
const authority = new Authority();
const certificate = authority.issue({ names: LOCAL_NAMES });
const [plain, secure] = [await startUpstream(), await startUpstream("secure", certificate)];
const limits = [`max_request_body_size = ${bytes}`, `max_chunked_body_size = ${bytes}`];
const trust = [`tls_ca_path = ${JSON.stringify(authority.path)}`];
const routes = [
  proxyRoute("/plain", plain.url, limits),
  proxyRoute("/secure", secure.url, limits, trust),
];
const server = await startServer(serverSection() + tlsSection(certificate) + routes.join(""));
await withRandom(async (random) => {
  for (const options of SUITES) {
    for (const prefix of ["/plain", "/secure"]) {
      const start = Date.now();
      await moveBothWays(server.port, options, bytes, random, prefix);
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      const mebibytes = (residentKib(server.pid) / 1024).toFixed(0);
      console.log(`${options.ciphers}, ${prefix}: ${seconds} s, ${mebibytes} MiB resident`);
    }
  }
});
for (const upstream of [plain, secure]) await upstream.stop();
await server.stop();
authority.remove();
