// Reads a document that is being written. It finds the same headers, keys and values as the parser
// of 1-read does in a finished one, and something useful in everything else: a header without its
// bracket, a key without a value, text without its closing quote. It never fails.

import type { KeyPath } from "../1-read/key-path.ts";
import { Locator } from "../1-read/locator.ts";
import { type KeyPart, keyName, type Pair, type Statement } from "../1-read/toml-parser.ts";
import type { Span } from "../diagnostics/span.ts";

export type LooseValue =
  | { readonly kind: "scalar"; readonly span: Span }
  | {
      readonly kind: "array";
      readonly span: Span;
      readonly items: readonly LooseValue[];
      readonly closed: boolean;
    }
  | {
      readonly kind: "table";
      readonly span: Span;
      readonly pairs: readonly LoosePair[];
      readonly closed: boolean;
    };

export interface LoosePair extends Pair {
  /** Behind the "=", or undefined while there is none. */
  readonly valueStart: number | undefined;
  /** A scalar without length where nothing has been written yet. */
  readonly value: LooseValue;
}

export interface LooseHeader {
  readonly kind: "table" | "array-item";
  readonly key: readonly KeyPart[];
  /** The path up to each part of the key, with indexes of array items. */
  readonly paths: readonly KeyPath[];
  readonly span: Span;
  readonly closed: boolean;
}

/** A table as it is written: its header, if it has one, and the pairs below it. */
export interface Section {
  readonly header: LooseHeader | undefined;
  readonly path: KeyPath;
  readonly pairs: readonly LoosePair[];
}

