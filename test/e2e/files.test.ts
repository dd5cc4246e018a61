// Static files over HTTP, in both modes: the same site must look the same, sent from the page cache
// or from memory.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, header } from "../lib/answer.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { patience } from "../lib/patience.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes } from "../lib/upstreams.ts";

const BIG = Buffer.from(sizedBytes(3_000_001, 7));

/** Writes the site below `folder` and a secret beside it. */
function writeSite(folder: string): void {
  const site = join(folder, "site");
  mkdirSync(join(site, "sub/deep"), { recursive: true });
  mkdirSync(join(site, "bare"));
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(site, "index.html"), "<p>home");
  writeFileSync(join(site, "sub/index.html"), "<p>sub");
  writeFileSync(join(site, "sub/deep/index.html"), "<p>deep");
  writeFileSync(join(site, "page.css"), "p { margin: 0 }");
  writeFileSync(join(site, "empty.txt"), "");
  writeFileSync(join(site, "IMG_1.JPG"), "photo");
  writeFileSync(join(site, "Notes.Txt"), "notes");
  writeFileSync(join(site, "a.longer-than-any-known-extension"), "unknown");
  writeFileSync(join(site, ".hidden"), "dot");
  writeFileSync(join(site, "two words.txt"), "spaced");
  writeFileSync(join(site, "bare/data.bin"), Buffer.from([0, 1, 2, 255]));
  writeFileSync(join(site, "big.bin"), BIG);
  symlinkSync("page.css", join(site, "inside.css"));
}

