// Checking and compiling work on any system, the server needs Linux: the package as npm leaves it
// on a system where no addon can be built, with Node told that it is on that system.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { proxyRoute, serverSection } from "../lib/config.ts";

const PRELOAD = resolve("test/lib/platform-preload.cjs");
const ESBUILD = createRequire(import.meta.url).resolve(
  `@esbuild/${process.platform}-${process.arch}/bin/esbuild`,
);
const PACKAGE = ["package.json", "compiler", "runtime", "schema", "native"];
/** Folders that are not there before a build. */
const BUILT = /native\/build(-\w+)?$/;

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-system-"));
  const filter = (path: string): boolean => !BUILT.test(path);
  for (const name of PACKAGE) cpSync(name, join(folder, name), { recursive: true, filter });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "work"));
  const config = serverSection() + proxyRoute("/api/", "http://127.0.0.1:9000/v1/");
  writeFileSync(join(folder, "work/config.toml"), config);
  writeFileSync(join(folder, "work/wrong.toml"), config.replace("Proxy", "Proxi"));
});

after(() => rmSync(folder, { recursive: true }));

for (const platform of ["darwin", "win32"]) {
  const run = (cwd: string, ...args: string[]) => {
    const env = {
      ...process.env,
      ZPROXY_TEST_PLATFORM: platform,
      NODE_OPTIONS: `--require ${PRELOAD}`,
      ESBUILD_BINARY_PATH: ESBUILD,
    };
    return spawnSync(process.execPath, args, { cwd: join(folder, cwd), env, encoding: "utf8" });
  };
  const zproxy = (...args: string[]) => run("work", "../build/zproxy.mjs", ...args);

  describe(platform, () => {
    test("npm's scripts succeed, and say what will not work", () => {
      const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
      for (const name of ["install", "prepare"]) {
        const [program, ...args] = (scripts[name] as string).split(" ");
        assert.equal(program, "node");
        const { status, stdout, stderr } = run(".", ...args);
        assert.deepEqual([status, stderr], [0, ""], name);
        assert.equal(/the server needs Linux/.test(stdout), name === "install", stdout);
      }
      assert.ok(!existsSync(join(folder, "native/build")));
      assert.ok(existsSync(join(folder, "build/zproxy.mjs")));
    });

    test("check, explain and compile do all that they do", () => {
      const good = zproxy("check", "config.toml");
      assert.deepEqual([good.status, good.stderr], [0, ""]);
      const wrong = zproxy("check", "wrong.toml");
      assert.equal(wrong.status, 1);
      assert.match(wrong.stdout, /did you mean "Proxy"/);
      const explained = zproxy("explain", "config.toml", "GET", "http://a.test/api/users");
      assert.equal(explained.status, 0, explained.stderr);
      assert.match(explained.stdout, /http:\/\/127\.0\.0\.1:9000\/v1\/users/);
      const compiled = zproxy("compile", "config.toml");
      assert.equal(compiled.status, 0, compiled.stderr);
      assert.match(compiled.stderr, /zproxy\.node is left out: it can only be built on Linux/);
      const names = readdirSync(join(folder, "work/dist"));
      assert.ok(names.includes("server.cjs") && !names.includes("zproxy.node"), names.join());
    });

    test("the server says that it needs Linux, whoever starts it", () => {
      const ran = zproxy("run", "config.toml");
      assert.equal(ran.status, 1);
      assert.match(ran.stderr, /runs on Linux only; check and compile work here/);
      const started = run("work", "dist/server.cjs");
      assert.equal(started.status, 1);
      assert.match(started.stderr, /the server needs Linux; compile and check work here/);
      assert.doesNotMatch(started.stderr, /\n {4}at /, "a sentence, not a stack");
      for (const checked of [
        run("work", "dist/server.cjs", "--check"),
        zproxy("check", "config.toml", "--host"),
      ]) {
        assert.equal(checked.status, 1, checked.stderr);
        assert.match(checked.stdout, new RegExp(`needs Linux; this is ${platform}`));
        assert.match(checked.stdout, /remedy: check the machine that it is to run on/);
      }
    });
  });
}
