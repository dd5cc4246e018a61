// `zproxy check --host` and `node server.cjs --check` on this very machine: everything that is
// wrong with it at once, before and beside a server that runs.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import type { HostFact } from "../../runtime/control/host-fact.ts";
import { Authority } from "../lib/certificates.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { compileConfig, startServer } from "../lib/server.ts";

const COMMAND = resolve("build/zproxy.mjs");

let authority: Authority;

before(() => {
  authority = new Authority();
});

after(() => authority.remove());

interface Checked {
  readonly code: number | null;
  readonly output: string;
  readonly facts: readonly HostFact[];
}

/** What both commands say, which must be the same but for what only a bundle has. */
async function checkBoth(folder: string): Promise<Checked> {
  const options = { cwd: folder };
  const shipped = ["dist/server.cjs", "--check", "--json"];
  const bundle = await runProcess(process.execPath, shipped, options);
  const command = [COMMAND, "check", "--host", "--format", "json"];
  const source = await runProcess(process.execPath, command, options);
  assert.equal(source.code, bundle.code, `${bundle.stdout}${source.stdout}${source.stderr}`);
  const { facts } = JSON.parse(bundle.stdout) as { facts: HostFact[] };
  const { host } = JSON.parse(source.stdout) as { host: { facts: HostFact[] } };
  const common = facts.filter(({ name }) => !name.startsWith("as "));
  assert.deepEqual(
    host.facts.filter(({ name }) => !name.startsWith("as ")),
    common,
  );
  return { code: bundle.code, output: bundle.stdout + bundle.stderr, facts };
}

test("a machine that will do: exit status 0, and the server starts", async () => {
  const config = serverSection() + fileRoute("/", "site");
  const folder = await compileConfig(config, (it) => mkdirSync(join(it, "site")));
  const { code, facts, output } = await checkBoth(folder);
  assert.equal(code, 0, output);
  const names = facts.map(({ name }) => name);
  for (const name of ["system", "kernel", "io_uring", "CPUs", "listen 127.0.0.1:0", "files"])
    assert.ok(names.includes(name), `${name} is missing in ${names.join(", ")}`);
  // Whoever misspells it gets no server.
  for (const args of [["--chekc"], ["--check", "--jsn"], ["--json"], ["config.toml"]]) {
    const command = ["dist/server.cjs", ...args];
    const result = await runProcess(process.execPath, command, { cwd: folder });
    assert.deepEqual([result.code, result.stdout], [2, ""], args.join(" "));
    assert.match(result.stderr, /^zproxy: .* is not understood; .*\n$/);
  }
  const help = await runProcess(process.execPath, ["dist/server.cjs", "--help"], { cwd: folder });
  assert.match(help.stdout, /^node server\.cjs \[--check \[--json\]\]\n/);
  rmSync(folder, { recursive: true });
});

