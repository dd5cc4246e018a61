// What `zproxy explain` says, as people see it, about requests that end in every way there is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseRequestLine, requestHead } from "zproxy/compiler/2-check/values/request-line.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { type Decision, decide } from "zproxy/compiler/explain/decision.ts";
import { printDecision } from "zproxy/compiler/explain/decision-text.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import { expectGolden } from "../lib/golden.ts";

const FOLDER = "test/golden/explain";

type Header = readonly [name: string, value: string];

const REQUESTS: readonly (readonly [line: string, peer: string, ...headers: Header[]])[] = [
  ["GET http://example.com/api/users?x=1", "10.0.0.1", ["X-Forwarded-For", "10.2.3.4"]],
  ["GET http://example.com/api/users", "10.0.0.66"],
  ["GET http://example.com/api/users", "192.0.2.1"],
  ["PUT http://example.com/api/users", "10.3.0.1"],
  ["POST http://example.com/api", "2001:db8::1", ["Content-Length", "99999999"]],
  ["POST http://example.com/api", "2001:db8::1", ["Transfer-Encoding", "chunked"]],
  ["GET http://example.com/apis", "127.0.0.1"],
  ["GET http://EXAMPLE.com:8080/%61b/../c/", "::1"],
  ["GET http://example.com/a%2fb", "127.0.0.1"],
  ["GET http://a.example.com/x/%41?q", "127.0.0.1"],
  ["GET http://a.example.com/y", "127.0.0.1"],
  ["GET http://[::1]/", "127.0.0.1"],
  ["DELETE http://other.test/", "127.0.0.1"],
  ["GET http://example.com/../x", "127.0.0.1"],
  ["GET http://example.com/", "127.0.0.1", ["Transfer-Encoding", "gzip"]],
  ["GET http://example.com/", "127.0.0.1", ["X-Long", "x".repeat(8192)]],
  ["GET http://example.com/app/x", "10.3.0.1", ["X-Beta", "0"], ["x-beta", "2"]],
  ["GET http://example.com/app/x?%64own", "192.0.2.1", ["X-Beta", "1"], ["Cookie", "a=b"]],
  ["PUT http://example.com/app?down", "192.0.2.1", ["User-Agent", "a bot"]],
  ["PUT http://example.com/app?down", "192.0.2.1", ["User-Agent", "curl"]],
  ["GET http://example.com/app?x=down", "192.0.2.1", ["X-Beta", "1"]],
  ["OPTIONS http://a.example.com/x", "127.0.0.1", ["Max-Forwards", "0"]],
  ["OPTIONS http://a.example.com/x", "127.0.0.1", ["Max-Forwards", "1"]],
];

async function decisions(): Promise<Decision[]> {
  const text = readFileSync(join(FOLDER, "config.toml"), "utf8");
  const { ir, files } = compile({ path: "config.toml", text });
  assert.ok(ir !== undefined);
  const probe = await loadProbe(files, process.cwd());
  return REQUESTS.map(([line, peer, ...headers]) => {
    const request = parseRequestLine(line);
    assert.ok(request.ok, line);
    return decide(ir, probe, { request: line, head: requestHead(request.value, headers), peer });
  });
}

test("golden: decisions in words", async () => {
  const text = (await decisions()).map(printDecision).join("\n---\n\n");
  const config = readFileSync(join(FOLDER, "config.toml"), "utf8");
  expectGolden(FOLDER, [
    { path: "config.toml", text: config },
    { path: "expected.txt", text },
  ]);
});

test("exactly one host and one path are taken by a request that has a route", async () => {
  for (const { route, hosts, paths, targets, request } of await decisions()) {
    if (route === undefined) continue;
    assert.equal(hosts.filter(({ taken }) => taken).length, 1, request);
    assert.equal(paths.filter(({ taken }) => taken).length, 1, request);
    assert.ok(targets.length === 0 || targets.filter(({ taken }) => taken).length === 1, request);
  }
});
