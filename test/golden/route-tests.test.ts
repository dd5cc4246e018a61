// `[[tests]]` that come true and that do not: what is said about each, and what they reach.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownSuite } from "zproxy/compiler/2-check/check-test-file.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { formatText } from "zproxy/compiler/diagnostics/text-format.ts";
import { coverageOf, printCoverage } from "zproxy/compiler/explain/coverage.ts";
import { runTests } from "zproxy/compiler/explain/route-tests.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import { expectGolden } from "../lib/golden.ts";

const FOLDER = "test/golden/route-tests";
const text = readFileSync(join(FOLDER, "config.toml"), "utf8");

async function run(text: string) {
  const source = { path: "config.toml", text };
  const { files, ir, checked, diagnostics } = compile(source);
  assert.deepEqual(diagnostics, []);
  assert.ok(ir !== undefined && checked !== undefined);
  const found = runTests(ownSuite(checked), ir, await loadProbe(files, process.cwd()));
  return { ...found, source, coverage: coverageOf(ir, found.decisions), files };
}

test("golden: failures show expected and actual at the expectation", async () => {
  const { source, failures, coverage } = await run(text);
  expectGolden(FOLDER, [
    { path: "config.toml", text },
    { path: "expected.txt", text: formatText(source, failures) },
    { path: "coverage.txt", text: printCoverage(coverage) },
  ]);
});

test("a test passes when all of its expectations come true", async () => {
  const { passed, failed, failures } = await run(text);
  assert.deepEqual({ passed, failed }, { passed: 8, failed: 7 });
  const starts = failures.map(({ span }) => span.start);
  assert.ok(starts.every((start) => start > text.indexOf("The ones below fail")));
});

test("tests leave no trace in what is shipped", async () => {
  const without = text.slice(0, text.indexOf("[[tests]]"));
  assert.deepEqual((await run(text)).files, (await run(without)).files);
});
