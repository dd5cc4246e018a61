// The commands around a review, as a user types them: exit statuses, and what only a process shows.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runCommand } from "../lib/command.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "zproxy-review-"));
after(() => rmSync(FOLDER, { recursive: true }));

const GOOD = `[server]
listen = "127.0.0.1:8080"

[path_routes."example.com"."/"]
path = "/srv/www"
`;
const TESTED = `${GOOD}
[[tests]]
request = "GET http://example.com/a.txt"
expect = { file = "/srv/www/a.txt" }
`;

for (const [name, text] of Object.entries({
  good: GOOD,
  moved: GOOD.replace("/srv/www", "/srv/other"),
  bad: GOOD.replace("listen", "lisen"),
  loose: GOOD.replaceAll(" = ", "="),
  broken: GOOD.replace("]", ""),
  tested: TESTED,
  failing: TESTED.replace("www/a.txt", "b.txt"),
})) {
  writeFileSync(join(FOLDER, `${name}.toml`), text);
}

const zproxy = (args: readonly string[], stdin = "") => runCommand(FOLDER, args, stdin);

const STATUSES: readonly (readonly [status: number, ...args: string[]])[] = [
  [0, "explain", "good.toml", "GET", "http://example.com/"],
  [0, "explain", "good.toml", "GET", "http://example.com/", "--json", "-H", "A: b"],
  [0, "explain", "good.toml", "GET", "http://example.com/", "--host"],
  [2, "explain", "GET"],
  [2, "explain", "GET", "/path"],
  [2, "explain", "GET", "http://example.com/", "--ip", "localhost"],
  [2, "explain", "GET", "http://example.com/", "-H", "none"],
  [0, "test", "tested.toml", "--coverage"],
  [1, "test", "failing.toml"],
  [1, "test", "bad.toml"],
  [2, "test", "tested.toml", "--format", "xml"],
  [0, "diff", "good.toml", "moved.toml"],
  [1, "diff", "good.toml", "moved.toml", "--exit-code"],
  [0, "diff", "good.toml", "good.toml", "--exit-code", "--deny-wider"],
  [2, "diff", "good.toml"],
  [2, "diff", "good.toml", "good.toml", "--format", "xml"],
  [2, "diff", "-", "-"],
  [2, "diff", "nowhere:good.toml", "good.toml"],
  [0, "schema"],
  [2, "schema", "file"],
  [0, "init", "fresh.toml"],
  [2, "init", "fresh.toml"],
  [0, "fmt", "fresh.toml", "--check"],
  [1, "fmt", "loose.toml", "--check"],
  [1, "fmt", "broken.toml"],
];

for (const [status, ...args] of STATUSES) {
  test(`zproxy ${args.join(" ")}: exit ${status}`, () => {
    const result = zproxy(args);
    assert.equal(result.status, status, result.stderr);
    if (status === 2) assert.match(result.stderr, /^zproxy: .+\n$/);
  });
}

test("test says how many passed, and where the others failed", () => {
  assert.equal(zproxy(["test", "tested.toml"]).stdout, "1 passed, 0 failed\n");
  assert.equal(zproxy(["test", "tested.toml"]).stderr, "");
  assert.equal(zproxy(["test", "good.toml"]).stderr, "zproxy: good.toml has no [[tests]] yet\n");
  const { stdout } = zproxy(["test", "failing.toml", "--coverage"]);
  assert.match(stdout, /^failing\.toml:9:19: error: the file should be \/srv\/b\.txt, but is/);
  assert.match(stdout, /\n1 of 1 routes reached\n0 passed, 1 failed\n$/);
});

test("explain --json is the text as data, and init names the next step", () => {
  const args = ["explain", "good.toml", "GET", "http://example.com/a"];
  const { route, client, outcome, clientWords } = JSON.parse(zproxy([...args, "--json"]).stdout);
  assert.deepEqual(
    { route, client, file: outcome.file, clientWords },
    {
      route: 'path_routes."example.com"."/"',
      client: "127.0.0.1",
      file: "/srv/www/a",
      clientWords: undefined,
    },
  );
  assert.equal(
    zproxy(["init", "started.toml"]).stdout,
    "wrote started.toml; make the folder public, then: zproxy run started.toml\n",
  );
});

