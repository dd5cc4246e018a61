// A server that accepted a connection and broke it off without a word, as one does that is being
// killed, cost the request a 502 while other servers of its group were there to answer it.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { startHeadScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** How the servers that break off do so, once a request's head is there. */
let breakOff: (socket: Socket) => void = () => {};
let breaking: Upstream[];
let healthy: Upstream;
let server: TestServer;

before(async () => {
  const broken = () => startHeadScript(({ socket }) => breakOff(socket));
  breaking = [await broken(), await broken(), await broken()];
  healthy = await startUpstream();
  const [one, two, three] = breaking.map(({ url }) => url);
  const groups = [group("one", [one!, healthy.url]), group("all", [one!, two!, three!])];
  server = await startServer(serverSection() + groups.join("\n"));
});

after(async () => {
  for (const upstream of [...breaking, healthy]) await upstream.stop();
  await server.stop();
});

/** A group of servers, and a route to it. */
function group(name: string, servers: readonly string[]): string {
  const route = `[path_routes."*"."/${name}"]\ntype = "Proxy"\nupstream = "${name}"\n`;
  return `[upstreams.${name}]\nservers = ${JSON.stringify(servers)}\n${route}`;
}

const requests = (): number => breaking.reduce((sum, upstream) => sum + upstream.requests(), 0);

const WAYS: readonly (readonly [string, (socket: Socket) => void])[] = [
  ["reset", (socket) => socket.resetAndDestroy()],
  ["close", (socket) => socket.end()],
];

for (const [name, way] of WAYS) {
  test(`${name}: a request that may be made twice goes to another server`, async () => {
    breakOff = way;
    const before = requests();
    for (let round = 0; round < 6; round++) {
      const answer = await exchange(server.port, request("GET /one/bytes/5"));
      assert.equal(answer.status, 200);
      const put = request("PUT /one/bytes/5", ["Content-Length: 4"], "body");
      assert.equal((await exchange(server.port, put)).status, 200);
    }
    assert.ok(requests() > before, "no request met the server that breaks off");
  });

  test(`${name}: one that may not is not made twice`, async () => {
    breakOff = way;
    const before = requests() + healthy.requests();
    const statuses: number[] = [];
    const post = request("POST /one/bytes/5", ["Content-Length: 4"], "body");
    for (let round = 0; round < 6; round++)
      statuses.push((await exchange(server.port, post)).status);
    assert.deepEqual([...new Set(statuses)].sort(), [200, 502]);
    assert.equal(requests() + healthy.requests() - before, statuses.length);
  });

  test(`${name}: a request that two servers have broken off at is not tried on a third`, async () => {
    breakOff = way;
    const before = requests();
    assert.equal((await exchange(server.port, request("GET /all"))).status, 502);
    assert.equal(requests() - before, 2);
  });

  test(`${name}: nothing goes out again behind the beginning of an answer`, async () => {
    breakOff = (socket) => {
      socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", () =>
        setTimeout(() => way(socket), 20),
      );
    };
    const before = requests();
    const answer = await exchange(server.port, request("GET /all"));
    assert.deepEqual([answer.status, answer.interim.length], [502, 1]);
    assert.equal(requests() - before, 1);
  });
}
