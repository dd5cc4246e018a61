// What a bundle holds: the code of the features its configuration uses, and none of the others.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bundleServer, bundleSupervisor, packagesOf } from "zproxy/compiler/bundle-server.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";

const QUICKSTART_BYTES_MAX = 120_000;

const FILES = serverSection() + fileRoute("/", "/srv/www");
const PROXY = serverSection() + proxyRoute("/", "http://127.0.0.1:1");
const CHECKED = `${serverSection()}
[upstreams.api]
servers = ["http://127.0.0.1:1"]
health_check = {}

[host_routes."*"]
type = "Proxy"
upstream = "api"
`;

function compiled(text: string) {
  const { files, features, diagnostics } = compile({ path: "config.toml", text });
  assert.deepEqual(diagnostics, []);
  return { files, features, packageRoot: process.cwd() };
}

async function serverText(text: string, minify = false): Promise<string> {
  const outputs = new Map(await bundleServer(compiled(text), minify));
  return Buffer.from(outputs.get("server.cjs")!).toString();
}

/** The modules of a bundle, from the comments that esbuild puts before them. */
function modulesOf(bundle: string): string[] {
  return Array.from(bundle.matchAll(/^\/\/ (\S+\.ts)$/gm), ([, path]) => path!);
}

/** Modules that only a request which is passed on needs. */
const PROXY_MODULES = ["proxy", "proxy-head", "response", "tunnel", "upstream", "chunked"].map(
  (name) => `runtime/data/${name}.ts`,
);

test("a configuration without upstreams holds no proxy code", async () => {
  const modules = modulesOf(await serverText(FILES));
  assert.ok(modules.includes("runtime/data/files.ts"), modules.join(" "));
  for (const module of PROXY_MODULES) assert.ok(!modules.includes(module), module);
});

test("a configuration with upstreams holds proxy code", async () => {
  const modules = modulesOf(await serverText(PROXY));
  for (const module of PROXY_MODULES) assert.ok(modules.includes(module), module);
});

/** Modules that only a request for a file needs. */
const FILE_MODULES = [
  ...["files", "file-answer", "file-cache", "file-conditions", "file-ranges", "file-store"].map(
    (name) => `runtime/data/${name}.ts`,
  ),
  "runtime/control/file-loader.ts",
  "node_modules/mrmime/index.mjs",
];

test("a configuration without files holds no code for files, one with them does", async () => {
  const [without, with_] = await Promise.all([serverText(PROXY), serverText(FILES)]);
  const modules = (text: string): string[] =>
    Array.from(text.matchAll(/^\/\/ (\S+\.m?[jt]s)$/gm), ([, path]) => path!);
  for (const module of FILE_MODULES) {
    assert.ok(!modules(without).includes(module), module);
    assert.ok(modules(with_).includes(module), module);
  }
});

test("rates are counted only where a route limits them", async () => {
  const trace = /RateLimiter = class/;
  const limited = `${PROXY}security = { rate_limit_requests_per_min = 1 }\n`;
  assert.ok(!trace.test(await serverText(PROXY)));
  assert.ok(trace.test(await serverText(limited)));
});

test("a configuration without an access log has nothing that follows requests", async () => {
  const logged = `[logging]\naccess_log = true\n${PROXY}`;
  const traces = [/ExchangeObserver = class/, /(?<!if \(false\) \S*)\.queuedBytes\[/];
  const [on, off] = await Promise.all([serverText(logged), serverText(PROXY)]);
  for (const trace of traces) {
    assert.ok(trace.test(on), `${trace} with an access log`);
    assert.ok(!trace.test(off), `${trace} without`);
  }
});

test("a configuration without TLS holds no TLS code, one with it does", async () => {
  const certificate = '[tls]\ncert_path = "a"\nkey_path = "b"\n';
  const https = serverSection() + proxyRoute("/", "https://127.0.0.1:1");
  const names = ["tls", "tls-steps", "tls-sealing", "tls-session"];
  for (const text of [FILES, PROXY]) {
    const modules = modulesOf(await serverText(text));
    const held = [...names, "ktls"].filter((it) => modules.includes(`runtime/data/${it}.ts`));
    assert.deepEqual(held, []);
  }
  for (const text of [FILES + certificate, https]) {
    const modules = modulesOf(await serverText(text));
    for (const name of names) assert.ok(modules.includes(`runtime/data/${name}.ts`), name);
  }
});

test("a configuration without conditions holds no code for them, one with them does", async () => {
  const target = 'name = "a", if = \'header("x") == "1"\', path = "/srv"';
  const [without, with_] = await Promise.all(
    [FILES, `${FILES}when = [{ ${target} }]\n`].map(async (text) =>
      modulesOf(await serverText(text)),
    ),
  );
  assert.ok(!without!.includes("runtime/data/conditions.ts"));
  assert.ok(with_!.includes("runtime/data/conditions.ts"));
});

test(`the quickstart's server has at most ${QUICKSTART_BYTES_MAX} bytes minified`, async () => {
  const { length } = await serverText(readFileSync("examples/quickstart.toml", "utf8"), true);
  assert.ok(length <= QUICKSTART_BYTES_MAX, `${length} bytes`);
});

test("what only the main thread runs is not in what every worker loads", async () => {
  const outputs = new Map(await bundleSupervisor(process.cwd()));
  const supervisor = modulesOf(Buffer.from(outputs.get("supervisor.cjs")!).toString());
  const server = modulesOf(await serverText(CHECKED));
  const alone = ["supervisor", "log-writer", "admin-server", "health-check", "tls-keys"];
  for (const name of alone) {
    assert.ok(supervisor.includes(`runtime/control/${name}.ts`), `supervisor.cjs: ${name}`);
    assert.ok(!server.includes(`runtime/control/${name}.ts`), `server.cjs: ${name}`);
  }
  assert.ok(server.includes("runtime/control/worker.ts"));
  assert.ok(!supervisor.includes("runtime/control/worker.ts"));
});

test("undici is shipped for health checks only", async () => {
  assert.deepEqual(packagesOf(compiled(PROXY).features), ["pino"]);
  assert.deepEqual(packagesOf(compiled(CHECKED).features), ["pino", "undici"]);
  for (const text of [PROXY, CHECKED]) {
    const bundle = await serverText(text);
    assert.ok(!/^\/\/ node_modules\/(?:pino|undici)\//m.test(bundle), "packages are apart");
  }
});