test("init says that it has written a schema, too", () => {
  mkdirSync(join(FOLDER, "new"));
  const { stdout } = zproxy(["init", "new/config.toml"]);
  assert.match(stdout, /^wrote new\/config\.toml and new\/config\.schema\.json; make /);
});

const BESIDE = `[[tests]]
request = "GET http://example.com/b.txt"
expect = { file = "/srv/www/b.txt" }

[[tests]]
request = "GET http://example.com/c.txt"
expect = { file = "/srv/www/b.txt" }
`;

test("tests may stand in a file beside the configuration, or in both", () => {
  writeFileSync(join(FOLDER, "both.toml"), TESTED);
  writeFileSync(join(FOLDER, "both.test.toml"), BESIDE);
  const { status, stdout } = zproxy(["test", "both.toml", "--coverage"]);
  assert.equal(status, 1);
  assert.match(stdout, /^both\.test\.toml:7:19: error: the file should be/);
  assert.match(stdout, /\n1 of 1 routes reached\n2 passed, 1 failed\n$/);
  const document = JSON.parse(zproxy(["test", "both.toml", "--coverage", "--format=json"]).stdout);
  assert.deepEqual(document.tests, { passed: 2, failed: 1 });
  const routes = [{ name: 'path_routes."example.com"."/"', reached: true }];
  assert.deepEqual(document.coverage, { routes, rules: [], limits: [] });
  assert.equal(document.file, "both.toml");
  assert.equal(document.diagnostics[0].file, "both.test.toml");
  const sarif = JSON.parse(zproxy(["test", "both.toml", "--format", "sarif"]).stdout);
  const [place] = sarif.runs[0].results[0].locations;
  assert.equal(place.physicalLocation.artifactLocation.uri, "both.test.toml");
  const github = zproxy(["test", "both.toml", "--format", "github"]).stdout;
  assert.match(github, /^::error file=both\.test\.toml,line=7,/);
});

test("check looks at the file of tests as well", () => {
  writeFileSync(join(FOLDER, "beside.toml"), GOOD);
  const mistaken = `${BESIDE.replace("GET", "G T")}when = 1\n[server]\n`;
  writeFileSync(join(FOLDER, "beside.test.toml"), mistaken);
  const { status, stdout } = zproxy(["check", "beside.toml"]);
  assert.equal(status, 1);
  for (const [place, code] of [
    ["2:11", "test/invalid-request"],
    ["8:1", "schema/unknown-key"],
    ["9:2", "schema/unknown-key"],
  ]) {
    assert.match(stdout, new RegExp(`beside\\.test\\.toml:${place}: error: .*\\[${code}\\]`));
  }
  assert.match(stdout, /\n3 errors\n$/);
  const unknown = BESIDE.replace('file = "/srv/www/b.txt"', "route = 'host_routes.a'");
  writeFileSync(join(FOLDER, "beside.test.toml"), unknown);
  assert.match(
    zproxy(["check", "beside.toml"]).stdout,
    /beside\.test\.toml:3:20: error: .*host_routes/,
  );
  assert.match(zproxy(["check", "beside.test.toml"]).stderr, /holds tests of beside\.toml/);
  assert.match(zproxy(["schema", "--tests"]).stdout, /"required": \[\s*"tests"\s*\]/);
});

test("diff reads what git has in its history", () => {
  const git = (...args: string[]) => {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    const { status, stderr } = spawnSync("git", [...identity, ...args], { cwd: FOLDER });
    assert.equal(status, 0, String(stderr));
  };
  git("init", "--quiet");
  git("add", "good.toml");
  git("commit", "--quiet", "--message", "first");
  const { stdout } = zproxy(["diff", "HEAD:good.toml", "moved.toml"]);
  assert.match(stdout, /files of \/srv\/www \(index\.html\) becomes files of \/srv\/other/);
});

test("fmt writes a file in place, and standard input to standard output", () => {
  const loose = readFileSync(join(FOLDER, "loose.toml"), "utf8");
  assert.equal(zproxy(["fmt", "-"], loose).stdout, GOOD);
  assert.equal(zproxy(["fmt", "loose.toml"]).stdout, "");
  assert.equal(readFileSync(join(FOLDER, "loose.toml"), "utf8"), GOOD);
});
