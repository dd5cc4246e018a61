// Whole compilations, kept as folders, and what has to hold for all of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { hasErrors } from "zproxy/compiler/diagnostics/diagnostic.ts";
import { expectGolden, goldenCases } from "../lib/golden.ts";

const FOLDER = "test/golden/compile";
const CASES = goldenCases(FOLDER);

function compileCase(name: string, path = join(FOLDER, name, "config.toml")) {
  const text = readFileSync(join(FOLDER, name, "config.toml"), "utf8");
  const { files, diagnostics } = compile({ path, text });
  assert.ok(!hasErrors(diagnostics), JSON.stringify(diagnostics));
  return files;
}

for (const name of CASES) {
  test(`golden: ${name}`, () => {
    const files = compileCase(name);
    expectGolden(
      join(FOLDER, name, "generated"),
      files.map(({ path, text }) => ({ path: path.replace(/^generated\//, ""), text })),
    );
  });

  test(`the same bytes from another place: ${name}`, () => {
    assert.deepEqual(compileCase(name, `/elsewhere/${name}.toml`), compileCase(name));
  });
}

test("generated code is formatted like the repository", () => {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-format-"));
  try {
    for (const name of CASES) {
      for (const { path, text } of compileCase(name)) {
        const file = join(folder, name, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
    }
    const { formatter } = JSON.parse(readFileSync("biome.json", "utf8"));
    writeFileSync(join(folder, "biome.json"), JSON.stringify({ root: true, formatter }));
    cpSync("package.json", join(folder, "package.json"));
    const biome = resolve("node_modules/.bin/biome");
    execFileSync(biome, ["format", ...CASES], { cwd: folder, encoding: "utf8" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    assert.fail(`${stdout ?? ""}${stderr ?? String(error)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
