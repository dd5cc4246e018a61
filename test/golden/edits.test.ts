// Small edits of a configuration make small changes of the generated text: a reviewer reads the
// block that was edited and a line or two elsewhere.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { goldenCases } from "../lib/golden.ts";
import { changedLines } from "../lib/line-diff.ts";

const FOLDER = "test/golden/edits";

/** Lines added plus lines removed, over all generated files. */
const BUDGETS: Readonly<Record<string, number>> = {
  "add-host": 17,
  "add-route": 13,
  "add-route-and-server": 15,
  "change-limit": 5,
  "limit-clients": 16,
  "limit-methods": 26,
  "remove-route": 13,
  "rename-upstream": 10,
  reorder: 0,
};

function compileText(text: string): Map<string, string> {
  const { files, diagnostics } = compile({ path: "config.toml", text });
  assert.deepEqual(diagnostics, []);
  return new Map(files.map((file) => [file.path, file.text]));
}

function churn(before: string, after: string): number {
  const old = compileText(before);
  let lines = 0;
  for (const [path, text] of compileText(after)) lines += changedLines(old.get(path) ?? "", text);
  return lines;
}

test("every edit has a budget", () => {
  assert.deepEqual(goldenCases(FOLDER), Object.keys(BUDGETS).sort());
});

for (const [name, budget] of Object.entries(BUDGETS)) {
  test(`${name} changes at most ${budget} lines`, () => {
    const before = readFileSync(join(FOLDER, name, "before.toml"), "utf8");
    const after = readFileSync(join(FOLDER, name, "after.toml"), "utf8");
    const lines = churn(before, after);
    assert.ok(lines <= budget, `${lines} lines`);
    assert.equal(lines > 0, budget > 0, "the edit has the effect it should have");
  });
}

test("a route in the middle of a large table changes at most 15 lines", () => {
  const routeToml = (index: number) =>
    `[path_routes."h${index % 40}.example.com"."/p${index}"]\npath = "/srv/${index}"\n`;
  const indexes = Array.from({ length: 200 }, (_, index) => index);
  const config = (chosen: readonly number[]) =>
    `[server]\nlisten = "127.0.0.1:8080"\n${chosen.map(routeToml).join("\n")}`;
  const lines = churn(config(indexes.filter((index) => index !== 99)), config(indexes));
  assert.ok(lines > 0 && lines <= 15, `${lines} lines`);
});
