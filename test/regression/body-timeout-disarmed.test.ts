// Whatever was sent to a client, a 100 (Continue) or the beginning of an early answer, took away
// the timeout for its body: a client that then fell silent was waited for without end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readAnswer } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";
import { startHeadScript } from "../lib/upstreams.ts";

test("the timeout for a body outlives what is sent before it", async (t) => {
  const continuing = await startHeadScript(({ socket }) => {
    socket.write("HTTP/1.1 100 Continue\r\n\r\n");
  });
  const early = await startHeadScript(({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\nabc");
  });
  const security = ["client_body_timeout_secs = 1"];
  const routes = [
    proxyRoute("/continue", continuing.url, security),
    proxyRoute("/early", early.url, security),
  ];
  const server = await startServer(serverSection() + routes.join("\n"));
  t.after(async () => {
    await continuing.stop();
    await early.stop();
    await server.stop();
  });

  const asking = await RawClient.connect(server.port);
  await asking.send(request("POST /continue", ["Content-Length: 10", "Expect: 100-continue"]));
  const answered = await RawClient.connect(server.port);
  await answered.send(request("POST /early", ["Content-Length: 10"]));

  const answer = await asking.answer();
  assert.deepEqual([answer.interim[0]?.status, answer.status], [100, 408]);
  await answered.ended();
  assert.match(answered.pending.toString(), /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(readAnswer(answered.pending, "POST", true), undefined, "the answer is cut");

  asking.close();
  answered.close();
});
