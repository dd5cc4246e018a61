// Diagnostics for programs: SARIF that fits its schema, and annotations that GitHub can read.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv, type ValidateFunction } from "ajv";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { formatNames, formats } from "zproxy/compiler/diagnostics/formats.ts";
import type { Source } from "zproxy/compiler/diagnostics/span.ts";
import { expectGolden, goldenCases } from "../lib/golden.ts";

const FOLDER = "test/golden/formats";
const CASES = "test/golden/diagnostics";
/** The schema that OASIS publishes with the standard, unchanged. */
const SCHEMA = join(FOLDER, "sarif-schema-2.1.0.json");

function source(name: string): Source {
  const path = join(CASES, name, "config.toml");
  return { path, text: readFileSync(path, "utf8") };
}

/** The schema is of draft 4, of which it uses nothing that later drafts read otherwise but "id". */
function sarifValidator(): ValidateFunction {
  const { id: _id, $schema: _draft, ...schema } = JSON.parse(readFileSync(SCHEMA, "utf8"));
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addFormat("uri", /^[a-z][a-z0-9+.-]*:[^\s"<>\\^`{|}]*$/i);
  ajv.addFormat("uri-reference", /^[^\s"<>\\^`{|}]*$/);
  ajv.addFormat("date-time", /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/);
  return ajv.compile(schema);
}

test("SARIF fits the schema of version 2.1.0, for every golden case", () => {
  const validate = sarifValidator();
  for (const name of goldenCases(CASES)) {
    const input = source(name);
    const { diagnostics } = checkSource(input);
    const log = JSON.parse(formats.sarif(input, diagnostics));
    const { results } = log.runs[0];
    assert.ok(validate(log), `${name}: ${JSON.stringify(validate.errors)}`);
    assert.equal(results.length, diagnostics.length);
  }
});

test("SARIF without its version does not fit the schema", () => {
  const log = JSON.parse(formats.sarif({ path: "config.toml", text: "" }, []));
  const { version: _version, ...rest } = log;
  const validate = sarifValidator();
  assert.ok(validate(log));
  assert.ok(!validate(rest));
});

test("a place in SARIF is the text it is about", () => {
  const input = source("ten-mistakes");
  const lines = input.text.split("\n");
  const { diagnostics } = checkSource(input);
  const { results } = JSON.parse(formats.sarif(input, diagnostics)).runs[0];
  for (const [at, { span }] of diagnostics.entries()) {
    const { region } = results[at].locations[0].physicalLocation;
    const { startLine, startColumn, endLine, endColumn } = region;
    if (startLine !== endLine) continue;
    const marked = lines[startLine - 1]!.slice(startColumn - 1, endColumn - 1);
    assert.equal(marked, input.text.slice(span.start, span.end));
  }
});

test("an annotation is one line, whatever the text holds", () => {
  const path = "odd, 100%: name\n.toml";
  const text = '[server]\nlisten = "a%b\\r\\nc"\n';
  const { diagnostics } = checkSource({ path, text });
  const output = formats.github({ path, text }, diagnostics);
  assert.equal(output.split("\n").length, diagnostics.length + 1);
  for (const line of output.trimEnd().split("\n")) {
    const match = /^::(?:error|warning|notice) ([^:]*)::(.*)$/.exec(line);
    assert.ok(match, line);
    const file = match[1]!.split(",")[0]!;
    assert.equal(file, "file=odd%2C 100%25%3A name%0A.toml");
    assert.ok(!/%(?!25|0A|0D|3A|2C)/.test(match[2]!), line);
  }
});

test("golden: one configuration in every format", () => {
  const { text } = source("route-unreachable");
  const input = { path: "config.toml", text };
  const { diagnostics } = checkSource(input);
  const files = formatNames.map((name) => ({
    path: `route-unreachable.${name}`,
    text: formats[name](input, diagnostics),
  }));
  const schema = { path: "sarif-schema-2.1.0.json", text: readFileSync(SCHEMA, "utf8") };
  expectGolden(FOLDER, [...files, schema]);
});
