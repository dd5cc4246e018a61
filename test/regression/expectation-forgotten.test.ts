// Whether a client waits for 100 (Continue) was looked up in the head scanned last, which by then
// could be another client's. The 502 for an upstream that died left the connection open, and the
// next request on it was dropped as the body that never came.

import assert from "node:assert/strict";
import { test } from "node:test";
import { header } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";
import { type ScriptedConnection, startHeadScript, startUpstream } from "../lib/upstreams.ts";

test("a 502 to a client that waits for 100 closes, whoever was served meanwhile", async (t) => {
  let arrive: (connection: ScriptedConnection) => void;
  const arrived = new Promise<ScriptedConnection>((resolve) => {
    arrive = resolve;
  });
  const dying = await startHeadScript((connection) => arrive(connection));
  const healthy = await startUpstream();
  const routes = [proxyRoute("/dying", dying.url), proxyRoute("/good", healthy.url)];
  const server = await startServer(serverSection() + routes.join("\n"));
  t.after(async () => {
    await dying.stop();
    await healthy.stop();
    await server.stop();
  });

  const client = await RawClient.connect(server.port);
  await client.send(request("POST /dying", ["Content-Length: 10", "Expect: 100-continue"]));
  const { socket } = await arrived;
  assert.equal((await exchange(server.port, request("GET /good/bytes/5"))).body.length, 5);
  socket.destroy();

  const answer = await client.answer();
  assert.equal(answer.status, 502);
  assert.equal(header(answer, "connection"), "close");
  assert.equal(await client.ended(), "end");
  client.close();
});
