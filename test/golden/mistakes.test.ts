// The table of mistakes: for each kind of mistake a configuration and the exact words about it.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv } from "ajv";
import { parse, TomlError } from "smol-toml";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { plainValue } from "zproxy/compiler/2-check/plain-values.ts";
import { formatText } from "zproxy/compiler/diagnostics/text-format.ts";
import schema from "../../schema/config.schema.json" with { type: "json" };
import { EDITOR_KEYWORDS } from "../../schema/schema-node.ts";

const FILE = "test/golden/mistakes.md";
const SECTION = /^## (.+)\n\n```toml\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```$/gm;
const KINDS_MIN = 60;

const text = readFileSync(FILE, "utf8");
const sections = [...text.matchAll(SECTION)].map(([, name, config, output]) => ({
  name: name!,
  config: config!,
  output: output!,
}));

function check(config: string) {
  const source = { path: "config.toml", text: config };
  const { diagnostics } = checkSource(source);
  return { diagnostics, output: formatText(source, diagnostics) };
}

if (process.env.UPDATE_GOLDEN === "1") {
  const rewritten = text.replace(
    SECTION,
    (_, name: string, config: string) =>
      `## ${name}\n\n\`\`\`toml\n${config}\`\`\`\n\n\`\`\`text\n${check(config).output}\`\`\``,
  );
  writeFileSync(FILE, rewritten);
}

test(`the table has at least ${KINDS_MIN} kinds of mistake, each once`, () => {
  assert.equal(sections.length, text.match(/^## /gm)?.length, "every section can be read");
  assert.ok(sections.length >= KINDS_MIN);
  assert.equal(new Set(sections.map(({ name }) => name)).size, sections.length);
  assert.equal(new Set(sections.map(({ config }) => config)).size, sections.length);
});

for (const { name, config, output } of sections) {
  test(`what is said about ${name}`, { skip: process.env.UPDATE_GOLDEN === "1" }, () => {
    const found = check(config);
    assert.equal(found.output, output);
    assert.ok(found.diagnostics.length > 0);
    for (const { message, hint } of found.diagnostics) {
      for (const words of ajvWords(config)) {
        assert.ok(!message.includes(words) && !hint?.includes(words), words);
      }
    }
  });
}

/** What ajv itself would say. */
function ajvWords(config: string): string[] {
  const ajv = new Ajv({
    strict: true,
    allErrors: true,
    allowUnionTypes: true,
    keywords: EDITOR_KEYWORDS,
  });
  try {
    ajv.validate(schema, plainValue(parse(config, { integersAsBigInt: true })));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
  }
  return (ajv.errors ?? []).map(({ message }) => message ?? "");
}
