// The command as a user types it: exit statuses, where output goes, and sentences instead of
// stacks.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runCommand } from "../lib/command.ts";
import { patience } from "../lib/patience.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { COMMAND } from "../lib/server.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "zproxy-command-"));
after(() => rmSync(FOLDER, { recursive: true }));

const GOOD = `[server]
listen = "127.0.0.1:8080"

[path_routes."example.com"."/"]
path = "/srv/www"
`;
/** A host in both tables: a warning. */
const DOUBTFUL = `${GOOD}\n[host_routes."example.com"]\npath = "/srv/www"\n`;
const BAD = GOOD.replace("[server]", "[server]\nthread = 1");

for (const [name, text] of Object.entries({
  config: GOOD,
  good: GOOD,
  doubtful: DOUBTFUL,
  bad: BAD,
})) {
  writeFileSync(join(FOLDER, `${name}.toml`), text);
}

const zproxy = (args: readonly string[], stdin = "") => runCommand(FOLDER, args, stdin);

const STATUSES: readonly (readonly [status: number, ...args: string[]])[] = [
  [0, "check"],
  [0, "check", "good.toml"],
  [0, "check", "doubtful.toml"],
  [1, "check", "doubtful.toml", "--deny-warnings"],
  [1, "check", "bad.toml"],
  [1, "check", "bad.toml", "--format", "json"],
  [1, "check", "bad.toml", "--format", "sarif"],
  [1, "check", "bad.toml", "--format", "github"],
  [1, "compile", "bad.toml", "-o", "never"],
  [1, "run", "bad.toml"],
  [0, "--help"],
  [0, "--version"],
  [0, "version"],
  [0, "check", "--help"],
  [0, "help", "compile"],
  [2],
  [2, "chekc"],
  [2, "check", "--format", "xml"],
  [2, "diff", "config.toml", "config.toml", "--format", "toString"],
  [2, "check", "--frobnicate"],
  [2, "check", "one.toml", "two.toml"],
  [2, "check", "absent.toml"],
  [2, "check", "."],
  [2, "compile", "-o"],
  [2, "compile", "--out="],
  [2, "run", "-"],
];

for (const [status, ...args] of STATUSES) {
  test(`zproxy ${args.join(" ")}: exit ${status}`, () => {
    const result = zproxy(args);
    assert.equal(result.status, status, result.stderr);
    if (status === 2 && args.length > 0) assert.match(result.stderr, /^zproxy: .+\n$/);
  });
}

test("without a command, and with --help, it says which there are", () => {
  const { stdout, stderr } = zproxy([]);
  assert.equal(stdout, "");
  assert.equal(stderr, zproxy(["--help"]).stdout);
});

const SENTENCES: readonly (readonly [sentence: string, ...args: string[]])[] = [
  ['there is no command "chekc"; did you mean "check"?', "chekc"],
  ['there is no command "serve-it"; zproxy --help lists them', "serve-it"],
  ["there is no option --deny-warning; did you mean --deny-warnings?", "check", "--deny-warning"],
  ["there is no option --frobnicate; --help lists what there is", "check", "--frobnicate"],
  ["there is no option -x; --help lists what there is", "check", "-x"],
  ["--format is text, json, sarif or github, not xml", "check", "--format", "xml"],
  ["absent.toml cannot be read: there is no such file", "check", "absent.toml"],
  ["no/such/a.toml: there is no folder no/such", "init", "no/such/a.toml"],
];

for (const [sentence, ...args] of SENTENCES) {
  test(`zproxy ${args.join(" ")}: ${sentence}`, () => {
    assert.equal(zproxy(args).stderr, `zproxy: ${sentence}\n`);
  });
}

test("check reads standard input and reports on standard output", () => {
  const { status, stdout, stderr } = zproxy(["check", "-"], BAD);
  assert.equal(status, 1);
  assert.match(stdout, /^<stdin>:2:1: error: /);
  assert.equal(stderr, "");
});

test("a file that is not UTF-8 is refused, with the line", () => {
  const latin1 = Buffer.from(GOOD.replace("/srv/www", "/srv/caf\xe9"), "latin1");
  writeFileSync(join(FOLDER, "latin1.toml"), latin1);
  const { status, stderr } = zproxy(["check", "latin1.toml"]);
  assert.equal(status, 2);
  assert.equal(
    stderr,
    "zproxy: latin1.toml cannot be read: line 5 is not UTF-8; save it as UTF-8\n",
  );
});

test("check --format json is a document, with mistakes or without", () => {
  assert.equal(
    JSON.parse(zproxy(["check", "bad.toml", "--format", "json"]).stdout).errors > 0,
    true,
  );
  assert.equal(JSON.parse(zproxy(["check", "--format=json"]).stdout).errors, 0);
});

