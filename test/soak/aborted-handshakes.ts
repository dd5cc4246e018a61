// Handshakes that are cut off, one after each byte that a client says, again and again.
//
//   node test/run.mjs --run test/soak/aborted-handshakes.ts [COUNT]

import assert from "node:assert/strict";
import { abortHandshakes, handshakesWith } from "../lib/aborted-handshakes.ts";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { residentKib } from "../lib/process.ts";
import { startServer } from "../lib/server.ts";

/** What memory may grow by between the first quarter and the end. */
const GROWTH_KIB_MAX = 4 * 1024;

const count = Number(process.argv[2] ?? 10_000);
const authority = new Authority();
const tls = tlsSection(authority.issue({ names: LOCAL_NAMES }));
const server = await startServer(serverSection(2) + tls + fileRoute("/", "/usr"));
const handshakes = await handshakesWith(server);
for (const { name, bytes } of handshakes) console.log(`${name}: cut after 0 to ${bytes - 1} bytes`);

const start = Date.now();
let early = 0;
await abortHandshakes(server, handshakes, count, 1, (done) => {
  if (done === Math.floor(count / 4)) early = residentKib(server.pid);
});
await server.settled();
const late = residentKib(server.pid);
const seconds = ((Date.now() - start) / 1000).toFixed(0);
const { workers, openFiles, tlsConnections } = await server.stats();
console.log(`${count} handshakes aborted in ${seconds} s; at the end the server holds`);
console.table(workers);
console.log(`${tlsConnections} connections of OpenSSL's and ${openFiles} descriptors, as before;`);
console.log(`${early} KiB resident after a quarter of them, ${late} KiB at the end`);
assert.ok(late - early < GROWTH_KIB_MAX, "memory grows");
await server.stop();
authority.remove();
