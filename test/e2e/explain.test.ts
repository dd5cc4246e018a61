// What `zproxy explain` says is what the server does: the same requests are asked of a probe and
// sent to a server of the same configuration, which passes them on to a server that tells what it
// was sent.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { requestHead } from "zproxy/compiler/2-check/values/request-line.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { decide, lookedUp } from "zproxy/compiler/explain/decision.ts";
import { loadFileProbe, loadProbe } from "zproxy/compiler/load-program.ts";
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

/** Folders, files and links of every kind; names below `root/` are served. */
function makeFiles(folder: string): void {
  const root = join(folder, "root");
  mkdirSync(join(root, "docs", "empty"), { recursive: true });
  mkdirSync(join(root, "a b"));
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(folder, "robots.txt"), "robots");
  writeFileSync(join(root, "a.txt"), "a");
  writeFileSync(join(root, "a b", "ü.JSON"), "{}");
  writeFileSync(join(root, "docs", "index.html"), "<p>docs</p>");
  writeFileSync(join(root, "plain"), "no extension");
  writeFileSync(Buffer.concat([Buffer.from(join(root, "raw")), Buffer.from([0xff])]), "bytes");
  symlinkSync("docs/index.html", join(root, "inside"));
  symlinkSync("../docs", join(root, "docs", "up"));
  symlinkSync(join(root, "a.txt"), join(root, "absolute"));
  symlinkSync("../secret.txt", join(root, "outside"));
  symlinkSync("../root/a.txt", join(root, "out-and-in"));
  symlinkSync("nowhere", join(root, "dangling"));
  symlinkSync("round", join(root, "round"));
  execFileSync("mkfifo", [join(root, "fifo")]);
}

const FILE_PATHS = [
  ...["", "/", "/a.txt", "/a.txt/", "/a.txt/x", "/a%20b/%C3%BC.JSON", "/docs", "/docs/", "//docs"],
  ...["/docs/empty", "/docs/empty/", "/docs/index.html", "/docs//index.html", "/plain", "/none"],
  ...["/inside", "/docs/up", "/docs/up/up/index.html", "/absolute", "/outside", "/out-and-in"],
  ...["/raw%FF", "/none%ff", "/dangling", "/round", "/fifo", "/none/", "/docs/none/x"],
];

test("explain --host and the server agree about files", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-explain-"));
  makeFiles(folder);
  const root = JSON.stringify(join(folder, "root"));
  const robots = JSON.stringify(join(folder, "robots.txt"));
  const text = `[server]
listen = "127.0.0.1:0"
threads = 1

[host_routes."single.test"]
path = ${robots}

[path_routes."*"]
"/files" = { path = ${root} }
"/memory" = { path = ${root}, mode = "memory" }
"/robots.txt" = { path = ${robots} }
"/slash" = { path = ${root}, index = "a.txt" }
"/slash/docs/empty" = { path = ${root} }
`;
  const { ir, files } = compile({ path: "config.toml", text });
  assert.ok(ir !== undefined);
  const probe = await loadProbe(files, process.cwd());
  const probeFile = await loadFileProbe(files, process.cwd());
  const server = await startServer(text);
  t.after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  const seen = new Set<number>();
  const urls = ["files", "memory", "robots.txt", "slash"].flatMap((prefix) =>
    FILE_PATHS.map((path) => `any.test/${prefix}${path}`),
  );
  for (const url of [...urls, "single.test/", "single.test/x", "single.test//"]) {
    const [authority, ...steps] = url.split("/");
    const request = { method: "GET", authority: authority!, target: `/${steps.join("/")}` };
    const head = requestHead(request, []);
    const asked = decide(ir, probe, { request: url, head, peer: "127.0.0.1" });
    const { status = 200, outcome } = lookedUp(asked, probeFile);
    const client = await RawClient.connect(server.port);
    await client.send(`${head}\r\n\r\n`);
    const answer = await client.answer();
    client.close();
    assert.equal(answer.status, status, `${url}\n${JSON.stringify(outcome)}`);
    seen.add(status);
    if (status !== 200) continue;
    assert.ok(outcome?.kind === "file" && outcome.here !== undefined);
    assert.equal(fieldOf(answer.headers, "content-type"), outcome.here.type, url);
    const { path } = outcome.here;
    if (path.includes("\ufffd")) continue; // its name is printed, and can't be opened by that
    assert.equal(answer.body.toString(), readFileSync(path, "utf8"), url);
  }
  assert.deepEqual([...seen].sort(), [200, 403, 404]);
});

function fieldOf(headers: readonly (readonly [string, string])[], name: string) {
  return headers.find(([it]) => it.toLowerCase() === name.toLowerCase())?.[1];
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
  ["Max-Forwards", "0"],
  ["Max-Forwards", "5"],
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
      const { status, body, headers } = await client.answer();
      client.close();
      assert.equal(status, decision.status ?? 200, `${head}\n${JSON.stringify(decision)}`);
      seen.add(status);
      for (const line of decision.answer) {
        const [name, value] = line.split(": ") as [string, string];
        assert.equal(fieldOf(headers, name), value, head);
      }
      if (decision.outcome?.kind !== "proxy") continue;
      const [target] = decision.outcome.targets;
      assert.equal(body.toString(), target!.head.join("\r\n"), `${peer}: ${head}`);
    }
    assert.deepEqual([...seen].sort(), [200, 400, 403, 404, 405, 413, 431], "every kind came up");
    await server.stop();
    await teller.stop();
  }));
