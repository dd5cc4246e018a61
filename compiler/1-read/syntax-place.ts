// Where smol-toml stopped, and the text around it: what the explainers work with.

import type { TomlError } from "smol-toml";
import type { Report } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";

/** Where smol-toml stopped. `line` is the text of the line, `lineStart` the offset it starts at. */
export interface SyntaxPlace {
  readonly text: string;
  readonly offset: number;
  readonly line: string;
  readonly lineStart: number;
}

export type Explain = (place: SyntaxPlace, report: Report) => void;

/** Nesting that smol-toml is told to accept. */
export const NESTING_MAX = 64;

/** The place that an error of smol-toml names by line and column. */
export function placeOf(text: string, error: TomlError): SyntaxPlace {
  let lineStart = 0;
  for (let line = 1; line < error.line; line++) lineStart = text.indexOf("\n", lineStart) + 1;
  return placeAt(text, Math.min(lineStart + error.column - 1, text.length), lineStart);
}

export function placeAt(
  text: string,
  offset: number,
  lineStart = text.lastIndexOf("\n", offset - 1) + 1,
): SyntaxPlace {
  const lineEnd = text.indexOf("\n", lineStart);
  const line = text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd).replace(/\r$/, "");
  return { text, offset, line, lineStart };
}

/** The character at an offset; at the end of the text an empty span. */
export function oneCharacter(text: string, offset: number): Span {
  const character = text.codePointAt(offset);
  const length = character === undefined ? 0 : String.fromCodePoint(character).length;
  return { start: offset, end: offset + length };
}
