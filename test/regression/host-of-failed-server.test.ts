// A request that went on to the next server of its group, because the first could not be reached,
// still carried the first one's Host; and again where `preserve_host` had nothing to preserve.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";
import { closedPort, type Echo, startUpstream } from "../lib/upstreams.ts";

/** A group of servers, and a route to it. */
function groupRoute(name: string, servers: readonly string[], settings = ""): string {
  const route = `[path_routes."*"."/${name}"]\ntype = "Proxy"\nupstream = "${name}"\n${settings}`;
  return `[upstreams.${name}]\nservers = ${JSON.stringify(servers)}\n${route}`;
}

test("a request that fails over carries the Host of the server that gets it", async (t) => {
  const upstream = await startUpstream();
  const closed = await closedPort();
  const groups = [
    groupRoute("same", [`http://127.0.0.1:${closed}`, upstream.url]),
    groupRoute("longer", [`http://127.100.100.100:${closed}`, upstream.url]),
    groupRoute("shorter", ["http://127.0.0.1:1", upstream.url]),
    groupRoute("kept", ["http://127.0.0.1:1", upstream.url], "preserve_host = true\n"),
  ];
  const server = await startServer(serverSection() + groups.join("\n"));
  t.after(async () => {
    await upstream.stop();
    await server.stop();
  });
  for (const name of ["same", "longer", "shorter"]) {
    // Twice, so that each of the two servers is the first once.
    for (const body of ["", "a body"]) {
      const fields = [`Content-Length: ${body.length}`, "X-Last: here"];
      const answer = await exchange(server.port, request(`POST /${name}`, fields, body));
      assert.equal(answer.status, 200, name);
      const { headers, bodyBytes } = JSON.parse(answer.body.toString()) as Echo;
      assert.equal(headers.host, `127.0.0.1:${upstream.port}`, `after one that is ${name}`);
      assert.equal(headers["x-last"], "here");
      assert.equal(bodyBytes, body.length);
    }
  }
  // Those of HTTP/1.0 may have none. A name that is a server's own is still the client's.
  for (const [line, sent, host] of [
    ["HTTP/1.0", "", `127.0.0.1:${upstream.port}`],
    ["HTTP/1.0", "Host: a.test\r\n", "a.test"],
    ["HTTP/1.1", "Host: 127.0.0.1:1\r\n", "127.0.0.1:1"],
  ]) {
    for (let round = 0; round < 2; round++) {
      const answer = await exchange(server.port, `GET /kept ${line}\r\n${sent}\r\n`);
      const { headers } = JSON.parse(answer.body.toString()) as Echo;
      assert.equal(headers.host, host, `${line} with "${sent}"`);
    }
  }
});
