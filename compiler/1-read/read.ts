// Text to values. smol-toml alone says what the values are; the locator says where they stand.

import { parse, TomlError, type TomlTable } from "smol-toml";
import type { Report } from "../diagnostics/report.ts";
import type { Source } from "../diagnostics/span.ts";
import { Locator } from "./locator.ts";
import { reportSyntaxError } from "./syntax-error.ts";
import { NESTING_MAX, placeAt, placeOf, type SyntaxPlace } from "./syntax-place.ts";
import { explainDate } from "./syntax-value.ts";
import { OddDate, parseStatements, type Statement } from "./toml-parser.ts";

export interface Document {
  /** Integers are bigint, so that they can be told from floats and keep their value. */
  readonly values: TomlTable;
  readonly locator: Locator;
}

/** A line that starts like a pair or a comment; a closing bracket or an array item does not. */
const PAIR = /^\s*(?:[\w#.=-]|"[^"]*"|'[^']*'|[^\0-\x7f])[^=]*(?:=\s*(?<value>.*))?$/;

/** After this many syntax errors the rest is not looked at. */
const SYNTAX_ERRORS_MAX = 20;

/** Reads a configuration. Reports what is not TOML, and then returns undefined. Never throws. */
export function readSource(source: Source, report: Report): Document | undefined {
  let text = source.text;
  let values: TomlTable | undefined;
  let lastLine = -1;
  for (let errors = 0; errors < SYNTAX_ERRORS_MAX; errors++) {
    const error = tryParse(text, (parsed) => {
      values = parsed;
    });
    if (error === undefined) break;
    const place = placeOf(text, error);
    // The same line again: blanking it out did not help, so its mistake began above.
    if (place.lineStart <= lastLine) return undefined;
    reportSyntaxError(place, error, report);
    const next = withoutLine(place, errors);
    if (next === undefined) return undefined;
    lastLine = place.lineStart;
    text = next;
  }
  if (values === undefined || text !== source.text) return undefined;
  const statements = readStatements(source.text, report);
  if (statements === undefined || reportDepth(statements, report)) return undefined;
  return { values, locator: new Locator(statements, source.text) };
}

function readStatements(text: string, report: Report): Statement[] | undefined {
  try {
    return parseStatements(text);
  } catch (error) {
    if (!(error instanceof OddDate)) throw error;
    explainDate(placeAt(text, error.span.start), report);
    return undefined;
  }
}

function tryParse(text: string, keep: (values: TomlTable) => void): TomlError | undefined {
  try {
    keep(parse(text, { integersAsBigInt: true, maxDepth: NESTING_MAX }));
    return undefined;
  } catch (error) {
    if (error instanceof TomlError) return error;
    throw error;
  }
}

/**
 * The text with the mistaken line blanked out, to find mistakes in later lines in the same run.
 * Undefined when the line is only a part of something longer: going on would report mistakes that
 * are none. A header is replaced by another one, so that the keys below it do not join the table
 * above.
 */
function withoutLine(
  { text, offset, line, lineStart }: SyntaxPlace,
  errors: number,
): string | undefined {
  const content = line.replace(/^\uFEFF/, " ");
  if (offset > lineStart + line.length + 1) return undefined;
  const header = /^\s*\[/.test(content);
  const pair = PAIR.exec(content);
  if (!header && pair === null) return undefined;
  // An item of an array takes its comma with it.
  if (!content.includes("=") && /,\s*(?:#.*)?$/.test(content)) return undefined;
  // What opens here may go on in the lines below.
  if (/[[{]\s*(?:#.*)?$|"""|'''/.test(pair?.groups?.value ?? "")) return undefined;
  const stand = header ? `[z${errors}]` : "";
  if (stand.length > line.length) return undefined;
  const blank = stand.padEnd(line.length, " ");
  return text.slice(0, lineStart) + blank + text.slice(lineStart + line.length);
}

function reportDepth(statements: readonly Statement[], report: Report): boolean {
  const deep = statements.find(({ key }) => key.length > NESTING_MAX);
  const first = deep?.key[0];
  const last = deep?.key.at(-1);
  if (first === undefined || last === undefined) return false;
  const span = { start: first.span.start, end: last.span.end };
  report.add("toml/too-deep", span, { levels: NESTING_MAX });
  return true;
}
