// The install step: quiet when all is well, a sentence with cause and remedy when not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** Copies the sources to a folder of their own, for builds that go wrong. */
async function withSources(body: (folder: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-build-"));
  try {
    for (const name of readdirSync("native")) {
      const from = join("native", name);
      if (statSync(from).isFile()) copyFileSync(from, join(folder, name));
    }
    body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runBuild(folder: string, env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(folder, "build.mjs")], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

test("a fresh addon is left alone, without a word", () => {
  assert.equal(runBuild("native").status, 0);
  const built = statSync("native/build/Release/zproxy.node").mtimeMs;
  const again = runBuild("native");
  assert.deepEqual([again.status, again.stdout, again.stderr], [0, "", ""]);
  assert.equal(statSync("native/build/Release/zproxy.node").mtimeMs, built);
});

test("a source that does not compile ends the build with its error, and no half addon", async () => {
  await withSources((folder) => {
    appendFileSync(join(folder, "abi.c"), '_Static_assert(1 == 2, "wrong on purpose");\n');
    const child = runBuild(folder);
    assert.equal(child.status, 1);
    assert.match(child.stderr, /wrong on purpose/);
    assert.match(
      child.stderr,
      /zproxy: the native addon could not be built\. Install kernel headers/,
    );
    assert.deepEqual(readdirSync(join(folder, "build")), ["Release"]);
    assert.equal(existsSync(join(folder, "build", "Release", "zproxy.node")), false);
  });
});

test("what is missing is named with what to install", async () => {
  await withSources((folder) => {
    const compiler = runBuild(folder, { CC: "/nowhere/gcc", CXX: "/nowhere/g++" });
    assert.equal(compiler.status, 1);
    assert.match(compiler.stderr, /could not be built\. Install make, a C and a C\+\+ compiler/);
    const python = runBuild(folder, { PATH: "/nowhere", PYTHON: undefined });
    assert.equal(python.status, 1);
    assert.match(python.stderr, /could not be built\. Install Python 3/);
  });
});
