// The shipped bundle is built without the checks of the data path. What holds with them must hold
// without: the tests that go through code with checks run once more, bundled as for shipping.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const FILES = [
  "test/property/buffers.test.ts",
  "test/property/timer-wheel.test.ts",
  "test/fuzz/http1-proxy-head.test.ts",
];

async function bundleWithoutChecks(file: string): Promise<string> {
  const outfile = join("build", "test-release", file.replace(/\.ts$/, ".mjs"));
  const result = await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    packages: "external",
    alias: { zproxy: process.cwd() },
    format: "esm",
    platform: "node",
    target: "node20",
    define: { CHECKS: "false" },
    minify: true,
    logLevel: "error",
  });
  assert.deepEqual(result.errors, []);
  return outfile;
}

/** The environment without what makes a test file report to the runner above it. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  return rest;
}

for (const file of FILES) {
  test(`without checks: ${file}`, async () => {
    const args = ["--test-reporter=tap", await bundleWithoutChecks(file)];
    const options = { env: plainEnvironment(), encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^# pass [1-9]/m);
    assert.match(stdout, /^# fail 0$/m);
  });
}
