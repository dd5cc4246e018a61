// What a language server works out about documents, finished and unfinished ones: it finds what the
// parser finds, offers what could stand there, and has an answer at every place of any text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDocument } from "vscode-languageserver-textdocument";
import { type KeyPath, printKeyPath } from "zproxy/compiler/1-read/key-path.ts";
import { Locator } from "zproxy/compiler/1-read/locator.ts";
import { parseStatements } from "zproxy/compiler/1-read/toml-parser.ts";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { completionsAt } from "zproxy/compiler/lsp/completion.ts";
import { ConfigDocument } from "zproxy/compiler/lsp/config-document.ts";
import { formatEdits, repairsIn } from "zproxy/compiler/lsp/edits.ts";
import { hoverAt } from "zproxy/compiler/lsp/hover.ts";
import { definitionOf, usesOfName } from "zproxy/compiler/lsp/names.ts";
import { Outline } from "zproxy/compiler/lsp/outline.ts";
import { hasFreeNames, schemaAt } from "zproxy/compiler/lsp/schema-path.ts";
import { symbolsOf } from "zproxy/compiler/lsp/symbols.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { mutated, TomlWriter } from "../lib/toml-documents.ts";
import { tomlTexts } from "../lib/toml-texts.ts";

const RANDOM_DOCUMENTS = 1000;
const MUTATED_DOCUMENTS = 500;
const PLACES_EACH = 6;

const OPTIONS = { snippets: true, listFolder: () => ["a", "b/"] };

const TEXTS = tomlTexts().filter(({ text }) => text.length < 6000);
/** Without mistakes, and in a spelling that is no test of the parser. */
const VALID = TEXTS.filter(({ path, text }) => {
  const { checked } = checkSource({ path, text });
  return checked !== undefined && !path.includes("odd");
});

function open(text: string): { document: ConfigDocument; plain: TextDocument } {
  const plain = TextDocument.create("file:///config.toml", "toml", 1, text);
  return { document: new ConfigDocument(plain), plain };
}

