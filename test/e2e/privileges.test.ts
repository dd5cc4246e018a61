// Started as root, served as nobody: no thread keeps anything of root, the kernel opens files as
// nobody, and what the server goes on to need is still there. Needs root.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { compileConfig, startServer } from "../lib/server.ts";

const NOBODY = 65534;
const DROP = '[security]\ndrop_privileges_user = "nobody"\n';

function isRoot(t: TestContext): boolean {
  if (process.getuid?.() === 0) return true;
  t.skip("needs root: there is nothing to drop");
  return false;
}

/** A folder that everybody may enter, with a site of one open and one closed file. */
function prepare(folder: string): void {
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "site"));
  writeFileSync(join(folder, "site/open.txt"), "open");
  writeFileSync(join(folder, "site/closed.txt"), "closed", { mode: 0o600 });
}

/** The named field of every thread's status. */
function ofThreads(pid: number, field: string): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) => {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, "utf8");
    return new RegExp(`^${field}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1] ?? "missing";
  });
}

test("all threads are nobody, without groups and capabilities, and files are opened so", async (t) => {
  if (!isRoot(t)) return;
  const config = serverSection(2) + DROP + fileRoute("/", "site");
  const server = await startServer(config, { prepare });
  const threads = ofThreads(server.pid, "Uid");
  assert.ok(threads.length > 3, "main thread, two workers and those of Node");
  assert.deepEqual([...new Set(threads)], [Array(4).fill(NOBODY).join("\t")]);
  assert.deepEqual([...new Set(ofThreads(server.pid, "Gid"))], [Array(4).fill(NOBODY).join("\t")]);
  assert.deepEqual([...new Set(ofThreads(server.pid, "Groups"))], [""]);
  for (const field of ["CapPrm", "CapEff", "CapAmb"]) {
    assert.deepEqual([...new Set(ofThreads(server.pid, field))], ["0".repeat(16)], field);
  }
  assert.match(server.log(), /running as nobody \(uid 65534, gid 65534\)/);
  // Once through the cache of open files, once not; the kernel's own threads must not be root.
  for (let round = 0; round < 2; round++) {
    assert.equal((await exchange(server.port, request("GET /open.txt"))).body.toString(), "open");
    assert.equal((await exchange(server.port, request("GET /closed.txt"))).status, 403);
  }
  await server.stop();
});

test("root serves the closed file, so it is the user that makes the difference", async (t) => {
  if (!isRoot(t)) return;
  const server = await startServer(serverSection() + fileRoute("/", "site"), { prepare });
  assert.equal((await exchange(server.port, request("GET /closed.txt"))).body.toString(), "closed");
  assert.deepEqual([...new Set(ofThreads(server.pid, "Uid"))], ["0\t0\t0\t0"]);
  await server.stop();
});

test("the log is nobody's, and is opened again", async (t) => {
  if (!isRoot(t)) return;
  const logging = '[logging]\nfile_path = "log/server.log"\n';
  const server = await startServer(serverSection() + logging + DROP + fileRoute("/", "site"), {
    prepare: (folder) => {
      prepare(folder);
      mkdirSync(join(folder, "log"));
      chmodSync(join(folder, "log"), 0o777);
    },
  });
  const path = join(server.folder, "log/server.log");
  assert.equal(statSync(path).uid, NOBODY);
  renameSync(path, `${path}.1`);
  server.process.kill("SIGUSR1");
  server.process.kill("SIGHUP");
  await server.stats();
  assert.equal((await exchange(server.port, request("GET /open.txt"))).status, 200);
  assert.match(readFileSync(`${path}.1`, "utf8"), /zproxy started/);
  assert.ok(existsSync(path), "a new file");
  assert.equal(statSync(path).uid, NOBODY);
  await server.stop();
});

for (const [what, link, expected] of [
  ["a symbolic link", symlinkSync, /server\.log is a symbolic link.*set file_path in \[logging\]/],
  ["a hard link", linkSync, /server\.log is a hard link to another file.*remove it/],
] as const) {
  test(`${what} in the place of the log is neither followed nor given away`, async (t) => {
    if (!isRoot(t)) return;
    const logging = '[logging]\nfile_path = "log/server.log"\n';
    const config = serverSection() + logging + DROP + fileRoute("/", "site");
    let secret = "";
    const { code, output } = await runToEnd(
      config,
      (folder) => {
        prepare(folder);
        secret = join(folder, "secret");
        writeFileSync(secret, "root's");
        mkdirSync(join(folder, "log"));
        link(secret, join(folder, "log/server.log"));
      },
      () => {
        assert.equal(statSync(secret).uid, 0);
        assert.equal(readFileSync(secret, "utf8"), "root's");
      },
    );
    assert.equal(code, 1, output);
    assert.match(output, expected);
  });
}

test("user and group as numbers", async (t) => {
  if (!isRoot(t)) return;
  const drop = '[security]\ndrop_privileges_user = "12345"\ndrop_privileges_group = "23456"\n';
  const server = await startServer(serverSection() + drop + fileRoute("/", "site"), { prepare });
  assert.deepEqual([...new Set(ofThreads(server.pid, "Uid"))], [Array(4).fill(12345).join("\t")]);
  assert.deepEqual([...new Set(ofThreads(server.pid, "Gid"))], [Array(4).fill(23456).join("\t")]);
  await server.stop();
});

test("a port that is root's is bound before, and stays over a reload", async (t) => {
  if (!isRoot(t)) return;
  const config = `[server]\nlisten = "127.0.0.1:80"\nthreads = 2\n${DROP}${fileRoute("/", "site")}`;
  const folder = await compileConfig(config, prepare);
  t.after(() => rmSync(folder, { recursive: true }));
  // In a network namespace, where nobody else has the port.
  const inside = [
    "--net",
    "sh",
    "-c",
    `ip link set lo up && exec "${process.execPath}" dist/server.cjs`,
  ];
  const server = new TestProcess("unshare", inside, { cwd: folder });
  const ask = () =>
    spawnSync("nsenter", ["--net", "--target", String(server.pid), process.execPath, "-e", ASK], {
      encoding: "utf8",
    }).stdout;
  const [line] = await server.until(
    "a listener",
    () => /^zproxy .*$/m.exec(server.output) ?? undefined,
  );
  assert.equal(line, "zproxy listening on http://127.0.0.1:80");
  assert.deepEqual([...new Set(ofThreads(server.pid, "Uid"))], [Array(4).fill(NOBODY).join("\t")]);
  assert.equal(ask(), "200 open");
  server.kill("SIGHUP");
  await server.until(
    "the reload",
    () => /zproxy reloaded, generation 2/.exec(server.output) ?? undefined,
  );
  assert.equal(ask(), "200 open");
  assert.deepEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, server.output);
});

/** Prints status and body of an answer from port 80. */
const ASK = `
const target = { host: "127.0.0.1", port: 80, path: "/open.txt", agent: false };
require("node:http").get(target, (answer) => {
  process.stdout.write(answer.statusCode + " ");
  answer.pipe(process.stdout);
});
`;

test("what a kernel lets the user keep of root stops the start", async (t) => {
  if (!isRoot(t)) return;
  const folder = await compileConfig(serverSection() + DROP + fileRoute("/", "site"), prepare);
  // Capabilities then survive a change of the user.
  const args = ["--securebits", "+no_setuid_fixup", process.execPath, "dist/server.cjs"];
  const child = new TestProcess("setpriv", args, { cwd: folder });
  assert.equal((await child.exited()).code, 1, child.output);
  assert.match(
    child.output,
    /privileges are left after becoming nobody \(uid 65534, gid 65534\): CapPrm of thread \d+/,
  );
  assert.doesNotMatch(child.output, /listening/);
  rmSync(folder, { recursive: true });
});

const REFUSED: readonly (readonly [what: string, toml: string, expected: RegExp])[] = [
  ["an unknown user", 'drop_privileges_user = "no-such-user"', /there is no user no-such-user/],
  [
    "an unknown group",
    'drop_privileges_user = "nobody"\ndrop_privileges_group = "no-such-group"',
    /there is no group no-such-group/,
  ],
  ["a number without a group", 'drop_privileges_user = "12345"', /add drop_privileges_group/],
];

for (const [what, toml, expected] of REFUSED) {
  test(`${what} stops the start with a sentence`, async (t) => {
    if (!isRoot(t)) return;
    const config = `${serverSection()}[security]\n${toml}\n${fileRoute("/", "site")}`;
    const { code, output } = await runToEnd(config, prepare);
    assert.equal(code, 1);
    assert.match(output, expected);
  });
}

test("what nobody can't read is named at start: the server itself, and what it serves", async (t) => {
  if (!isRoot(t)) return;
  const config = serverSection() + DROP + fileRoute("/", "site");
  const closed = await runToEnd(config, (folder) => {
    prepare(folder);
    chmodSync(folder, 0o700);
  });
  assert.equal(closed.code, 1);
  assert.match(closed.output, /nobody \(uid 65534, gid 65534\) can't read .*server\.cjs/);
  const site = await runToEnd(config, (folder) => {
    prepare(folder);
    chmodSync(join(folder, "site"), 0o700);
  });
  assert.equal(site.code, 1);
  assert.match(site.output, /"site" can't be read \(EACCES\)/);
});

test("without root: a warning, and a low port explained", async (t) => {
  if (!isRoot(t)) return;
  const routes = fileRoute("/", "site");
  const warned = await compileConfig(serverSection() + DROP + routes, prepare);
  const child = startAsNobody(warned);
  await child.until("the ready line", () => /listening/.exec(child.stdout) ?? undefined);
  assert.match(child.output, /not started as root/);
  assert.equal((await child.stop("SIGTERM")).code, 0);
  rmSync(warned, { recursive: true });

  const low = '[server]\nlisten = "127.0.0.1:81"\nthreads = 1\n';
  const refused = await compileConfig(low + routes, prepare);
  const denied = startAsNobody(refused);
  assert.equal((await denied.exited()).code, 1);
  assert.match(denied.output, /127\.0\.0\.1:81 needs a privilege.*CAP_NET_BIND_SERVICE/s);
  assert.doesNotMatch(denied.output, /^\s+at /m, "no stack");
  rmSync(refused, { recursive: true });
});

function startAsNobody(folder: string): TestProcess {
  const ids = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
  const args = [...ids, process.execPath, "dist/server.cjs"];
  return new TestProcess("setpriv", args, { cwd: folder });
}

async function runToEnd(
  config: string,
  prepareFolder: (folder: string) => void,
  afterwards: () => void = () => {},
) {
  const folder = await compileConfig(config, prepareFolder);
  const child = new TestProcess(process.execPath, ["dist/server.cjs"], { cwd: folder });
  const { code } = await child.exited();
  afterwards();
  rmSync(folder, { recursive: true });
  return { code, output: child.output };
}
