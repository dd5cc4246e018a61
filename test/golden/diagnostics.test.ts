// Diagnostics as people see them: one folder for each code, and a few whole configurations.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { ownSuite } from "zproxy/compiler/2-check/check-test-file.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { formatJson } from "zproxy/compiler/diagnostics/json-format.ts";
import { type Code, codes, registry } from "zproxy/compiler/diagnostics/registry.ts";
import { LineMap } from "zproxy/compiler/diagnostics/span.ts";
import { formatText } from "zproxy/compiler/diagnostics/text-format.ts";
import { runTests } from "zproxy/compiler/explain/route-tests.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import { expectGolden, goldenCases } from "../lib/golden.ts";

const FOLDER = "test/golden/diagnostics";

/** Cases that are about more than one code. */
const WHOLE = ["odd-text", "original-example", "ten-mistakes"];

/** Codes whose example on the page of codes cannot show the mistake itself, and why. */
const UNPRINTABLE: readonly Code[] = [
  "toml/control-character", // the character would be invisible
  "toml/too-deep", // 65 brackets say less than three
  "when/too-many-comparisons", // 257 texts say less than two
];

const TEXTS = Array.from({ length: 257 }, (_, at) => `"beta-${at + 1}"`);

/** What such examples stand for. */
const WRITTEN_OUT: readonly (readonly [part: string, meant: string])[] = [
  ["\\u0001", "\u0001"],
  ['"beta-1", "beta-2", and so on', TEXTS.join(", ")],
  ["[[[[[[[[ and so on ]]]]]]]]", "[".repeat(65) + "]".repeat(65)],
];

/** Codes that only a command other than `check` finds; its own tests show them. */
const BY_COMMANDS: readonly Code[] = ["test/failed"];
const CHECKED = codes.filter((it) => !BY_COMMANDS.includes(it));

function folderOf(code: Code): string {
  return code.replaceAll("/", "-");
}

function read(name: string) {
  const text = readFileSync(join(FOLDER, name, "config.toml"), "utf8");
  const source = { path: "config.toml", text };
  return { source, result: checkSource(source) };
}

test("every code has a case, and every case a code", () => {
  const expected = [...CHECKED.map(folderOf), ...WHOLE].sort();
  assert.deepEqual(goldenCases(FOLDER), expected);
});

for (const name of goldenCases(FOLDER)) {
  test(`golden: ${name}`, () => {
    const { source, result } = read(name);
    const text = formatText(source, result.diagnostics);
    const input = { path: "config.toml", text: source.text };
    const files = [input, { path: "expected.txt", text }];
    if (WHOLE.includes(name)) {
      files.push({ path: "expected.json", text: formatJson(source, result.diagnostics) });
    }
    expectGolden(join(FOLDER, name), files);
  });
}

for (const code of CHECKED) {
  test(`the case of ${code} shows it`, () => {
    const { diagnostics, checked } = read(folderOf(code)).result;
    const found = diagnostics.filter((it) => it.code === code);
    assert.ok(found.length > 0);
    for (const { severity, hint } of found) {
      assert.equal(severity, registry[code].severity);
      assert.ok(hint !== undefined && hint !== "");
    }
    const hasError = diagnostics.some(({ severity }) => severity === "error");
    assert.equal(checked === undefined, hasError);
  });
}

for (const code of CHECKED.filter((it) => !UNPRINTABLE.includes(it))) {
  test(`the example of ${code} on its page shows it`, () => {
    const { diagnostics } = checkSource({ path: "", text: registry[code].example });
    assert.ok(
      diagnostics.some((it) => it.code === code),
      diagnostics.map((it) => it.code).join(", "),
    );
  });
}

for (const code of UNPRINTABLE) {
  test(`the example of ${code} on its page shows it when it is written out`, () => {
    const { example } = registry[code];
    const [part, meant] = WRITTEN_OUT.find(([it]) => example.includes(it))!;
    const { diagnostics } = checkSource({ path: "", text: example.replace(part, meant) });
    assert.ok(diagnostics.some((it) => it.code === code));
  });
}

test("the example of test/failed on its page fails, and what corrects it does not", async () => {
  const failuresOf = async (text: string): Promise<Code[]> => {
    const { files, ir, checked } = compile({ path: "", text });
    assert.ok(ir !== undefined && checked !== undefined);
    const probe = await loadProbe(files, process.cwd());
    return runTests(ownSuite(checked), ir, probe).failures.map(({ code }) => code);
  };
  const { example, corrected } = registry["test/failed"];
  assert.deepEqual(await failuresOf(example), BY_COMMANDS);
  assert.deepEqual(await failuresOf(corrected), []);
});

for (const code of codes) {
  test(`the corrected fragment of ${code} on its page does not show it`, () => {
    const { example, corrected } = registry[code];
    assert.notEqual(corrected, example);
    const { diagnostics } = checkSource({ path: "", text: corrected });
    // A fragment need not be a whole configuration, but what it shows has to be right.
    const incomplete: Code[] = ["schema/missing-key", "config/no-route", "upstream/unused"];
    const allowed = incomplete.filter((it) => it !== code);
    const wrong = diagnostics.filter((it) => !allowed.includes(it.code));
    assert.deepEqual(wrong.map((it) => it.code), []);
  });
}

for (const name of goldenCases(FOLDER)) {
  test(`each fix of ${name} mends what it is offered for`, () => {
    const { source, result } = read(name);
    for (const { code, span, fix } of result.diagnostics) {
      if (fix === undefined) continue;
      const text = source.text.slice(0, fix.span.start) + fix.text + source.text.slice(fix.span.end);
      const after = checkSource({ path: source.path, text }).diagnostics;
      const again = after.filter((it) => it.code === code && it.span.start === span.start);
      assert.deepEqual(again, [], fix.label);
    }
  });
}

test("ten mistakes give ten diagnostics, in file order, each with a hint", () => {
  const { source, result } = read("ten-mistakes");
  const { diagnostics } = result;
  assert.equal(diagnostics.length, 10);
  assert.ok(diagnostics.every(({ hint }) => hint !== undefined && hint !== ""));
  const lines = new LineMap(source.text);
  const numbers = diagnostics.map(({ span }) => lines.position(span.start).line);
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  );
});

test("colours add nothing but colours", () => {
  const { source, result } = read("ten-mistakes");
  const colored = formatText(source, result.diagnostics, { color: true });
  const plain = formatText(source, result.diagnostics);
  const escape = "\x1b[";
  assert.ok(colored.includes(`${escape}1;31merror${escape}0m`));
  const stripped = colored
    .split(escape)
    .map((piece, index) => (index === 0 ? piece : piece.slice(piece.indexOf("m") + 1)))
    .join("");
  assert.equal(stripped, plain);
});

test("the original system's example compiles but for a route that it hides itself", () => {
  const { diagnostics } = read("original-example").result;
  const found = new Set(diagnostics.map(({ code }) => code));
  const known: Code[] = ["route/unreachable"];
  assert.deepEqual([...found].filter((code) => !known.includes(code)), []);
});
