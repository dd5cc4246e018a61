// What "npm start" runs: the first thing a newcomer sees must work, and stop on Ctrl+C.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { formats } from "zproxy/compiler/diagnostics/formats.ts";
import { header } from "../lib/answer.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, request } from "../lib/raw-client.ts";
// The example runs the built command, which importing this module makes sure of.
import { COMMAND, compileConfig } from "../lib/server.ts";
import { closedPort, startUpstream } from "../lib/upstreams.ts";

test("npm start serves the page and the API, and a signal to npm alone stops both", async () => {
  assert.ok(COMMAND.endsWith("build/zproxy.mjs"));
  const port = await closedPort(2);
  const cache = mkdtempSync(join(tmpdir(), "zproxy-cache-"));
  const env = { PORT: String(port), XDG_CACHE_HOME: cache };
  const child = new TestProcess("npm", ["start"], { env });
  try {
    await child.until("the URL", () => child.stdout.includes("Open http://") || undefined);
    const page = await exchange(port, request("GET /"));
    assert.equal(page.status, 200);
    assert.match(page.body.toString(), /zproxy is running/);
    for (const name of ["style.css", "page.js"]) {
      assert.equal((await exchange(port, request(`GET /${name}`))).status, 200, name);
    }
    const api = await exchange(port, request("GET /api/hello?name=you"));
    assert.equal(header(api, "content-type"), "application/json");
    assert.equal(JSON.parse(api.body.toString()).url, "/hello?name=you");
    assert.equal((await exchange(port, request("DELETE /api/hello"))).status, 405);
    assert.equal((await child.stop("SIGINT")).code, 0, child.output);
    await assert.rejects(exchange(port + 1, request("GET /")), /ECONNREFUSED/);
  } finally {
    if (child.running) await child.stop("SIGTERM");
    rmSync(cache, { recursive: true });
  }
});

test("a port that is taken gives a sentence with a way out", async () => {
  const upstream = await startUpstream();
  const env = { PORT: String(upstream.port) };
  const child = new TestProcess(process.execPath, ["examples/start.mjs"], { env });
  assert.equal((await child.exited()).code, 1);
  assert.match(child.stderr, /^Port \d+ is in use .*PORT=9000 npm start\n$/);
  await upstream.stop();
});

const README = readFileSync("README.md", "utf8");

/** The README's first block in a language. */
function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(README)?.[1] ?? "";
}

test("the README's configuration compiles to the code the README shows", async () => {
  const folder = await compileConfig(block("toml"));
  const generated = readFileSync(join(folder, "dist/generated/match.ts"), "utf8");
  rmSync(folder, { recursive: true });
  assert.ok(block("ts").length > 0);
  assert.ok(generated.includes(block("ts")), generated);
});

test("the README's mistake is reported as the README shows it", () => {
  const source = { path: "config.toml", text: block("toml").replace('"File"', '"Fil"') };
  const { diagnostics } = checkSource(source);
  const text = formats.text(source, diagnostics, { color: false });
  assert.equal(`$ npx zproxy check\n${text}`, block("console"));
});
