// Conditions and ranges that are not ours to judge: on a proxied request they pass, and so do the
// answers to them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { type Echo, startUpstream, type Upstream } from "../lib/upstreams.ts";

const FIELDS: Readonly<Record<string, string>> = {
  "If-Match": '"a", W/"b"',
  "If-None-Match": "*",
  "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT",
  "If-Unmodified-Since": "no date at all",
  "If-Range": '"a"',
  Range: "bytes=0-1,2-3",
};

describe("conditional requests that are proxied", () => {
  let upstream: Upstream;
  let server: TestServer;

  before(async () => {
    upstream = await startUpstream();
    server = await startServer(serverSection() + proxyRoute("/", upstream.url));
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
  });

  const echoOf = async (fields: readonly string[]): Promise<Echo> => {
    const answer = await exchange(server.port, request("GET /", fields));
    assert.equal(answer.status, 200);
    return JSON.parse(answer.body.toString()) as Echo;
  };

  test("the fields pass as they came", async () => {
    const echo = await echoOf(Object.entries(FIELDS).map(([name, value]) => `${name}: ${value}`));
    for (const [name, value] of Object.entries(FIELDS))
      assert.equal(echo.headers[name.toLowerCase()], value);
  });

  for (const [name, value] of Object.entries(FIELDS)) {
    test(`Connection can take ${name} out`, async () => {
      const echo = await echoOf([`${name}: ${value}`, `Connection: ${name.toLowerCase()}`]);
      assert.equal(echo.headers[name.toLowerCase()], undefined);
    });
  }

  for (const status of [304, 206, 412, 416]) {
    test(`a ${status} passes`, async () => {
      const answer = await exchange(server.port, request(`GET /status/${status}`));
      assert.equal(answer.status, status);
      assert.equal(answer.body.length, 0);
    });
  }
});
