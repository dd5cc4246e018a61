// The same configuration gives the same bytes, whatever the machine is set to.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { COMMAND } from "../lib/server.ts";

const CONFIG = "test/golden/compile/every-key/config.toml";

/** The folder that `command` compiles to, file by file. */
function compiledIn(
  folder: string,
  env: NodeJS.ProcessEnv,
  command = COMMAND,
): Map<string, string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.toml"), readFileSync(CONFIG));
  const args = [command, "compile", "-o", "out"];
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

/** Another machine, as far as its settings go. */
function elsewhere(folder: string): NodeJS.ProcessEnv {
  return {
    LC_ALL: "tr_TR.UTF-8",
    LANG: "tr_TR.UTF-8",
    TZ: "Pacific/Auckland",
    TMPDIR: folder,
    HOME: folder,
    USER: "someone",
    NO_COLOR: "1",
    SOURCE_DATE_EPOCH: "1",
  };
}

function expectSame(second: Map<string, string>, first: Map<string, string>): void {
  assert.deepEqual([...second.keys()], [...first.keys()]);
  for (const [path, bytes] of first) assert.ok(second.get(path) === bytes, `${path} differs`);
}

test("locale, time zone, temporary folder and working folder leave no trace", () => {
  const root = mkdtempSync(join(tmpdir(), "zproxy-same-"));
  try {
    const other = join(root, "a folder/with ünusual names");
    mkdirSync(other, { recursive: true });
    const first = compiledIn(join(root, "one"), { LC_ALL: "C", TZ: "UTC" });
    const second = compiledIn(join(other, "two"), elsewhere(other));
    expectSame(second, first);
  } finally {
    rmSync(root, { recursive: true });
  }
});

/** Copies a file or a folder, and the entries of each folder in the order given by `sign`. */
function copy(from: string, to: string, sign: 1 | -1): void {
  const entries = statSync(from).isDirectory() ? readdirSync(from).sort() : undefined;
  if (entries === undefined) {
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
    return;
  }
  for (const name of sign > 0 ? entries : entries.reverse()) {
    copy(join(from, name), join(to, name), sign);
  }
}

/** The packages that an installation without tools of development has. */
function packagesOfUsers(): string[] {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { dev?: boolean }>;
  };
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true && existsSync(path))
    .map(([path]) => path);
}

test("an installation elsewhere, its files made in another order, gives the same bytes", () => {
  const root = mkdtempSync(join(tmpdir(), "zproxy-installed-"));
  try {
    const installed = join(root, "lib of another/zproxy");
    const parts = ["runtime", "schema", "package.json", "native/abi.ts", COMMAND];
    const addon = "native/build/Release/zproxy.node";
    for (const path of [...packagesOfUsers(), addon, ...parts].reverse()) {
      copy(path, join(installed, relative(process.cwd(), resolve(path))), -1);
    }
    const first = compiledIn(join(root, "one"), { LC_ALL: "C", TZ: "UTC" });
    const command = join(installed, relative(process.cwd(), COMMAND));
    const second = compiledIn(join(root, "two"), elsewhere(root), command);
    expectSame(second, first);
    assert.ok(first.size >= 10, "a whole output was compared");
  } finally {
    rmSync(root, { recursive: true });
  }
});
