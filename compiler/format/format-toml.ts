// Lays out a TOML document in one way: what it says and every comment stay, blanks and line ends
// between them are ours. Works on places in the text, so that no value is ever written anew.

import {
  type KeyPart,
  type Pair,
  parseStatements,
  type Statement,
  type ValueShape,
} from "../1-read/toml-parser.ts";
import type { Span } from "../diagnostics/span.ts";

const COLUMNS_MAX = 100;
const INDENT = "  ";
const BYTE_ORDER_MARK = "\ufeff";

/** Formats a document that smol-toml accepts. Formatting the result changes nothing. */
export function formatToml(text: string): string {
  const layout = new Layout(text);
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
  let end = mark.length;
  for (const statement of parseStatements(text)) {
    const span = spanOf(statement);
    layout.gap(text.slice(end, span.start), statement.kind !== "pair");
    layout.line(printStatement(text, statement));
    end = span.end;
  }
  layout.gap(text.slice(end), false);
  return mark + layout.finish();
}

/** The lines of the result. A blank line before the end is never kept. */
class Layout {
  readonly #lines: string[] = [];
  #started: boolean;

  constructor(text: string) {
    // Before the first statement there is no line that a comment could stand behind.
    this.#started = text === "";
  }

  line(text: string): void {
    this.#lines.push(text);
    this.#started = true;
  }

  /** What stands between two statements: comments and blank lines. */
  gap(text: string, beforeHeader: boolean): void {
    const [rest = "", ...lines] = text.split("\n").map((line) => line.trim());
    if (rest !== "" && this.#started) this.#lines.push(`${this.#lines.pop()} ${rest}`);
    else if (rest !== "") this.#lines.push(rest);
    const own = lines.slice(0, -1);
    // The last piece is the indentation of what follows, or a comment at the end of the text.
    const last = lines.at(-1);
    if (last !== undefined && last !== "") own.push(last);
    for (const line of own) {
      if (line !== "" || (this.#lines.length > 0 && this.#lines.at(-1) !== "")) {
        this.#lines.push(line);
      }
    }
    if (beforeHeader) this.#separate(own.length);
  }

  /** One blank line before a header, or before the comments that stand right above it. */
  #separate(ownLines: number): void {
    let at = this.#lines.length;
    const first = at - ownLines;
    while (at > first && this.#lines[at - 1]?.startsWith("#")) at--;
    if (at > 0 && this.#lines[at - 1] !== "") this.#lines.splice(at, 0, "");
  }

  finish(): string {
    while (this.#lines.at(-1) === "") this.#lines.pop();
    return this.#lines.length === 0 ? "" : `${this.#lines.join("\n")}\n`;
  }
}

function spanOf(statement: Statement): Span {
  if (statement.kind !== "pair") return statement.span;
  return { start: statement.key[0]!.span.start, end: statement.value.span.end };
}

function printStatement(text: string, statement: Statement): string {
  if (statement.kind === "pair") return printPair(text, statement);
  const key = printParts(text, statement.key);
  return statement.kind === "table" ? `[${key}]` : `[[${key}]]`;
}

function printParts(text: string, parts: readonly KeyPart[]): string {
  return parts.map(({ span }) => text.slice(span.start, span.end)).join(".");
}

function printPair(text: string, { key, value }: Pair): string {
  const name = printParts(text, key);
  return `${name} = ${printValue(text, value, name.length + " = ".length)}`;
}

/** `column`: where the value begins. */
function printValue(text: string, value: ValueShape, column: number): string {
  const source = text.slice(value.span.start, value.span.end);
  if (value.kind === "scalar") return source;
  const lineEnds = hasLineEnd(text, value);
  if (value.kind === "table") {
    // Lines within an inline table are somebody's choice, and rare.
    if (lineEnds) return source;
    const pairs = value.pairs.map((pair) => printPair(text, pair));
    return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
  }
  if (value.items.some((item) => item.kind !== "scalar" && hasLineEnd(text, item))) return source;
  const items = value.items.map((item) => printValue(text, item, 0));
  const line = `[${items.join(", ")}]`;
  const fits = column + line.length <= COLUMNS_MAX || items.length === 0;
  return !lineEnds && fits ? line : printLines(text, value, items);
}

/** An item a line, each with its comma and the comment behind it. */
function printLines(
  text: string,
  { span, items }: ValueShape & { kind: "array" },
  printed: readonly string[],
): string {
  const lines: string[] = [];
  let end = span.start + 1;
  const addGap = (gap: string): void => {
    const [behind, ...own] = commentsOf(gap);
    if (behind !== "" && behind !== undefined) {
      if (lines.length > 0) lines.push(`${lines.pop()} ${behind}`);
      else own.unshift(behind);
    }
    lines.push(...own.filter((comment) => comment !== "").map((comment) => INDENT + comment));
  };
  for (const [index, item] of items.entries()) {
    addGap(text.slice(end, item.span.start));
    lines.push(`${INDENT}${printed[index]},`);
    end = item.span.end;
  }
  addGap(text.slice(end, span.end - 1));
  return lines.length === 0 ? "[]" : ["[", ...lines, "]"].join("\n");
}

/** The comment of each line of a gap in an array, "" where there is none. */
function commentsOf(gap: string): string[] {
  return gap.split("\n").map((line) => {
    const start = line.indexOf("#");
    return start < 0 ? "" : line.slice(start).trim();
  });
}

/** Whether there is a line end in a value outside of its texts. */
function hasLineEnd(text: string, value: ValueShape): boolean {
  if (value.kind === "scalar") return text.slice(value.span.start, value.span.end).includes("\n");
  let end = value.span.start;
  const inner = value.kind === "array" ? value.items : value.pairs.map((pair) => pair.value);
  for (const item of inner) {
    if (text.slice(end, item.span.start).includes("\n") || hasLineEnd(text, item)) return true;
    end = item.span.end;
  }
  return text.slice(end, value.span.end).includes("\n");
}
