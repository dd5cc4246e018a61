// The formatter on every document of the repository and on random ones: it changes no value and no
// comment, and formatting twice is formatting once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "smol-toml";
import { parseStatements } from "zproxy/compiler/1-read/toml-parser.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { formatToml } from "zproxy/compiler/format/format-toml.ts";
import { STARTER } from "zproxy/compiler/starter.ts";
import { withRandom } from "../lib/random.ts";
import { mutated, TomlWriter } from "../lib/toml-documents.ts";
import { tomlTexts } from "../lib/toml-texts.ts";

const DOCUMENTS = 1500;

function parseOrNothing(text: string) {
  try {
    parseStatements(text); // smol-toml takes dates that are none
    return parse(text, { integersAsBigInt: true });
  } catch {
    return undefined;
  }
}

/** Returns whether the text was TOML. */
function checkFormat(text: string): boolean {
  const values = parseOrNothing(text);
  if (values === undefined) return false;
  const formatted = formatToml(text);
  assert.deepEqual(parse(formatted, { integersAsBigInt: true }), values, formatted);
  assert.equal(formatToml(formatted), formatted, JSON.stringify(text));
  assert.equal(letters(formatted), letters(text), JSON.stringify(text));
  return true;
}

/** All but what the formatter may add, move and remove: commas at the end of lists, and blanks. */
function letters(text: string): string {
  return text.replace(/[\s,\ufeff]/g, "");
}

test("documents of the repository keep their meaning and comments", () => {
  const formatted = tomlTexts().filter(({ text }) => checkFormat(text));
  assert.ok(formatted.length > 20);
});

test("random documents keep their meaning and comments", () =>
  withRandom((random) => {
    let count = 0;
    for (let document = 0; document < DOCUMENTS; document++) {
      const text = new TomlWriter(random).write();
      if (checkFormat(text)) count++;
      if (checkFormat(mutated(text, random))) count++;
    }
    assert.ok(count > DOCUMENTS);
  }));

const LAID_OUT: readonly (readonly [name: string, before: string, after: string])[] = [
  ["blanks", '  [ a . "b" ]  \n\tx=1   # one\n', '[a."b"]\nx = 1 # one\n'],
  ["blank lines", "\n\na = 1\n\n\n\nb = 2\n\n", "a = 1\n\nb = 2\n"],
  ["a line before a table", "a = 1\n[b]\n[[c]]\n", "a = 1\n\n[b]\n\n[[c]]\n"],
  ["a comment above a table", "a = 1\n# about b\n[b]\n", "a = 1\n\n# about b\n[b]\n"],
  ["lists", "a=[ 1,2 ,3, ]\nb={c=1,d=[ ]}\n", "a = [1, 2, 3]\nb = { c = 1, d = [] }\n"],
  [
    "lists over lines",
    "a = [ # all\n1, # one\n  # two\n 2\n]\n",
    "a = [\n  # all\n  1, # one\n  # two\n  2,\n]\n",
  ],
  ["line ends", "a = 1\r\nb = 2", "a = 1\nb = 2\n"],
];

for (const [name, before, after] of LAID_OUT) {
  test(`layout: ${name}`, () => assert.equal(formatToml(before), after));
}

test("the starter is laid out, and compiles without a warning", () => {
  assert.equal(formatToml(STARTER), STARTER);
  const { files, diagnostics } = compile({ path: "config.toml", text: STARTER });
  assert.deepEqual(diagnostics, []);
  assert.ok(files.length > 0);
});
