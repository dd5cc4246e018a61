// When small buffers run out: clients that have begun a request and don't go on hold them all.
// Others wait, with TLS as without; nobody is cut off for it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { patience } from "../lib/patience.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startUpstream, type Upstream } from "../lib/upstreams.ts";

/** Small buffers of the worker. */
const BUFFERS = 128;
/** More than there are buffers for. */
const CLIENTS = BUFFERS + 24;
/** Those who go away without having ended their request. */
const LEAVERS = 48;
const WAIT_MS = patience(10_000);

for (const secure of [false, true]) {
  describe(secure ? "with TLS" : "without TLS", () => {
    let authority: Authority;
    let upstream: Upstream;
    let server: TestServer;

    before(async () => {
      authority = new Authority();
      upstream = await startUpstream();
      const tls = secure ? tlsSection(authority.issue({ names: LOCAL_NAMES })) : "";
      const env = { ZPROXY_TEST_BUFFERS: String(BUFFERS) };
      server = await startServer(serverSection() + tls + proxyRoute("/", upstream.url), { env });
    });

    after(async () => {
      await upstream.stop();
      await server.stop();
      authority.remove();
    });

    /** Waits until connections hold all small buffers that they can get. */
    async function exhausted(): Promise<void> {
      const deadline = Date.now() + WAIT_MS;
      let held = 0;
      while (held < BUFFERS) {
        assert.ok(Date.now() < deadline, `only ${held} buffers are held`);
        await sleep(20);
        held = (await server.stats()).workers[0]?.buffersInUse ?? 0;
      }
    }

    test("clients for whom there is no buffer wait for one", async () => {
      const clients: RawClient[] = [];
      for (let count = 0; count < CLIENTS; count++) {
        const client = secure
          ? await RawClient.connectTls(server.port)
          : await RawClient.connect(server.port);
        clients.push(client);
      }
      const text = request("GET /bytes/5");
      for (const client of clients) await client.send(text.slice(0, 20));
      await exhausted();
      for (const client of clients.splice(0, LEAVERS)) client.close();
      for (const client of clients) {
        await client.send(text.slice(20));
        const answer = await client.answer();
        assert.equal(answer.status, 200, answer.body.toString());
        client.close();
      }
    });
  });
}
