// Every configuration in the guides and the README compiles without a warning, and its own tests pass.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownSuite } from "zproxy/compiler/2-check/check-test-file.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { runTests } from "zproxy/compiler/explain/route-tests.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";

const FOLDER = "examples/guides";
const BLOCK = /^( *)```toml\n([\s\S]*?)^ *```$/gm;
const SERVER = '[server]\nlisten = "0.0.0.0:8080"\n\n';

/** Every fragment; one that has no routes of its own is about the last one that has. */
function blocksOf(path: string): { name: string; toml: string }[] {
  let last = "";
  return Array.from(readFileSync(path, "utf8").matchAll(BLOCK), ([, indent = "", block = ""], at) => {
    const fragment = block.replaceAll(new RegExp(`^${indent}`, "gm"), "");
    const hasRoutes = /^\[?(?:host|path)_routes\b/m.test(fragment);
    const toml = fragment.includes("[server]") ? fragment : SERVER + fragment;
    if (hasRoutes) last = toml;
    return { name: `${path}, ${at + 1}`, toml: hasRoutes ? toml : `${last}\n${fragment}` };
  });
}

const guides = readdirSync(FOLDER).map((name) => join(FOLDER, name));
const blocks = [...guides, "README.md"].flatMap(blocksOf);

test("the guides have configurations", () => assert.ok(blocks.length >= 7));

for (const { name, toml } of blocks) {
  test(`compiled: ${name}`, async () => {
    const { files, ir, checked, diagnostics } = compile({ path: name, text: toml });
    assert.deepEqual(diagnostics, []);
    assert.ok(ir !== undefined && checked !== undefined);
    const probe = await loadProbe(files, process.cwd());
    const { failures } = runTests(ownSuite(checked), ir, probe);
    assert.deepEqual(failures, []);
  });
}
