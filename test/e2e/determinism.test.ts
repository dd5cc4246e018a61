// The same configuration gives the same bytes, whatever the machine is set to.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { COMMAND } from "../lib/server.ts";

const CONFIG = "test/golden/compile/every-key/config.toml";

function compiledIn(folder: string, env: NodeJS.ProcessEnv): Map<string, string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.toml"), readFileSync(CONFIG));
  const args = [COMMAND, "compile", "-o", "out"];
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const entries = readdirSync(join(folder, "out"), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path): [string, string] => [
        path.slice(join(folder, "out").length),
        readFileSync(path, "latin1"),
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

test("locale, time zone, temporary folder and working folder leave no trace", () => {
  const root = mkdtempSync(join(tmpdir(), "zproxy-same-"));
  try {
    const other = join(root, "a folder/with ünusual names");
    mkdirSync(other, { recursive: true });
    const first = compiledIn(join(root, "one"), { LC_ALL: "C", TZ: "UTC" });
    const second = compiledIn(join(other, "two"), {
      LC_ALL: "tr_TR.UTF-8",
      LANG: "tr_TR.UTF-8",
      TZ: "Pacific/Auckland",
      TMPDIR: other,
      HOME: other,
      NO_COLOR: "1",
    });
    assert.deepEqual([...second.keys()], [...first.keys()]);
    for (const [path, bytes] of first) assert.ok(second.get(path) === bytes, `${path} differs`);
  } finally {
    rmSync(root, { recursive: true });
  }
});