/** What `check bad.toml` prints to a terminal of its own. */
function onTerminal(env: Readonly<Record<string, string>>): string {
  const { NO_COLOR: _, ...usual } = process.env;
  const command = `"${process.execPath}" "${COMMAND}" check bad.toml`;
  const { stdout, error } = spawnSync("script", ["-qec", command, "/dev/null"], {
    cwd: FOLDER,
    encoding: "utf8",
    env: { ...usual, ...env },
  });
  assert.equal(error, undefined);
  assert.match(stdout, /schema\/unknown-key/);
  return stdout;
}

test("mistakes are in colour on a terminal alone, and not with NO_COLOR", () => {
  const red = "\x1b[1;31m";
  assert.ok(onTerminal({}).includes(red));
  assert.ok(!onTerminal({ NO_COLOR: "1" }).includes(red));
  assert.ok(!zproxy(["check", "bad.toml"]).stdout.includes(red));
});

test("compile reports on standard error and writes nothing for a bad file", () => {
  const { stdout, stderr } = zproxy(["compile", "bad.toml", "-o", "never"]);
  assert.equal(stdout, "");
  assert.match(stderr, /^bad\.toml:2:1: error: /);
  assert.ok(!existsSync(join(FOLDER, "never")));
});

test("compile writes dist when nothing else is said, despite warnings", () => {
  assert.equal(zproxy(["compile", "doubtful.toml"]).status, 0);
  assert.ok(existsSync(join(FOLDER, "dist/server.cjs")));
});

test("compile refuses a folder it did not write", () => {
  const { status, stderr } = zproxy(["compile", "-o", "."]);
  assert.equal(status, 1);
  assert.match(stderr, /^zproxy: .* was not written by zproxy; remove it first\n$/);
});

test("output that nobody takes is no defect: a reader that goes, a full disk", () => {
  const many = Array.from({ length: 3000 }, (_, at) => `k${at} = 1`).join("\n");
  writeFileSync(join(FOLDER, "many.toml"), many);
  const shell = (tail: string) => {
    const script = `set -o pipefail; "${process.execPath}" "${COMMAND}" check many.toml ${tail}`;
    return spawnSync("bash", ["-c", script], { cwd: FOLDER, encoding: "utf8" });
  };
  const gone = shell("| head -1");
  assert.deepEqual([gone.status, gone.stderr], [1, ""]);
  assert.equal(gone.stdout.split("\n").length, 2);
  const full = shell("> /dev/full");
  assert.equal(full.status, 1);
  assert.match(full.stderr, /^zproxy: standard output: ENOSPC: no space left.*\n$/);
});

test("--version is the package's", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(zproxy(["--version"]).stdout, `${version}\n`);
});

/** `zproxy run`, started by `command` if need be, and the port once it listens. */
async function startRun(command = process.execPath, args = [COMMAND, "run", "run.toml"]) {
  writeFileSync(join(FOLDER, "index.html"), "served");
  writeFileSync(
    join(FOLDER, "run.toml"),
    `[server]\nlisten = "127.0.0.1:0"\nthreads = 1\n[path_routes."*"."/"]\npath = "${FOLDER}"\n`,
  );
  const env = { XDG_CACHE_HOME: join(FOLDER, "cache") };
  const child = new TestProcess(command, args, { cwd: FOLDER, env });
  const port = await child.until("the ready line", () => {
    const match = /^zproxy listening on http:\/\/127\.0\.0\.1:(\d+)\r?$/m.exec(child.stdout);
    return match === null ? undefined : Number(match[1]);
  });
  return { child, port };
}

test("run serves, and passes signals and status on", async () => {
  const { child, port } = await startRun();
  try {
    assert.equal((await exchange(port, request("GET /"))).body.toString(), "served");
    assert.deepEqual(await child.stop("SIGINT"), { code: 0, signal: null }, child.output);
  } finally {
    if (child.running) await child.stop("SIGTERM");
  }
});

test("run stops when its terminal closes, and leaves no server behind", async () => {
  const shell = `echo pid $$; exec "${process.execPath}" "${COMMAND}" run run.toml`;
  const { child, port } = await startRun("script", ["-qec", shell, "/dev/null"]);
  const client = connect(port, "127.0.0.1").resume();
  await once(client, "connect");
  try {
    const closed = once(client, "close", { signal: AbortSignal.timeout(patience(20_000)) });
    await Promise.all([closed, child.stop("SIGKILL")]);
  } catch (error) {
    process.kill(Number(/^pid (\d+)/.exec(child.stdout)![1]), "SIGTERM");
    throw error;
  }
});
