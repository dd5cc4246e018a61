// The programs people really put around a proxy: nginx behind it; curl, wrk, ab and undici before.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { request as undiciRequest } from "undici";
import { header } from "../lib/answer.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { startNginx } from "../lib/nginx.ts";
import { runProcess } from "../lib/process.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { type Echo, sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

describe("nginx as upstream", () => {
  test("files, ranges, revalidation, errors and keep-alive pass through", async (t) => {
    const program = requireTool(t, "nginx");
    if (program === undefined) return;
    const folder = mkdtempSync(join(tmpdir(), "zproxy-nginx-"));
    const content = Buffer.from(sizedBytes(1024 * 1024, 5));
    writeFileSync(join(folder, "big.bin"), content);
    const nginx = await startNginx(program, `location / { root ${folder}; }`);
    const server = await startServer(serverSection() + proxyRoute("/n", nginx.url));
    try {
      for (let round = 0; round < 3; round++) {
        const whole = await exchange(server.port, request("GET /n/big.bin"));
        assert.equal(whole.status, 200);
        assert.ok(whole.body.equals(content));
        const etag = header(whole, "etag") ?? "";
        const again = await exchange(
          server.port,
          request("GET /n/big.bin", [`If-None-Match: ${etag}`]),
        );
        assert.equal(again.status, 304);
        const range = await exchange(server.port, request("GET /n/big.bin", ["Range: bytes=9-99"]));
        assert.equal(range.status, 206);
        assert.ok(range.body.equals(content.subarray(9, 100)));
        assert.equal((await exchange(server.port, request("GET /n/none"))).status, 404);
        const head = await exchange(server.port, request("HEAD /n/big.bin"));
        assert.equal(header(head, "content-length"), String(content.length));
      }
    } finally {
      await nginx.stop();
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

describe("clients", () => {
  let folder: string;
  let upstream: Upstream;
  let server: TestServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "zproxy-peers-"));
    mkdirSync(join(folder, "site"));
    writeFileSync(join(folder, "site/index.html"), "<p>site");
    writeFileSync(join(folder, "upload.bin"), sizedBytes(2_000_000, 11));
    upstream = await startUpstream();
    const routes = [proxyRoute("/app", upstream.url), fileRoute("/", join(folder, "site"))];
    server = await startServer(serverSection() + routes.join("\n"));
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  test("curl downloads, with 1.1, with 1.0, and as HEAD", async (t) => {
    const curl = requireTool(t, "curl");
    if (curl === undefined) return;
    const target = join(folder, "download.bin");
    const url = `${server.url}/app/bytes/700000?seed=3`;
    for (const flags of [[], ["--http1.0"]]) {
      const run = await runProcess(curl, ["-sSf", ...flags, "-o", target, url]);
      assert.ok(run.ok, run.stderr);
      assert.equal(sha256(readFileSync(target)), sha256(sizedBytes(700_000, 3)));
    }
    const head = await runProcess(curl, ["-sSfI", `${server.url}/`]);
    assert.match(head.stdout, /^HTTP\/1\.1 200 .*content-length: 7\r\n/is);
  });

  for (const [name, flags] of [
    ["with a length and 100-continue", ["-H", "Expect: 100-continue", "--data-binary"]],
    ["chunked", ["-H", "Transfer-Encoding: chunked", "-X", "POST", "--data-binary"]],
  ] as const) {
    test(`curl uploads ${name}`, async (t) => {
      const curl = requireTool(t, "curl");
      if (curl === undefined) return;
      const file = `@${join(folder, "upload.bin")}`;
      const run = await runProcess(curl, ["-sSf", ...flags, file, `${server.url}/app/x`]);
      assert.ok(run.ok, run.stderr);
      const echo = JSON.parse(run.stdout) as Echo;
      assert.equal(echo.bodySha256, sha256(sizedBytes(2_000_000, 11)));
    });
  }

  for (const path of ["/app/bytes/100", "/"]) {
    test(`wrk sees no error on ${path}`, async (t) => {
      const wrk = requireTool(t, "wrk");
      if (wrk === undefined) return;
      const run = await runProcess(wrk, ["-t1", "-c32", "-d1s", `${server.url}${path}`]);
      assert.ok(run.ok, run.stderr);
      assert.doesNotMatch(run.stdout, /Non-2xx|Socket errors/);
      assert.match(run.stdout, /[1-9]\d* requests in/);
    });

    test(`ab sees no failure on ${path}, with keep-alive and without`, async (t) => {
      const ab = requireTool(t, "ab");
      if (ab === undefined) return;
      for (const flags of [["-k"], []]) {
        const run = await runProcess(ab, [
          ...flags,
          ...["-q", "-n", "1000", "-c", "16", `${server.url}${path}`],
        ]);
        assert.ok(run.ok, run.stderr);
        assert.match(run.stdout, /Complete requests: +1000\n/);
        assert.match(run.stdout, /Failed requests: +0\n/);
        assert.doesNotMatch(run.stdout, /Non-2xx/);
      }
    });
  }

  test("undici and fetch", async () => {
    const answer = await undiciRequest(`${server.url}/app/x?a=b`, { method: "PUT", body: "text" });
    const echo = (await answer.body.json()) as Echo;
    assert.deepEqual([echo.method, echo.url, echo.bodyBytes], ["PUT", "/x?a=b", 4]);
    const page = await fetch(`${server.url}/`, { headers: { connection: "close" } });
    assert.equal(await page.text(), "<p>site");
  });
});
