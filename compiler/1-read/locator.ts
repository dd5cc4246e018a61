// Knows where each key and value of a document stands, and in which order keys were written. (A
// JavaScript object cannot tell the order: it puts keys that look like integers first.)

import type { Span } from "../diagnostics/span.ts";
import type { KeyPath } from "./key-path.ts";
import { textOffsets } from "./text-offsets.ts";
import type { KeyPart, Statement, ValueShape } from "./toml-parser.ts";

/** What is known about one key path. Tables and arrays of tables grow as statements arrive. */
class Place {
  key: Span;
  value: Span;
  /** A header or an assignment wrote this path; otherwise only longer paths mention it. */
  defined = false;
  readonly keys = new Map<string, Place>();
  readonly items: Place[] = [];

  constructor(key: Span, value: Span) {
    this.key = key;
    this.value = value;
  }
}

export class Locator {
  readonly #root = new Place({ start: 0, end: 0 }, { start: 0, end: 0 });

  readonly #text: string;

  /** Takes the statements of a valid document, and the document for `inside`. */
  constructor(statements: readonly Statement[], text = "") {
    this.#text = text;
    let table = this.#root;
    for (const statement of statements) {
      if (statement.kind === "pair") addPair(table, statement.key, statement.value);
      else table = addHeader(this.#root, statement.key, statement.kind, statement.span);
    }
  }

  /** True when the document has this key path. */
  has(path: KeyPath): boolean {
    return this.#find(path) !== undefined;
  }

  /** Where the last key of the path is written; for array items, the item. */
  key(path: KeyPath): Span {
    return this.#nearest(path).key;
  }

  /** Where the value is written; for tables with a header, the header. */
  value(path: KeyPath): Span {
    return this.#nearest(path).value;
  }

  /** Where a part of a string's value is written, by offsets of the value. */
  inside(path: KeyPath, { start, end }: Span): Span {
    const value = this.value(path);
    const offsets = textOffsets(this.#text.slice(value.start, value.end));
    const at = (offset: number): number => value.start + offsets[offset]!;
    return { start: at(start), end: start === end ? at(start) : at(end) };
  }

  /** The keys of a table in the order they were first written; none for anything else. */
  keysOf(path: KeyPath): readonly string[] {
    return [...(this.#find(path)?.keys.keys() ?? [])];
  }

  /** Every key path of the document, tables and array items included, in declared order. */
  paths(): KeyPath[] {
    const found: KeyPath[] = [];
    const visit = (place: Place, path: KeyPath): void => {
      if (path.length > 0) found.push(path);
      for (const [key, child] of place.keys) visit(child, [...path, key]);
      for (const [index, item] of place.items.entries()) visit(item, [...path, index]);
    };
    visit(this.#root, []);
    return found;
  }

  #find(path: KeyPath): Place | undefined {
    let place: Place | undefined = this.#root;
    for (const step of path) place = childOf(place, step);
    return place;
  }

  /** The place of the path, or of the longest part of it that the document has. */
  #nearest(path: KeyPath): Place {
    let place = this.#root;
    for (const step of path) {
      const child = childOf(place, step);
      if (child === undefined) return place;
      place = child;
    }
    return place;
  }
}

function childOf(place: Place | undefined, step: string | number): Place | undefined {
  return typeof step === "number" ? place?.items[step] : place?.keys.get(step);
}

/** Walks down a dotted key, making the tables it mentions; array items mean the newest one. */
function descend(from: Place, parts: readonly KeyPart[], value: Span): Place {
  let place = from;
  for (const part of parts) {
    const newest = place.items.at(-1) ?? place;
    let child = newest.keys.get(part.name);
    if (child === undefined) {
      child = new Place(part.span, value);
      newest.keys.set(part.name, child);
    }
    place = child;
  }
  return place;
}

function addHeader(
  root: Place,
  key: readonly KeyPart[],
  kind: "table" | "array-item",
  span: Span,
): Place {
  const place = descend(root, key, span);
  const name = key.at(-1)?.span ?? span;
  if (kind === "array-item") {
    const item = new Place(name, span);
    item.defined = true;
    place.items.push(item);
    return item;
  }
  // The table may have been mentioned before by a longer path; its own header is the better place.
  const table = place.items.at(-1) ?? place;
  if (!table.defined) {
    table.key = name;
    table.value = span;
    table.defined = true;
  }
  return table;
}

function addPair(table: Place, key: readonly KeyPart[], value: ValueShape): void {
  const place = descend(table, key, value.span);
  place.defined = true;
  fill(place, value);
}

function fill(place: Place, value: ValueShape): void {
  place.value = value.span;
  if (value.kind === "array") {
    for (const item of value.items) {
      const itemPlace = new Place(item.span, item.span);
      place.items.push(itemPlace);
      fill(itemPlace, item);
    }
  }
  if (value.kind === "table") for (const pair of value.pairs) addPair(place, pair.key, pair.value);
}
