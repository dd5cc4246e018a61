// Explains mistakes in values: text without quotes, numbers with units, strings that do not end.

import type { Report } from "../diagnostics/report.ts";
import { type Explain, oneCharacter, type SyntaxPlace } from "./syntax-place.ts";

/** Words of other languages for true and false. */
const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ["yes", "true"],
  ["on", "true"],
  ["true", "true"],
  ["no", "false"],
  ["off", "false"],
  ["false", "false"],
]);

/** A header, which inside an array reads like an array within it. */
const HEADER_LINE = /^\s*\[+[\w-]+(?:\.(?:[\w-]+|"[^"]*"|'[^']*'))*\]+\s*(?:#.*)?$/;

/** The value around an offset as far as it would go if it were in quotes. */
function valueAround({ text, offset }: SyntaxPlace): { start: number; end: number; text: string } {
  let start = offset;
  while (start > 0 && /[^\s=,[\]{}"'#]/.test(text[start - 1] ?? "")) start--;
  const rest = /^[^,\]}#"'\r\n]*/.exec(text.slice(start, start + 4096))?.[0] ?? "";
  const value = rest.trimEnd();
  return { start, end: start + value.length, text: value };
}

export function explainValue(place: SyntaxPlace, report: Report): void {
  const value = valueAround(place);
  if (value.text === "") {
    const span = oneCharacter(place.text, place.offset);
    const empty = /^[\s]?$/.test(place.text.slice(span.start, span.end));
    const detail = empty ? "a value is missing" : "no value can start like this";
    const hint = 'write a number, true, false, text in "quotes", an [array] or a {table}';
    return report.add(
      "toml/bad-value",
      empty ? { start: span.start, end: span.start } : span,
      { detail },
      { hint },
    );
  }
  if (/^[-+]?\d/.test(value.text) && !/[.:/].*[.:/]|[a-z].*[./:]/i.test(value.text)) {
    return explainNumber(value, report);
  }
  if (HEADER_LINE.test(place.line) && reportOpened(place, report)) return;
  explainText(value, report);
}

function explainNumber(value: { start: number; end: number; text: string }, report: Report): void {
  const unit = /^([\d_]+)\s*([a-z]+)$/i.exec(value.text);
  if (unit !== null) {
    return report.add(
      "toml/bad-value",
      value,
      { detail: `${value.text} is not a number` },
      {
        hint: "write a plain number: sizes are in bytes, times in the unit the key's name ends in",
      },
    );
  }
  if (/^[-+]?0[\d_]/.test(value.text)) {
    return report.add("toml/bad-value", value, {
      detail: `${value.text} has a leading zero`,
    });
  }
  report.add("toml/bad-value", value, { detail: `${value.text} is not a number` });
}

function explainText(value: { start: number; end: number; text: string }, report: Report): void {
  const boolean = BOOLEANS.get(value.text.toLowerCase());
  const span = { start: value.start, end: value.end };
  if (boolean !== undefined && boolean !== value.text && value.text !== "off") {
    const hint = `write ${boolean}`;
    const fix = { label: hint, span, text: boolean };
    return report.add(
      "toml/bad-value",
      span,
      { detail: `${value.text} is not a value; true and false are written in lower case` },
      { hint, fix },
    );
  }
  const quoted = JSON.stringify(value.text);
  const fix = { label: "put it in quotes", span, text: quoted };
  report.add("toml/unquoted-string", span, { value: value.text }, { hint: `write ${quoted}`, fix });
}

export function explainDate(place: SyntaxPlace, report: Report): void {
  const value = valueAround(place);
  report.add(
    "toml/bad-value",
    value.text === "" ? oneCharacter(place.text, place.offset) : value,
    { detail: `${value.text} is neither a date nor a number` },
    { hint: "put it in quotes if it is text; no key takes a date" },
  );
}

/** Something follows a finished value: often text that starts like one, as `info` does. */
export function explainStray(place: SyntaxPlace, report: Report): void {
  const value = valueAround(place);
  if (/^[a-z]/i.test(value.text) && value.start < place.offset) return explainText(value, report);
  const end = place.lineStart + place.line.trimEnd().length;
  const span = { start: place.offset, end: Math.max(end, place.offset) };
  report.add("toml/stray-text", span, { text: place.text.slice(span.start, span.end) });
}

export function explainComma(place: SyntaxPlace, report: Report): void {
  const value = valueAround(place);
  if (/^[a-z]/i.test(value.text) && value.start < place.offset) return explainText(value, report);
  if (reportOpened(place, report)) return;
  report.add("toml/missing-comma", oneCharacter(place.text, place.offset), {});
}

/** Reports an array or table that should have ended before this line; false when there is none. */
function reportOpened(place: SyntaxPlace, report: Report): boolean {
  const open = openedBefore(place);
  if (open === undefined) return false;
  const span = oneCharacter(place.text, place.offset);
  const labels = [{ span, text: "this line starts something else" }];
  report.add("toml/unclosed", open.span, open, { labels });
  return true;
}

/** When the line reads like a statement of its own: the array or table that should have ended. */
function openedBefore({ text, line, lineStart }: SyntaxPlace) {
  if (!/^\s*(?:$|\[+[A-Za-z"']|[\w."'-]+\s*=)/.test(line)) return undefined;
  const before = [...text.slice(0, lineStart).matchAll(/^[^\S\n]*[\w."'-]+\s*=\s*([[{])/gm)];
  const opening = before.at(-1);
  if (opening === undefined) return undefined;
  const start = opening.index + opening[0].length - 1;
  const isTable = opening[1] === "{";
  const words = isTable ? { what: "table", mark: "}" } : { what: "array", mark: "]" };
  return { ...words, span: { start, end: start + 1 } };
}

export function explainUnclosed(what: string, mark: string): Explain {
  return ({ text, offset }, report) => {
    report.add("toml/unclosed", oneCharacter(text, offset), { what, mark });
  };
}

/** A line end in a string is a forgotten quote; other control characters come from a paste. */
export function explainControl(place: SyntaxPlace, report: Report): void {
  const { text, offset, line, lineStart } = place;
  const character = text[offset] ?? "";
  if (character === "\n" || character === "\r") {
    const opening = Math.max(0, line.search(/["']/));
    const span = { start: lineStart + opening, end: lineStart + line.length };
    return report.add("toml/unclosed", span, { what: "string", mark: "quote" });
  }
  const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  report.add("toml/control-character", oneCharacter(text, offset), { character: `U+${code}` });
}

export function explainEscape({ text, offset }: SyntaxPlace, report: Report): void {
  const start = Math.max(text.lastIndexOf("\\", offset), 0);
  const sequence =
    /^\\(?:[xuU][0-9a-fA-F]*|[^\r\n])?/.exec(text.slice(start, start + 12))?.[0] ?? "\\";
  const end = Math.max(start + sequence.length, Math.min(offset, text.length));
  report.add("toml/bad-escape", { start, end }, { text: text.slice(start, end) });
}