/** A new statement; an array that reaches it was never closed. */
const STATEMENT =
  /[ \t]*(?:\[{1,2}[ \t]*(?!(?:true|false|inf|nan)\b)[A-Za-z_][\w-]*[ \t]*[.\]]|[\w-]+(?:[ \t]*\.[ \t]*(?:[\w-]+|"[^"\r\n]*"))*[ \t]*=)/y;
/** A header; in an inline table keys may stand on lines of their own. */
const HEADER = /[ \t]*\[{1,2}[ \t]*[A-Za-z_][\w-]*[ \t]*[.\]]/y;

const BARE = /[^\s.=[\]{}"'#,]+/y;
const PLAIN = /[^\s,[\]{}#"'=]+(?:[ \t]+[^\s,[\]{}#"'=]+)*/y;
const REST_OF_LINE = /[^\r\n]*/y;

/** Deeper brackets are skipped as text. */
const DEPTH_MAX = 64;

export class Outline {
  readonly sections: readonly Section[];
  readonly comments: readonly Span[];
  #locator: Locator | undefined;

  constructor(text: string) {
    const reader = new Reader(text);
    this.sections = reader.sections();
    this.comments = reader.comments;
  }

  /** Where the keys stand, as far as they are written. */
  get locator(): Locator {
    this.#locator ??= new Locator(
      this.sections.flatMap(({ header, pairs }): Statement[] =>
        header === undefined ? [...pairs] : [header, ...pairs],
      ),
    );
    return this.#locator;
  }
}

class Reader {
  readonly comments: Span[] = [];
  readonly #text: string;
  readonly #itemCounts = new Map<string, number>();
  #at: number;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#at = text.startsWith("\ufeff") ? 1 : 0;
  }

  sections(): Section[] {
    let header: LooseHeader | undefined;
    let pairs: LoosePair[] = [];
    const found: Section[] = [];
    const finish = (): void => {
      found.push({ header, path: header?.paths.at(-1) ?? [], pairs });
    };
    for (;;) {
      this.#skipLines();
      if (this.#at >= this.#text.length) break;
      if (this.#text[this.#at] === "[") {
        finish();
        header = this.#header();
        pairs = [];
      } else {
        pairs.push(this.#pair());
      }
      this.#skipRest();
    }
    finish();
    return found;
  }

  #header(): LooseHeader {
    const start = this.#at;
    const kind = this.#text.startsWith("[[", start) ? "array-item" : "table";
    const bracket = kind === "table" ? "]" : "]]";
    this.#at += bracket.length;
    const key = this.#key();
    const closed = this.#text.startsWith(bracket, this.#at);
    if (closed) this.#at += bracket.length;
    const span = { start, end: this.#at };
    return { kind, key, paths: this.#pathsOf(key, kind), span, closed };
  }

  /** The paths that a header mentions; array items mean the newest one. */
  #pathsOf(key: readonly KeyPart[], kind: LooseHeader["kind"]): KeyPath[] {
    const paths: KeyPath[] = [];
    let path: KeyPath = [];
    for (const [index, { name }] of key.entries()) {
      path = [...path, name];
      const id = JSON.stringify(path);
      const isNew = kind === "array-item" && index === key.length - 1;
      const count = (this.#itemCounts.get(id) ?? 0) + (isNew ? 1 : 0);
      if (isNew) this.#itemCounts.set(id, count);
      if (count > 0) path = [...path, count - 1];
      paths.push(path);
    }
    return paths;
  }

  /** At least one part; one that is not written yet has the blanks in its place. */
  #key(): KeyPart[] {
    const parts: KeyPart[] = [];
    for (;;) {
      const blanks = this.#at;
      this.#skipBlanks();
      const start = this.#at;
      const quote = this.#text[start];
      if (quote === '"' || quote === "'") this.#line(quote);
      else this.#take(BARE);
      const span = { start: this.#at === start ? blanks : start, end: this.#at };
      parts.push({ name: partName(this.#text.slice(start, this.#at)), span });
      this.#skipBlanks();
      if (this.#text[this.#at] !== ".") break;
      this.#at++;
    }
    return parts;
  }

  #pair(): LoosePair {
    const key = this.#key();
    let valueStart: number | undefined;
    if (this.#text[this.#at] === "=") {
      this.#at++;
      valueStart = this.#at;
      this.#skipBlanks();
    }
    const empty: LooseValue = { kind: "scalar", span: { start: this.#at, end: this.#at } };
    const value = valueStart === undefined ? empty : (this.#value() ?? empty);
    return { kind: "pair", key, valueStart, value };
  }

  #value(): LooseValue | undefined {
    const start = this.#at;
    const character = this.#text[start];
    if (character === "[" || character === "{") {
      if (this.#depth >= DEPTH_MAX) return undefined;
      this.#depth++;
      const value = character === "[" ? this.#array() : this.#inlineTable();
      this.#depth--;
      return value;
    }
    if (character === '"' || character === "'") this.#quoted(character);
    else this.#take(PLAIN);
    return this.#at === start ? undefined : { kind: "scalar", span: { start, end: this.#at } };
  }

  #array(): LooseValue {
    const start = this.#at;
    const items: LooseValue[] = [];
    let closed = false;
    this.#at++;
    while (!closed && this.#moreInside(STATEMENT)) {
      closed = this.#text[this.#at] === "]";
      const value = closed ? undefined : this.#value();
      if (value === undefined) this.#at++;
      else items.push(value);
    }
    return { kind: "array", span: { start, end: this.#at }, items, closed };
  }

  #inlineTable(): LooseValue {
    const start = this.#at;
    const pairs: LoosePair[] = [];
    let closed = false;
    this.#at++;
    while (!closed && this.#moreInside(HEADER)) {
      const before = this.#at;
      const character = this.#text[before];
      closed = character === "}";
      if (!closed && character !== ",") pairs.push(this.#pair());
      if (this.#at === before) this.#at++;
    }
    return { kind: "table", span: { start, end: this.#at }, pairs, closed };
  }

  /** Skips to what stands next inside of brackets; false at the end, or where `stop` begins. */
  #moreInside(stop: RegExp): boolean {
    for (;;) {
      this.#skipBlanks();
      const character = this.#text[this.#at];
      if (character === undefined) return false;
      if (character === "#") this.#comment();
      else if (character !== "\n" && character !== "\r") return true;
      else {
        stop.lastIndex = this.#at + 1;
        if (stop.test(this.#text)) return false;
        this.#at++;
      }
    }
  }

  /** A value in one or three quotes. Without its end it takes the rest of the line. */
  #quoted(quote: string): void {
    const start = this.#at;
    const triple = quote.repeat(3);
    if (this.#text.startsWith(triple, start)) {
      const end = this.#closing(triple, start + triple.length);
      if (end !== undefined) {
        this.#at = end;
        // Up to two more quotes belong to the text.
        for (let more = 0; more < 2 && this.#text[this.#at] === quote; more++) this.#at++;
        return;
      }
    }
    this.#line(quote);
  }

  /** Text in single quotes, which ends in its line. */
  #line(quote: string): void {
    const end = this.#closing(quote, this.#at + 1);
    if (end !== undefined) this.#at = end;
    else this.#take(REST_OF_LINE);
  }

  /** Behind the closing quotes; a single one has to be in the same line. */
  #closing(quotes: string, from: number): number | undefined {
    for (let at = from; at < this.#text.length; at++) {
      const character = this.#text[at];
      if (quotes.length === 1 && (character === "\n" || character === "\r")) return undefined;
      if (this.#text.startsWith(quotes, at)) return at + quotes.length;
      if (character === "\\" && quotes[0] === '"') at++;
    }
    return undefined;
  }

  #take(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex;
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++;
  }

  #skipLines(): void {
    for (;;) {
      this.#skipBlanks();
      const character = this.#text[this.#at];
      if (character === "#") this.#comment();
      else if (character === "\n" || character === "\r") this.#at++;
      else return;
    }
  }

  /** What is left of a line behind a statement: a comment, or what should not be there. */
  #skipRest(): void {
    this.#skipBlanks();
    if (this.#text[this.#at] === "#") this.#comment();
    else this.#take(REST_OF_LINE);
  }

  #comment(): void {
    const start = this.#at;
    this.#take(REST_OF_LINE);
    this.comments.push({ start, end: this.#at });
  }
}

/** The name that a part of a key means, or will mean when it is finished. */
export function partName(image: string): string {
  const quote = image[0];
  if (quote !== '"' && quote !== "'") return image;
  if (image.length < 2 || image.at(-1) !== quote) return image.slice(1);
  try {
    return keyName(image);
  } catch {
    return image.slice(1, -1);
  }
}
