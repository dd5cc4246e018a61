// What `zproxy explain` says is what the server does: the same requests are asked of a probe and
// sent to a server of the same configuration, which passes them on to a server that tells what it
// was sent.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { requestHead } from "zproxy/compiler/2-check/values/request-line.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { decide } from "zproxy/compiler/explain/decision.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { RawClient } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";

const REQUESTS = 400;

/** An upstream that answers with its request: the line, then the header lines. */
async function startTeller() {
  const server = createServer(({ method, url, rawHeaders }, response) => {
    const lines = [`${method} ${url} HTTP/1.1`];
    for (let at = 0; at < rawHeaders.length; at += 2) {
      lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
    }
    response.end(lines.join("\r\n"));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}

function configFor(url: string): string {
  return `[server]
listen = "127.0.0.1:0"
threads = 1
trusted_proxies = ["127.0.0.1"]

[host_routes."*.test"]
type = "Proxy"
url = "${url}/host"
preserve_host = true

[path_routes."example.com"."/api/"]
type = "Proxy"
url = "${url}/v1/"
security = { allowed_methods = ["GET", "POST"], denied_ips = ["10.9.0.0/16"] }

[path_routes."example.com"."/api/inner"]
type = "Proxy"
url = "${url}"
security = { allowed_ips = ["10.0.0.0/8"], max_request_header_size = 200 }

[path_routes."*"."/any"]
type = "Proxy"
url = "${url}/any/"
security = { max_request_body_size = 0, max_chunked_body_size = 0 }

[path_routes."::1"."/"]
type = "Proxy"
url = "${url}/loopback"

[path_routes."2001:db8::1"."/any"]
type = "Proxy"
url = "${url}/literal"

[path_routes."*"."/file"]
type = "File"
path = "page.txt"
security = { max_request_body_size = 3 }

[[path_routes."*"."/file".when]]
name = "proto"
if = 'header("x-forwarded-proto")'
type = "Proxy"
url = "${url}/elsewhere"
`;
}

const METHODS = ["GET", "POST", "PUT", "OPTIONS"];
const HOSTS = ["example.com", "Example.COM.", "a.test", "test", "other", "a_b.x.test:80"];
const LITERALS = ["[::1]", "[0:0:0:0:0:0:0:1]:80", "[2001:DB8::0:1]", "[::2]"];
const PATHS = [
  ...["/", "/api", "/api/", "/api/users?a=b", "/apis", "/api/inner", "/api/inner/x/../y"],
  ...["/api/inner?", "/%61pi/%2fx", "/any", "/any/%7e/", "/api/../any?", "/../x", "/a%zz", "//api"],
  ...["/file", "/file?c"],
];
/** A trusted proxy, and a stranger. */
const PEERS = ["127.0.0.1", "127.0.0.2"];
const HEADERS: readonly (readonly [string, string])[] = [
  ["X-Forwarded-For", "10.9.1.1"],
  ["X-Forwarded-For", "10.1.1.1, 127.0.0.1"],
  ["X-Forwarded-Proto", "https"],
  ["Accept", "*/*"],
  // Twice, so that no seed goes without a head that is too long.
  ["X-Padding", "x".repeat(150)],
  ["X-Padding", "y".repeat(150)],
  ["Connection", "accept"],
  ["TE", "trailers"],
  ["Content-Length", "5"],
];

function randomHead(random: Random): string {
  const headers = HEADERS.filter(() => random.below(4) === 0);
  const authority = random.pick([...HOSTS, ...LITERALS]);
  const request = { method: random.pick(METHODS), authority, target: random.pick(PATHS) };
  return requestHead(request, headers);
}

test("explain and the server agree", () =>
  withRandom(async (random) => {
    const teller = await startTeller();
    const text = configFor(teller.url);
    const { ir, files } = compile({ path: "config.toml", text });
    assert.ok(ir !== undefined);
    const probe = await loadProbe(files, process.cwd());
    const server = await startServer(text, {
      prepare: (folder) => writeFileSync(join(folder, "page.txt"), "a page"),
    });
    const seen = new Set<number>();
    for (let count = 0; count < REQUESTS; count++) {
      const head = randomHead(random);
      const peer = random.pick(PEERS);
      const decision = decide(ir, probe, { request: head, head, peer });
      const client = await RawClient.connect(server.port, "127.0.0.1", peer);
      await client.send(`${head}\r\n\r\n${head.includes("Content-Length") ? "hello" : ""}`);
      const { status, body } = await client.answer();
      client.close();
      assert.equal(status, decision.status ?? 200, `${head}\n${JSON.stringify(decision)}`);
      seen.add(status);
      if (decision.outcome?.kind !== "proxy") continue;
      const [target] = decision.outcome.targets;
      assert.equal(body.toString(), target!.head.join("\r\n"), `${peer}: ${head}`);
    }
    assert.deepEqual([...seen].sort(), [200, 400, 403, 404, 405, 413, 431], "every kind came up");
    await server.stop();
    await teller.stop();
  }));