for (const mode of ["sendfile", "memory"]) {
  describe(`files, mode ${mode}`, () => {
    let folder: string;
    let server: TestServer;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
      writeSite(folder);
      if (mode === "sendfile") {
        // Loading to memory follows links when it starts; only on-demand opening can be tricked.
        symlinkSync("../secret.txt", join(folder, "site/escape.txt"));
        symlinkSync("/etc", join(folder, "site/escape"));
      }
      const settings = [`mode = "${mode}"`];
      const routes = [
        fileRoute("/", join(folder, "site"), settings),
        fileRoute("/alias/", join(folder, "site/sub"), settings),
        fileRoute("/other-index", join(folder, "site"), [...settings, 'index = "page.css"']),
        fileRoute("/robots.txt", join(folder, "site/page.css"), settings),
        `[host_routes."one.test"]\npath = "${join(folder, "site/.hidden")}"\n${settings[0]}\n`,
      ];
      server = await startServer(serverSection() + routes.join("\n"));
    });

    after(async () => {
      await server.stop();
      rmSync(folder, { recursive: true });
    });

    const get = (target: string, fields: readonly string[] = []): Promise<Answer> =>
      exchange(server.port, request(`GET ${target}`, fields));

    const found: readonly (readonly [string, string, RegExp])[] = [
      ["/", "<p>home", /^text\/html; *charset=utf-8$/i],
      ["/?query", "<p>home", /^text\/html/],
      ["/index.html", "<p>home", /^text\/html/],
      ["/sub/", "<p>sub", /^text\/html/],
      ["/sub", "<p>sub", /^text\/html/],
      ["/sub/deep/", "<p>deep", /^text\/html/],
      ["/page.css", "p { margin: 0 }", /^text\/css; *charset=utf-8$/i],
      ["/inside.css", "p { margin: 0 }", /^text\/css/],
      ["/.hidden", "dot", /./],
      ["/two%20words.txt", "spaced", /^text\/plain; *charset=utf-8$/i],
      ["/empty.txt", "", /^text\/plain/],
      ["/IMG_1.JPG", "photo", /^image\/jpeg$/],
      ["/Notes.Txt", "notes", /^text\/plain; *charset=utf-8$/i],
      ["/a.longer-than-any-known-extension", "unknown", /^application\/octet-stream$/],
      ["/sub/../page.css", "p { margin: 0 }", /^text\/css/],
      ["/./sub/./deep/../index.html", "<p>sub", /^text\/html/],
      ["/sub/%2e%2e/page.css", "p { margin: 0 }", /^text\/css/],
      ["/p%61ge.css", "p { margin: 0 }", /^text\/css/],
      ["/alias/", "<p>sub", /^text\/html/],
      ["/alias", "<p>sub", /^text\/html/],
      ["/alias/deep/index.html", "<p>deep", /^text\/html/],
      ["/other-index/", "p { margin: 0 }", /^text\/css/],
      ["/robots.txt", "p { margin: 0 }", /./],
    ];
    for (const [target, content, type] of found) {
      test(`${target} is found`, async () => {
        const answer = await get(target);
        assert.equal(answer.status, 200);
        assert.equal(answer.body.toString(), content);
        assert.equal(header(answer, "content-length"), String(content.length));
        assert.match(header(answer, "content-type") ?? "", type);
        assert.ok(Date.parse(header(answer, "date") ?? "") > 0);
      });
    }

    test("the date is that of the answer, not of the first one", async () => {
      const dateOf = async () => Date.parse(header(await get("/robots.txt"), "date") ?? "");
      const first = await dateOf();
      for (let tries = 0; (await dateOf()) === first && tries < 100; tries++) await sleep(50);
      const last = await dateOf();
      assert.ok(last > first, "it stands still");
      assert.ok(Math.abs(Date.now() - last) < patience(5000), new Date(last).toISOString());
    });

    for (const target of [
      "/none",
      "/sub/none.html",
      "/bare/",
      "/page.css/x",
      "/robots.txt/extra",
    ]) {
      test(`${target} is 404`, async () => {
        assert.equal((await get(target)).status, 404);
      });
    }

    test("a host route to a file answers / only", async () => {
      const fields = ["Host: one.test"];
      assert.equal((await get("/", fields)).body.toString(), "dot");
      assert.equal((await get("/page.css", fields)).status, 404);
    });

    // Dot segments are resolved before the file system sees them; above the root there is nothing.
    for (const target of ["/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/.."]) {
      test(`${target} is 400`, async () => {
        assert.equal((await get(target)).status, 400);
      });
    }

    for (const target of [
      "/..%2fsecret.txt",
      "/sub/..%2f..%2fsecret.txt",
      "/%2e%2e%2Fsecret.txt",
    ]) {
      test(`${target} gives nothing away`, async () => {
        const answer = await get(target);
        assert.ok([400, 403, 404].includes(answer.status), `status ${answer.status}`);
        assert.ok(!answer.body.includes("secret\n") && answer.body.toString() !== "secret");
      });
    }

    for (const target of ["/a%00b", "/%00", "/page.css%00", "/a%0ab", "/%zz", "/%4"]) {
      test(`${target} is 400`, async () => {
        assert.equal((await get(target)).status, 400);
      });
    }

    if (mode === "sendfile") {
      for (const target of ["/escape.txt", "/escape/passwd"]) {
        test(`${target}, a link out of the root, is 403`, async () => {
          assert.equal((await get(target)).status, 403);
        });
      }
    }

    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get"]) {
      test(`${method} is 405 with Allow`, async () => {
        const answer = await exchange(server.port, request(`${method} /page.css`));
        assert.equal(answer.status, 405);
        const allow = (header(answer, "allow") ?? "").split(/, */).sort();
        assert.deepEqual(allow, ["GET", "HEAD"]);
      });
    }

    test("POST with a body is refused and the connection is still in step", async () => {
      const client = await RawClient.connect(server.port);
      await client.send(request("POST /page.css", ["Content-Length: 5"], "hello"));
      const answer = await client.answer();
      assert.equal(answer.status, 405);
      if (header(answer, "connection") !== "close") {
        await client.send(request("GET /.hidden"));
        assert.equal((await client.answer()).body.toString(), "dot");
      }
      client.close();
    });

    test("HEAD has the headers of GET and no body", async () => {
      const client = await RawClient.connect(server.port);
      await client.send(request("HEAD /big.bin") + request("GET /.hidden"));
      const head = await client.answer("HEAD");
      assert.equal(head.status, 200);
      assert.equal(header(head, "content-length"), String(BIG.length));
      assert.equal((await client.answer()).body.toString(), "dot");
      client.close();
    });

    test("a large file is complete, also pipelined and read slowly", async () => {
      const client = await RawClient.connect(server.port);
      await client.send(
        request("GET /big.bin") + request("GET /.hidden") + request("GET /big.bin"),
      );
      assert.ok((await client.answer()).body.equals(BIG));
      assert.equal((await client.answer()).body.toString(), "dot");
      assert.ok((await client.answer()).body.equals(BIG));
      client.close();
    });

    test("a client that leaves in the middle of a large file does no harm", async () => {
      for (const reset of [false, true]) {
        const client = await RawClient.connect(server.port);
        await client.send(request("GET /big.bin") + request("GET /big.bin"));
        await client.received(1000);
        client.close(reset);
      }
      assert.equal((await get("/.hidden")).body.toString(), "dot");
    });
  });
}
