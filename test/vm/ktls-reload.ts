// A reload with kernel TLS: what the kernel knows of a connection stays with the socket, so clients
// go on with the next generation of workers without noticing. A part of ktls.test.ts: the kernel's
// counters are of all files that run at a time.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { RawClient } from "../lib/raw-client.ts";
import { alone, reloadInstalled, startFor, status } from "../lib/reload.ts";

const CLIENTS = 4;

/** Connections that the kernel has now, by direction. */
function inKernel(): { sent: number; received: number } {
  const text = readFileSync("/proc/net/tls_stat", "utf8");
  const count = (name: string) => Number(new RegExp(`^${name}\\s+(\\d+)`, "m").exec(text)![1]);
  return { sent: count("TlsCurrTxSw"), received: count("TlsCurrRxSw") };
}

/** Connections in the kernel go on with the next generation. */
export async function testReload(t: TestContext): Promise<void> {
  const authority = new Authority();
  const certificate = authority.issue({ names: LOCAL_NAMES });
  const settings = ["ktls_enabled = true", "ktls_fallback_enabled = false"];
  const tls = tlsSection(certificate, [], settings);
  const server = await startFor(t, serverSection(2) + tls + fileRoute("/etc", "/etc"));
  const clients: RawClient[] = [];
  for (let at = 0; at < CLIENTS; at++) {
    const maxVersion = at % 2 === 0 ? "TLSv1.2" : "TLSv1.3";
    const client = await RawClient.connectTls(server.port, { maxVersion });
    assert.equal(await status(client, "/etc/hostname"), 200);
    clients.push(client);
  }
  const before = inKernel();
  assert.deepEqual(before, { sent: CLIENTS, received: CLIENTS });
  for (let round = 0; round < 2; round++) {
    await reloadInstalled(server);
    for (const client of clients) assert.equal(await status(client, "/etc/hostname"), 200);
    await alone(server);
    assert.deepEqual(inKernel(), before);
  }
  for (const client of clients) client.close();
  await server.stop();
  authority.remove();
}
