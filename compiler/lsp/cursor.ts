// What stands at a place of a document: a part of a header, a key, a value, or nothing.

import type { KeyPath } from "../1-read/key-path.ts";
import type { KeyPart } from "../1-read/toml-parser.ts";
import type { Span } from "../diagnostics/span.ts";
import {
  type LooseHeader,
  type LoosePair,
  type LooseValue,
  type Outline,
  partName,
  type Section,
} from "./outline.ts";

export type Cursor =
  | {
      readonly kind: "header";
      /** The path of the parts before this one. */
      readonly table: KeyPath;
      readonly part: KeyPart;
      /** The path with this part. */
      readonly path: KeyPath;
      readonly header: LooseHeader;
    }
  | {
      readonly kind: "key";
      /** The table that the key is in. */
      readonly table: KeyPath;
      /** Without length where no key has been begun. */
      readonly part: KeyPart;
      readonly path: KeyPath;
      /** There is a "=" behind it. */
      readonly assigned: boolean;
      /** Where a header could stand as well: in a line of its own, with nothing before it. */
      readonly startsLine: boolean;
    }
  | {
      readonly kind: "value";
      readonly path: KeyPath;
      /** What is written of the value; without length where nothing is. */
      readonly span: Span;
    };

/** What stands at an offset of the text that `outline` was made of. */
export function cursorAt(outline: Outline, text: string, offset: number): Cursor | undefined {
  return new Finder(text, offset).find(outline);
}

/** Looks for one place of a text. */
class Finder {
  readonly #text: string;
  readonly #offset: number;

  constructor(text: string, offset: number) {
    this.#text = text;
    this.#offset = offset;
  }

  find({ comments, sections }: Outline): Cursor | undefined {
    const offset = this.#offset;
    if (comments.some(({ start, end }) => offset > start && offset <= end)) return undefined;
    const { header, path, pairs } = sectionAt(sections, offset);
    if (header !== undefined && offset <= header.span.end) return this.#inHeader(header);
    const pair = pairs.findLast(({ key }) => key[0]!.span.start <= offset);
    if (pair !== undefined && offset <= this.#endOf(pair)) return this.#inPair(pair, path, true);
    // A new key can only begin in a line that has nothing else yet.
    const before = this.#text.slice(this.#text.lastIndexOf("\n", offset - 1) + 1, offset);
    if (!/^\ufeff?[ \t\r]*$/.test(before)) return undefined;
    return this.#key(path, emptyPart(offset), true);
  }

  /** Behind "=" the value may begin anywhere in the rest of the line. */
  #endOf({ key, valueStart, value }: LoosePair): number {
    if (valueStart === undefined) return key.at(-1)!.span.end;
    if (value.kind !== "scalar" || value.span.end > value.span.start) return value.span.end;
    return this.#behindBlanks(valueStart);
  }

  #behindBlanks(from: number): number {
    const blanks = /[ \t]*/y;
    blanks.lastIndex = from;
    blanks.test(this.#text);
    return blanks.lastIndex;
  }

  #inHeader(header: LooseHeader): Cursor | undefined {
    const { key, paths } = header;
    const at = key.findIndex((part) => this.#isIn(part));
    if (at < 0) return undefined;
    const table = at === 0 ? [] : paths[at - 1]!;
    return { kind: "header", table, part: this.#typed(key[at]!), path: paths[at]!, header };
  }

  #inPair(pair: LoosePair, table: KeyPath, startsLine: boolean): Cursor | undefined {
    const { key, valueStart, value } = pair;
    const names = key.map(({ name }) => name);
    if (valueStart !== undefined && this.#offset >= valueStart) {
      return this.#inValue(value, [...table, ...names]);
    }
    const at = key.findIndex((part) => this.#isIn(part));
    if (at < 0) return undefined;
    const before = [...table, ...names.slice(0, at)];
    return this.#key(before, this.#typed(key[at]!), startsLine && key.length === 1);
  }

  #inValue(value: LooseValue, path: KeyPath): Cursor | undefined {
    const { start, end } = value.span;
    const offset = this.#offset;
    const here = { start: offset, end: offset };
    if (value.kind === "scalar") {
      const isInside = start <= offset && offset <= end;
      return { kind: "value", path, span: isInside ? value.span : here };
    }
    if (offset <= start) return { kind: "value", path, span: here };
    if (value.closed && offset >= end) return undefined;
    if (value.kind === "array") {
      const at = value.items.findIndex(({ span }) => offset <= span.end);
      const item = value.items[at];
      if (item !== undefined && offset >= item.span.start)
        return this.#inValue(item, [...path, at]);
      const next = at < 0 ? value.items.length : at;
      return { kind: "value", path: [...path, next], span: here };
    }
    const pair = value.pairs.findLast(({ key }) => key[0]!.span.start <= offset);
    if (pair !== undefined && offset <= this.#endOf(pair)) return this.#inPair(pair, path, false);
    return this.#key(path, emptyPart(offset), false);
  }

  #isIn({ span }: KeyPart): boolean {
    return span.start <= this.#offset && this.#offset <= span.end;
  }

  /** A part that has not been begun is blank, and those blanks are not to be replaced. */
  #typed(part: KeyPart): KeyPart {
    const { start, end } = part.span;
    return /\S/.test(this.#text.slice(start, end)) ? part : emptyPart(this.#offset);
  }

  #key(table: KeyPath, part: KeyPart, startsLine: boolean): Cursor {
    const assigned = this.#text[this.#behindBlanks(part.span.end)] === "=";
    const path = [...table, part.name];
    return { kind: "key", table, part, path, assigned, startsLine: startsLine && !assigned };
  }
}

function sectionAt(sections: readonly Section[], offset: number): Section {
  let low = 0;
  let high = sections.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sections[middle]!.header!.span.start <= offset) low = middle;
    else high = middle - 1;
  }
  return sections[low]!;
}

function emptyPart(offset: number): KeyPart {
  return { name: "", span: { start: offset, end: offset } };
}

/** The text that a scalar means, when it is one in quotes. */
export function textOf(text: string, { start, end }: Span): string | undefined {
  const image = text.slice(start, end);
  return /^["']/.test(image) && !/^("""|''')/.test(image) ? partName(image) : undefined;
}