/** Replays what failed. */
function naming(text: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\ndocument: ${JSON.stringify(text)}`, { cause: error });
  }
}

function expectSamePlaces(text: string): void {
  const expected = new Locator(parseStatements(text));
  const { locator } = new Outline(text);
  const print = (path: KeyPath): string => JSON.stringify(path);
  assert.deepEqual(locator.paths().map(print), expected.paths().map(print));
  for (const path of expected.paths()) {
    assert.deepEqual(locator.key(path), expected.key(path), printKeyPath(path));
    assert.deepEqual(locator.value(path), expected.value(path), printKeyPath(path));
  }
}

test("in a finished document it finds every key and value where the parser does", async () => {
  let documents = 0;
  for (const { path, text } of TEXTS) {
    const codes = checkSource({ path, text }).diagnostics.map(({ code }) => code);
    if (codes.some((code) => code.startsWith("toml/"))) continue;
    naming(text, () => expectSamePlaces(text));
    documents++;
  }
  assert.ok(documents > 80, `${documents} documents`);
  await withRandom((random) => {
    for (let round = 0; round < RANDOM_DOCUMENTS; round++) {
      const text = new TomlWriter(random).write();
      naming(text, () => expectSamePlaces(text));
    }
  });
});

/** Asks everything about one place, and asserts what must hold for any. */
function askAt(document: ConfigDocument, plain: TextDocument, place: number): void {
  // Between a carriage return and its line feed there is no position.
  const position = plain.positionAt(place);
  const offset = plain.offsetAt(position);
  const hover = hoverAt(document, position);
  if (hover !== undefined) {
    assert.ok(hover.text !== "" && !/undefined|\[object/.test(hover.text), hover.text);
    const { start, end } = hover.range;
    assert.ok(plain.offsetAt(start) <= offset && offset <= plain.offsetAt(end));
  }
  for (const { label, text, span } of completionsAt(document, position, OPTIONS)) {
    assert.ok(label !== "" && !/undefined|\[object/.test(text + label), `${label}: ${text}`);
    assert.ok(span.start <= offset && offset <= span.end, label);
    assert.ok(!document.slice(span).includes("\n"), `${label} replaces more than a line`);
  }
  const cursor = document.cursor(position);
  if (cursor === undefined) return;
  definitionOf(document, cursor);
  const uses = usesOfName(document, cursor).map(({ span }) => span.start);
  assert.equal(new Set(uses).size, uses.length);
}

function askAll(document: ConfigDocument, plain: TextDocument): void {
  for (const { whole, header } of symbolsOf(document)) {
    assert.ok(whole.start <= header.start && header.end <= whole.end);
  }
  const start = plain.positionAt(0);
  const end = plain.positionAt(document.text.length);
  repairsIn(document, { start, end });
  assert.ok(formatEdits(document).length <= 1);
}

test("every place of every example has an answer", () => {
  let places = 0;
  for (const { text } of TEXTS) {
    const { document, plain } = open(text);
    naming(text, () => {
      askAll(document, plain);
      for (let offset = 0; offset <= text.length; offset++, places++) {
        askAt(document, plain, offset);
      }
    });
  }
  assert.ok(places > 30_000, `${places} places`);
});

test("nothing is offered within a comment", () => {
  for (const { text } of VALID) {
    const { document, plain } = open(text);
    for (const { start, end } of document.outline.comments) {
      for (let offset = start + 1; offset <= end; offset++) {
        assert.equal(document.cursor(plain.positionAt(offset)), undefined);
      }
    }
  }
});

test("what stands in a document would have been offered there", () => {
  let keys = 0;
  let values = 0;
  for (const { text } of VALID) {
    const { locator } = open(text).document.outline;
    for (const path of locator.paths()) {
      const table = schemaAt(path.slice(0, -1));
      const node = schemaAt(path);
      const key = path.at(-1);
      if (node === undefined || table === undefined || typeof key !== "string") continue;
      if (!hasFreeNames(table)) {
        expectOffered(text, locator.key(path), key);
        keys++;
      }
      const names = key === "upstream" && path[0] !== "tests";
      if (node.enum !== undefined || node.type === "boolean" || names) {
        const span = locator.value(path);
        expectOffered(text, span, text.slice(span.start, span.end));
        values++;
      }
    }
  }
  assert.ok(keys > 300 && values > 60, `${keys} keys, ${values} values`);
});

/** Takes something out of a text, and asserts that its place offers to put it back. */
function expectOffered(text: string, span: { start: number; end: number }, label: string): void {
  const without = text.slice(0, span.start) + text.slice(span.end);
  const { document, plain } = open(without);
  const offered = completionsAt(document, plain.positionAt(span.start), OPTIONS);
  const found = offered.find((it) => it.label === label);
  assert.ok(found !== undefined, `${label} in ${JSON.stringify(without)} at ${span.start}`);
  const restored = without.slice(0, found.span.start) + found.text + without.slice(found.span.end);
  assert.equal(restored, text);
}

function damaged(random: Random): string {
  const text = random.below(4) === 0 ? new TomlWriter(random).write() : random.pick(TEXTS).text;
  return mutated(text.slice(0, 3000), random);
}

test("damaged documents have answers at any place", async () => {
  await withRandom((random) => {
    for (let round = 0; round < MUTATED_DOCUMENTS; round++) {
      const text = damaged(random);
      naming(text, () => {
        const { document, plain } = open(text);
        askAll(document, plain);
        for (let place = 0; place < PLACES_EACH; place++) {
          askAt(document, plain, random.below(text.length + 1));
        }
      });
    }
  });
});

test("a document of nothing but brackets has answers", () => {
  for (const character of ["[", "{", '"', "'", "a.", "=", "a=[", "a={", "\n[", "'''"]) {
    const text = character.repeat(2000);
    const { document, plain } = open(text);
    naming(character, () => askAt(document, plain, text.length));
  }
});
