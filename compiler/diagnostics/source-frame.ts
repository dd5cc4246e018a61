// The lines of the source that a diagnostic is about, with marks below them:
//
//     12 | [path_routes."example.com"."/docs/"]
//        |                            ^^^^^^^^
//      8 | [path_routes."example.com"."/docs"]
//        |                            ------- the first is here

import { expand, printable, width } from "./display-width.ts";
import type { LineMap, Span } from "./span.ts";

/** Wider lines are cut to a window round the mark. */
const COLUMNS_MAX = 100;
/** Columns kept before the mark when a line is cut. */
const COLUMNS_BEFORE = 30;

export interface Mark {
  readonly span: Span;
  readonly sign: "^" | "-";
  readonly text: string;
}

/** Puts a piece of a frame into a style, such as a colour. */
export type Paint = (style: "gutter" | "primary" | "secondary", text: string) => string;

/** The lines of a frame, without line ends. */
export function frameLines(lines: LineMap, marks: readonly Mark[], paint: Paint): string[] {
  const numbers = marks.map(({ span }) => lines.position(span.start).line);
  const gutterWidth = Math.max(...numbers.map((line) => String(line).length), 3);
  return marks.flatMap((mark) => markLines(lines, mark, gutterWidth, paint));
}

function markLines(lines: LineMap, mark: Mark, gutterWidth: number, paint: Paint): string[] {
  const start = lines.position(mark.span.start);
  const end = lines.position(mark.span.end);
  const text = lines.lineText(start.line);
  const from = Math.min(start.column - 1, text.length);
  // A span over several lines is marked on its first line only.
  const to = end.line === start.line ? end.column - 1 : text.length;
  const before = expand(text.slice(0, from));
  const marked = expand(text.slice(from, to), width(before));
  const whole = before + marked + expand(text.slice(to), width(before + marked));
  const window = cut(whole, before, marked);
  const number = String(start.line).padStart(gutterWidth);
  const style = mark.sign === "^" ? "primary" : "secondary";
  const signs = mark.sign.repeat(Math.max(1, window.marked));
  const note = mark.text === "" ? "" : ` ${printable(mark.text)}`;
  const blank = " ".repeat(gutterWidth);
  return [
    `${paint("gutter", `${number} |`)} ${window.text}`.trimEnd(),
    `${paint("gutter", `${blank} |`)} ${" ".repeat(window.before)}${paint(style, signs + note)}`,
  ];
}

/** Cuts a long line; returns what is shown, and the columns before and below the mark. */
function cut(
  whole: string,
  before: string,
  marked: string,
): { text: string; before: number; marked: number } {
  const beforeWidth = width(before);
  if (width(whole) <= COLUMNS_MAX) {
    return { text: whole, before: beforeWidth, marked: width(marked) };
  }
  const characters = [...whole];
  const first = Math.max(0, [...before].length - COLUMNS_BEFORE);
  const shown = characters.slice(first, first + COLUMNS_MAX);
  const head = first > 0 ? "…" : "";
  const tail = first + COLUMNS_MAX < characters.length ? "…" : "";
  const hidden = width(characters.slice(0, first).join(""));
  const text = head + shown.join("") + tail;
  const offset = beforeWidth - hidden + head.length;
  return { text, before: offset, marked: Math.min(width(marked), width(text) - offset) };
}
