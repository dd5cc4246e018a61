// The requests that a worker warms up with: each route of every golden configuration gets its own,
// and what answers it is what would answer a client.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import type { MatchRoute, Program } from "zproxy/runtime/data/api.ts";
import { ResponseHead } from "zproxy/runtime/data/http1-response.ts";
import { ReplyWriter } from "zproxy/runtime/data/reply.ts";
import { Route } from "zproxy/runtime/data/route.ts";
import { serverStateBytes } from "zproxy/runtime/data/server-state.ts";
import { Server, UpstreamGroup } from "zproxy/runtime/data/upstream-server.ts";
import { REQUESTS_MAX, warmUp } from "zproxy/runtime/data/warm-up.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { loadProgram } from "../lib/generated-program.ts";

const FOLDER = "test/golden/compile";
const LIMIT_MS = 60_000;

/** Routes as a worker has them, on a machine where every path is a directory. */
function routesOf({ routes, upstreams }: Program): Route[] {
  const words = new Int32Array(new SharedArrayBuffer(serverStateBytes(1)));
  const groups = upstreams.map((group) => {
    const servers = group.servers.map((server) => new Server(server, words));
    return new UpstreamGroup(group, servers, new Int32Array(1));
  });
  return routes.map((settings, at) => {
    const route = new Route(settings, groups, at);
    route.isDirectory = true;
    return route;
  });
}

for (const name of readdirSync(FOLDER)) {
  test(`every route of ${name} is warmed up`, async (t) => {
    const text = readFileSync(`${FOLDER}/${name}/config.toml`, "utf8");
    const program = await loadProgram(compile({ path: "config.toml", text }).files);
    const seen = new Set<number>();
    const matchRoute: MatchRoute = (...request) => {
      const index = program.matchRoute(...request);
      seen.add(index);
      return index;
    };
    const answers = t.mock.method(ResponseHead.prototype, "scan").mock;
    const replies = t.mock.method(ReplyWriter.prototype, "write").mock;
    const routes = routesOf(program);
    const asked = warmUp({ ...program, matchRoute }, routes, LIMIT_MS);
    assert.equal(asked, routes.length === 0 ? 0 : REQUESTS_MAX);
    // Which of a route's targets a request goes to is up to its conditions.
    const entries = program.routes.filter(({ key }) => !key.includes(".when."));
    const missing = entries.filter((entry) => !seen.has(program.routes.indexOf(entry)));
    assert.deepEqual(missing, []);
    assert.deepEqual(replies.calls, [], "refusals");
    if (entries.some(({ kind, choose }) => kind === "proxy" && choose === undefined))
      assert.ok(answers.callCount() > 0, "answers of upstreams");
  });
}

test("ten thousand routes leave time for requests", async () => {
  const text = serverSection() + proxyRoute("/", "http://127.0.0.1:9001");
  const program = await loadProgram(compile({ path: "config.toml", text }).files);
  const upstreams = Array.from({ length: 10_000 }, () => program.upstreams[0]!);
  const routes = upstreams.map((_, upstream) => ({ ...program.routes[0]!, upstream }));
  const many = { ...program, routes, upstreams };
  assert.ok(warmUp(many, routesOf(many), 15) > 0);
});
