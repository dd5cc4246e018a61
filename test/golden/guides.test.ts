// Every configuration in the guides compiles without a warning, and its own tests pass.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { runTests } from "zproxy/compiler/explain/route-tests.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";

const FOLDER = "examples/guides";
const BLOCK = /^( *)```toml\n([\s\S]*?)^ *```$/gm;
const SERVER = '[server]\nlisten = "0.0.0.0:8080"\n\n';

const blocks = readdirSync(FOLDER).flatMap((name) => {
  const text = readFileSync(join(FOLDER, name), "utf8");
  return Array.from(text.matchAll(BLOCK), ([, indent = "", block = ""], index) => {
    const toml = block.replaceAll(new RegExp(`^${indent}`, "gm"), "");
    return { name: `${name}, ${index + 1}`, toml: toml.includes("[server]") ? toml : SERVER + toml };
  });
});

test("the guides have configurations", () => assert.ok(blocks.length >= 4));

for (const { name, toml } of blocks) {
  test(`compiled: ${name}`, async () => {
    const { files, ir, checked, diagnostics } = compile({ path: name, text: toml });
    assert.deepEqual(diagnostics, []);
    assert.ok(ir !== undefined && checked !== undefined);
    const probe = await loadProbe(files, process.cwd());
    const { failures } = runTests(checked, ir, probe);
    assert.deepEqual(failures, []);
  });
}
