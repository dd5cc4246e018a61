// Places in a text as an editor counts them, and edits as it applies them.

import assert from "node:assert/strict";
import type { LspPosition, LspRange } from "./lsp-client.ts";

/** The place of the mark "|" in a text, and the text without it. */
export function marked(text: string): { text: string; position: LspPosition } {
  const at = text.indexOf("|");
  assert.ok(at >= 0, "no mark");
  return { text: text.slice(0, at) + text.slice(at + 1), position: positionOf(text, at) };
}

export function positionOf(text: string, offset: number): LspPosition {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length - 1, character: before.at(-1)!.length };
}

export function offsetOf(text: string, { line, character }: LspPosition): number {
  const lines = text.split("\n").slice(0, line);
  return lines.reduce((sum, it) => sum + it.length + 1, 0) + character;
}

export function sliceOf(text: string, { start, end }: LspRange): string {
  return text.slice(offsetOf(text, start), offsetOf(text, end));
}

export interface Edit {
  readonly range: LspRange;
  readonly newText: string;
}

export function applied(text: string, edits: readonly Edit[]): string {
  return edits
    .toSorted((a, b) => offsetOf(text, b.range.start) - offsetOf(text, a.range.start))
    .reduce(
      (out, { range, newText }) =>
        out.slice(0, offsetOf(text, range.start)) + newText + out.slice(offsetOf(text, range.end)),
      text,
    );
}

export function at(text: string, part: string): LspPosition {
  assert.ok(text.includes(part), part);
  return positionOf(text, text.indexOf(part) + 1);
}