test("everything that is wrong is said at once, with a remedy, and nothing is served", async () => {
  const expired = authority.issue({ names: ["DNS:test"], expired: true });
  const other = authority.issue({ names: ["DNS:other"] });
  const running = await startServer(serverSection() + fileRoute("/", resolve("schema")));
  const stranger = await startStranger();
  const config = `[server]
listen = ["127.0.0.1:${running.port}", "127.0.0.1:${stranger.port}", "192.0.2.1:8080"]
[tls]
cert_path = "${expired.certPath}"
key_path = "${expired.keyPath}"
[[tls.certificates]]
cert_path = "${other.certPath}"
key_path = "${expired.keyPath}"
[logging]
file_path = "missing/server.log"
[security]
drop_privileges_user = "no-such-user"
${fileRoute("/", "site")}${proxyRoute("/api", "http://name.invalid:9000")}`;
  const folder = await compileConfig(config);
  const { code, facts, output } = await checkBoth(folder);
  stranger.close();
  assert.equal(code, 1, output);
  const expected: readonly (readonly [string, HostFact["status"], RegExp])[] = [
    [`listen 127.0.0.1:${running.port}`, "ok", /served by node dist\/server\.cjs \(pid \d+\) now/],
    [`listen 127.0.0.1:${stranger.port}`, "error", /in use by .*\(pid \d+\)/],
    ["listen 192.0.2.1:8080", "error", /no such address/],
    ["TLS", "error", /is not the key of the certificate/],
    ["files", "error", /"site" does not exist/],
    ["log", "error", /can't be written \(ENOENT\)/],
    ["name name.invalid", "warning", /does not resolve/],
  ];
  for (const [name, status, text] of expected) {
    const fact = facts.find((each) => each.name === name);
    assert.ok(fact !== undefined, `${name}: ${output}`);
    assert.equal(fact.status, status, `${name}: ${output}`);
    assert.match(fact.text, text);
    if (status !== "ok") assert.notEqual(fact.remedy, "", name);
  }
  const late = facts.filter(({ name, status }) => name === "TLS" && status === "warning");
  assert.deepEqual(
    late.map(({ text }) => [text.startsWith(expired.certPath), /has expired/.test(text)]),
    [[true, true]],
  );
  const user = facts.find(({ name }) => name === "user");
  if (process.getuid?.() === 0) assert.match(user?.text ?? "", /there is no user no-such-user/);
  rmSync(folder, { recursive: true });
  await running.stop();
});

/** A socket of this process, which is no server of ours. */
async function startStranger(): Promise<{ port: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { port: address.port, close: () => server.close() };
}

test("a check beside a running server takes no connection from it", async () => {
  const server = await startServer(serverSection(2) + fileRoute("/", resolve("schema")));
  const config = `[server]\nlisten = "127.0.0.1:${server.port}"\n${fileRoute("/", resolve("schema"))}`;
  const folder = await compileConfig(config);
  let checking = true;
  const check = runProcess(process.execPath, ["dist/server.cjs", "--check"], { cwd: folder });
  void check.finally(() => {
    checking = false;
  });
  let served = 0;
  // A new connection each time: one that met another socket would be reset or never answered.
  do {
    const answer = await exchange(server.port, request("GET /config.schema.json"));
    assert.equal(answer.status, 200);
    served++;
  } while (checking);
  assert.ok(served > 0);
  const { code, stdout } = await check;
  assert.equal(code, 0, stdout);
  rmSync(folder, { recursive: true });
  await server.stop();
});

test("what the user that the server becomes can't read is found before the start", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root: there is nobody else to become");
  const { cert, key } = authority.issue({ names: ["DNS:test"] });
  const config = `${serverSection()}[security]
drop_privileges_user = "nobody"
[tls]
cert_path = "tls/cert.pem"
key_path = "tls/key.pem"
${fileRoute("/", "open")}${fileRoute("/closed", "closed")}`;
  const folder = await compileConfig(config, (it) => {
    chmodSync(it, 0o755);
    for (const name of ["open", "closed", "tls"]) mkdirSync(join(it, name));
    chmodSync(join(it, "closed"), 0o700);
    writeFileSync(join(it, "tls/cert.pem"), cert);
    writeFileSync(join(it, "tls/key.pem"), key, { mode: 0o600 });
  });
  const { code, facts, output } = await checkBoth(folder);
  assert.equal(code, 1, output);
  const asNobody = facts.filter(({ name }) => name.startsWith("as nobody"));
  assert.deepEqual(
    asNobody.map(({ status, text }) => [status, text.replace(/,.*/, "")]),
    [
      ["error", "can't read closed"],
      ["warning", "can't read tls/key.pem"],
    ],
  );
  rmSync(folder, { recursive: true });
});

test("io_uring forbidden by seccomp: an error where it is wanted, a warning otherwise", async () => {
  for (const [io, status, code] of [
    ["io_uring", "error", 1],
    ["auto", "warning", 0],
  ] as const) {
    const config = `${serverSection()}[performance]\nio = "${io}"\n${fileRoute("/", "schema")}`;
    const folder = await compileConfig(config, (it) => mkdirSync(join(it, "schema")));
    const forbidden = resolve("test/lib/without-io-uring.py");
    const args = [forbidden, process.execPath, "dist/server.cjs", "--check", "--json"];
    const result = await runProcess("python3", args, { cwd: folder });
    assert.equal(result.code, code, result.stdout + result.stderr);
    const { facts } = JSON.parse(result.stdout) as { facts: HostFact[] };
    const fact = facts.find(({ name }) => name === "io_uring");
    assert.equal(fact?.status, status);
    assert.match(fact?.text ?? "", /seccomp/);
    rmSync(folder, { recursive: true });
  }
});

test("text for people, warnings that --deny-warnings makes fatal, formats that can't say it", async () => {
  const config = serverSection(64) + fileRoute("/", "site");
  const folder = await compileConfig(config, (it) => mkdirSync(join(it, "site")));
  const run = (...args: string[]) =>
    runProcess(process.execPath, [COMMAND, "check", "--host", ...args], { cwd: folder });
  const warned = await run();
  assert.equal(warned.code, 0, warned.stdout);
  assert.match(warned.stdout, /^warning {2}CPUs: 64 worker\(s\)/m);
  assert.match(warned.stdout, /^ {9}remedy: set threads = \d+/m);
  assert.match(warned.stdout, /^this machine: \d+ ok, \d+ warnings?, 0 errors$/m);
  assert.equal((await run("--deny-warnings")).code, 1);
  const sarif = await run("--format", "sarif");
  assert.equal(sarif.code, 2);
  assert.match(sarif.stderr, /--host goes with --format text or json/);
  writeFileSync(join(folder, "config.toml"), "[server]\nlisten = 1\n");
  const wrong = await run();
  assert.equal(wrong.code, 1);
  assert.doesNotMatch(wrong.stdout, /this machine/, "there is no server to ask about");
  rmSync(folder, { recursive: true });
});
