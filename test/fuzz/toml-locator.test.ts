// The locator against smol-toml: the same key paths, the same values under each span, and the same
// order, on every document of the repository and on random ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, type TomlValue } from "smol-toml";
import { type KeyPath, printKeyPath } from "zproxy/compiler/1-read/key-path.ts";
import { Locator } from "zproxy/compiler/1-read/locator.ts";
import { readSource } from "zproxy/compiler/1-read/read.ts";
import { parseStatements } from "zproxy/compiler/1-read/toml-parser.ts";
import { Report } from "zproxy/compiler/diagnostics/report.ts";
import { withRandom } from "../lib/random.ts";
import { mutated, TomlWriter } from "../lib/toml-documents.ts";
import { tomlTexts } from "../lib/toml-texts.ts";

const DOCUMENTS = 600;

function parseOrNothing(text: string) {
  try {
    return parse(text, { integersAsBigInt: true });
  } catch {
    return undefined;
  }
}

function pathsOf(value: TomlValue, path: KeyPath = []): { path: KeyPath; value: TomlValue }[] {
  const own = path.length === 0 ? [] : [{ path, value }];
  if (typeof value !== "object" || value instanceof Date) return own;
  const steps = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value);
  const table = value as Record<string | number, TomlValue>;
  return [...own, ...steps.flatMap((step) => pathsOf(table[step] as TomlValue, [...path, step]))];
}

function sorted(paths: readonly KeyPath[]): string[] {
  return paths.map((path) => JSON.stringify(path)).sort();
}

/** Asserts that the locator and smol-toml see the same document. */
function compare(text: string, values: TomlValue): void {
  const locator = new Locator(parseStatements(text));
  const expected = pathsOf(values);
  assert.deepEqual(sorted(locator.paths()), sorted(expected.map(({ path }) => path)));
  for (const { path, value } of expected) {
    const name = printKeyPath(path);
    const last = path.at(-1);
    const key = locator.key(path);
    const keyText = text.slice(key.start, key.end);
    if (typeof last === "string") {
      assert.deepEqual(Object.keys(parse(`${keyText} = 0`)), [last], `the key of ${name}`);
    }
    const isScalar = typeof value !== "object" || value instanceof Date;
    if (!isScalar) continue;
    const place = locator.value(path);
    const read = parse(`x = ${text.slice(place.start, place.end)}`, { integersAsBigInt: true });
    assert.deepEqual(read.x, value, `the value of ${name}`);
  }
  for (const { path, value } of [{ path: [], value: values }, ...expected]) {
    if (typeof value !== "object" || value instanceof Date || Array.isArray(value)) continue;
    const ordinary = (key: string): boolean => !/^\d+$/.test(key);
    const declared = locator.keysOf(path).filter(ordinary);
    assert.deepEqual(
      declared,
      Object.keys(value).filter(ordinary),
      `order in ${printKeyPath(path)}`,
    );
  }
}

test("the documents of the repository", () => {
  const valid = tomlTexts().flatMap(({ path, text }) => {
    const values = parseOrNothing(text);
    return values === undefined ? [] : [{ path, text, values }];
  });
  assert.ok(valid.length > 20);
  for (const { text, values } of valid) compare(text, values);
});

test("random documents", async () => {
  await withRandom((random) => {
    let paths = 0;
    for (let index = 0; index < DOCUMENTS; index++) {
      const text = new TomlWriter(random).write();
      const values = parse(text, { integersAsBigInt: true });
      compare(text, values);
      paths += pathsOf(values).length;
    }
    assert.ok(paths > DOCUMENTS, "the documents are not all empty");
  });
});

test("damaged documents that are still TOML", async () => {
  await withRandom((random) => {
    let valid = 0;
    for (let index = 0; index < 2 * DOCUMENTS; index++) {
      const text = mutated(new TomlWriter(random).write(), random);
      const values = readSource({ path: "config.toml", text }, new Report())?.values;
      if (values === undefined) continue;
      compare(text, values);
      valid++;
    }
    assert.ok(valid > DOCUMENTS / 10);
  });
});

test("keys that look like integers keep their declared order", () => {
  const text = '[path_routes."10"."/b"]\n[path_routes."9"."/"]\n[path_routes."10"."/a"]\n';
  const locator = new Locator(parseStatements(text));
  assert.deepEqual(locator.keysOf(["path_routes"]), ["10", "9"]);
  assert.deepEqual(locator.keysOf(["path_routes", "10"]), ["/b", "/a"]);
  assert.deepEqual(Object.keys(parse(text).path_routes as object), ["9", "10"]);
});

test("a table's own header is its place, even after a longer one", () => {
  const text = "[a.b.c]\n[a.b]\n[a]\n";
  const locator = new Locator(parseStatements(text));
  assert.deepEqual(locator.key(["a", "b"]), { start: 11, end: 12 });
  assert.deepEqual(locator.value(["a"]), { start: 14, end: 17 });
  assert.deepEqual(locator.key(["a", "x", "y"]), locator.key(["a"]));
});
