// Where the kernel has no IPv6 there is no socket for such an address, and a request was answered
// 503, though the name, or the group, had an address of the other family.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serverSection } from "../lib/config.ts";
import { startWithFaults } from "../lib/faults.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startHeadScript } from "../lib/upstreams.ts";

const EAFNOSUPPORT = 97;
const EMFILE = 24;

async function statusesWith(error: number): Promise<Set<number>> {
  const upstream = await startHeadScript(({ socket }) => {
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const group = `[upstreams.u]\nservers = ["http://[::1]:1", "${upstream.url}"]\n`;
  const route = `[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "u"\n`;
  const env = { ZPROXY_FAULT_IPV6: String(-error) };
  const faults = await startWithFaults(serverSection() + group + route, { env });
  const statuses = new Set<number>();
  try {
    for (let requests = 0; requests < 4; requests++)
      statuses.add((await exchange(faults.server.port, request("POST /"))).status);
  } finally {
    await faults.stop();
    await upstream.stop();
  }
  return statuses;
}

test("an address of a family that the machine lacks is passed over", async () => {
  assert.deepEqual(await statusesWith(EAFNOSUPPORT), new Set([200]));
});

test("without a descriptor there is no other address to try", async () => {
  assert.deepEqual(await statusesWith(EMFILE), new Set([503, 200]));
});
