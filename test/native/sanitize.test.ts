// The other native tests once more, against an addon built with the address and undefined-behaviour
// sanitizers. Fails when a test fails, and when a sanitizer has anything to say.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const FOLDER = "test/native";
/** This file, and the one that builds addons instead of using one. */
const LEFT_OUT = new Set(["sanitize.test.ts", "build.test.ts"]);
const ADDON = "native/build-sanitize/Release/zproxy.node";
const OUTPUT_CHARS_MAX = 20_000;

/** The end of what a child process said. */
function outputOf(child: { stdout: string; stderr: string }): string {
  return `${child.stdout}${child.stderr}`.slice(-OUTPUT_CHARS_MAX);
}

/** The sanitizer's library, which must be in the process before Node's own code runs. */
function libraryPath(name: string): string {
  const child = spawnSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" });
  assert.equal(child.status, 0, "gcc does not run");
  const path = child.stdout.trim();
  assert.ok(path.startsWith("/"), `gcc has no ${name}`);
  return path;
}

async function bundleTests(folder: string): Promise<string[]> {
  const names = readdirSync(FOLDER).filter((it) => it.endsWith(".test.ts") && !LEFT_OUT.has(it));
  assert.ok(names.length > 5, "the native tests have moved");
  await build({
    entryPoints: names.map((name) => join(FOLDER, name)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    define: { CHECKS: "true" },
    logLevel: "error",
  });
  return names.map((name) => join(folder, name.replace(/\.ts$/, ".mjs")));
}

/** Runs Node with the sanitizers loaded; what they report goes to files in `folder`. */
function runSanitized(folder: string, args: readonly string[]) {
  const log = resolve(folder, "report");
  return spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    env: {
      ...process.env,
      // A test runner inside a test runner would otherwise speak the outer one's protocol.
      NODE_TEST_CONTEXT: undefined,
      ZPROXY_ADDON: ADDON,
      LD_PRELOAD: libraryPath("libasan.so"),
      // Leaks are Node's own: it frees little at its end. Its handler of segmentation faults, for
      // WebAssembly, must not hide a report.
      ASAN_OPTIONS: `detect_leaks=0:handle_segv=2:exitcode=99:log_path=${log}`,
      UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:exitcode=99:log_path=${log}`,
    },
  });
}

function reportsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith("report"))
    .map((name) => readFileSync(join(folder, name), "utf8"));
}

/** Builds the sanitized addon and hands a scratch folder to `body`. */
async function withSanitized(body: (folder: string) => Promise<void>): Promise<void> {
  const built = spawnSync(process.execPath, ["native/build.mjs", "--sanitize"], {
    encoding: "utf8",
  });
  assert.equal(built.status, 0, outputOf(built));
  mkdirSync("build", { recursive: true });
  const folder = mkdtempSync("build/sanitize-");
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the native tests pass under the sanitizers, which find nothing", async () => {
  await withSanitized(async (folder) => {
    const files = await bundleTests(folder);
    const child = runSanitized(folder, ["--test", "--test-reporter=tap", ...files]);
    assert.deepEqual(reportsIn(folder), [], "a sanitizer reported");
    assert.equal(child.status, 0, outputOf(child));
    const passed = /^# pass (\d+)/m.exec(child.stdout);
    assert.ok(Number(passed?.[1]) > 50, outputOf(child));
  });
});

test("the sanitizers are awake: a touch of released memory is reported", async () => {
  await withSanitized(async (folder) => {
    // The address is written by native code to where its memory was.
    const code = `
      const loaded = { exports: {} };
      process.dlopen(loaded, ${JSON.stringify(resolve(ADDON))});
      const addon = loaded.exports;
      const bytes = new Uint8Array(addon.map(0, 4096, false).buffer);
      addon.releaseOwner(0);
      addon.writeSockaddr(bytes, 0, "127.0.0.1", 80);`;
    const child = runSanitized(folder, ["-e", code]);
    assert.notEqual(child.status, 0, outputOf(child));
    assert.match(
      reportsIn(folder).join(""),
      /AddressSanitizer: SEGV[\s\S]*zp_socket_write_address/,
    );
  });
});
