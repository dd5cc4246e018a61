// Which URL the upstream sees: the rest of the path after the prefix is joined to the route's URL
// with exactly one slash, in normal form, and the query is kept as it came.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { type Echo, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** Host, target as sent, URL as the upstream sees it. */
const TABLE: readonly (readonly [string, string, string])[] = [
  ["any", "/api/v1/users", "/app/v1/users"],
  ["any", "/api", "/app/"],
  ["any", "/api/", "/app/"],
  ["any", "/api/v1/", "/app/v1/"],
  ["any", "/backend", "/"],
  ["any", "/backend/", "/"],
  ["any", "/backend/x/y", "/x/y"],
  ["any", "/nest/c", "/a/b/c"],
  ["any", "/nest", "/a/b/"],
  ["any", "/nest/deeper/c", "/deep/c"],
  ["any", "/", "/"],
  ["any", "/other", "/other"],
  // A prefix ends at a slash: these are other paths that only start with the same letters.
  ["any", "/apix", "/apix"],
  ["any", "/api-v2/users", "/api-v2/users"],
  ["any", "/backends", "/backends"],
  // The query takes no part in matching and is not changed.
  ["any", "/api/v1?x=1&y=%2e%2E/..", "/app/v1?x=1&y=%2e%2E/.."],
  ["any", "/api?x", "/app/?x"],
  ["any", "/backend?a=/api/", "/?a=/api/"],
  ["any", "/?", "/?"],
  ["any", "/other?/api/../x", "/other?/api/../x"],
  // Matching and forwarding use the same normal form.
  ["any", "/api/./v1", "/app/v1"],
  ["any", "/api/v1/../v2", "/app/v2"],
  ["any", "/api/../other", "/other"],
  ["any", "/other/%2e%2e/api/x", "/app/x"],
  ["any", "/other/%2E./api/x", "/app/x"],
  ["any", "/%61pi/x", "/app/x"],
  ["any", "/api/%7euser", "/app/~user"],
  ["any", "/api/a%2fb%c3%a9", "/app/a%2Fb%C3%A9"],
  ["any", "/api//x", "/app//x"],
  ["any", "/api/.", "/app/"],
  ["any", "/api/x/..", "/app/"],
  ["any", "/api/.hidden/..x/x..", "/app/.hidden/..x/x.."],
  // Absolute form: the target's authority is the host.
  ["any", "http://any/api/x?q", "/app/x?q"],
  ["any", "http://whole.test/api", "/base/api"],
  // Host routes strip nothing.
  ["whole.test", "/", "/base/"],
  ["whole.test", "/a/b?c", "/base/a/b?c"],
  ["whole.test", "/base/a", "/base/base/a"],
  ["WHOLE.test.:8080", "/a", "/base/a"],
];

describe("proxy prefix", () => {
  let upstream: Upstream;
  let server: TestServer;

  before(async () => {
    upstream = await startUpstream();
    const routes = [
      proxyRoute("/api/", `${upstream.url}/app/`),
      proxyRoute("/backend", upstream.url),
      proxyRoute("/nest", `${upstream.url}/a/b`),
      proxyRoute("/nest/deeper/", `${upstream.url}/deep`),
      proxyRoute("/", upstream.url),
      `[host_routes."whole.test"]\ntype = "Proxy"\nurl = "${upstream.url}/base"\n`,
    ];
    server = await startServer(serverSection() + routes.join("\n"));
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
  });

  for (const [host, target, expected] of TABLE) {
    test(`${host} ${target} → ${expected}`, async () => {
      const answer = await exchange(server.port, request(`GET ${target}`, [`Host: ${host}`]));
      assert.equal(answer.status, 200, answer.body.toString());
      const echo = JSON.parse(answer.body.toString()) as Echo;
      assert.equal(echo.url, expected);
    });
  }
});
