// Explains mistakes in keys and headers: a missing "=", names that need quotes, second definitions.

import type { Label } from "../diagnostics/diagnostic.ts";
import type { Report } from "../diagnostics/report.ts";
import { printKey } from "./key-path.ts";
import { Locator } from "./locator.ts";
import { oneCharacter, type SyntaxPlace } from "./syntax-place.ts";
import { parseStatements, type Statement } from "./toml-parser.ts";

export function explainKeyCharacter(place: SyntaxPlace, report: Report): void {
  const { text, offset, line, lineStart } = place;
  const character = text[offset] ?? "";
  if (isHeader(line)) {
    if (character === "\n" || character === "\r") return explainHeaderEnd(place, report);
    return explainHeaderCharacter(place, report);
  }
  const before = text.slice(lineStart, offset);
  const key = before.trim();
  const separated = /\s$/.test(before) || /["':\r\n]/.test(character);
  if (key !== "" && separated && !key.endsWith(".")) return missingEquals(place, report);
  report.add("toml/bad-key", oneCharacter(text, offset), { character: shown(character) });
}

/** The text ended within a key. */
export function explainKeyEnd(place: SyntaxPlace, report: Report): void {
  if (isHeader(place.line)) explainHeaderEnd(place, report);
  else missingEquals(place, report);
}

export function explainHeaderEnd({ line, lineStart }: SyntaxPlace, report: Report): void {
  const mark = line.trimStart().startsWith("[[") ? "]]" : "]";
  const end = lineStart + line.trimEnd().length;
  const start = lineStart + line.length - line.trimStart().length;
  report.add("toml/unclosed", { start, end }, { what: "header", mark });
}

function isHeader(line: string): boolean {
  return /^\uFEFF?\s*\[/.test(line);
}

function missingEquals({ text, offset, line, lineStart }: SyntaxPlace, report: Report): void {
  const key = text.slice(lineStart, offset).trim() || line.trim();
  const start = lineStart + line.indexOf(key);
  const colon = text[offset] === ":";
  report.add(
    "toml/missing-equals",
    { start, end: start + key.length },
    { text: key },
    colon
      ? {
          hint: "TOML writes = where YAML and JSON write a colon",
          fix: { label: 'replace ":" by "="', span: oneCharacter(text, offset), text: " =" },
        }
      : {},
  );
}

/** A header with a host name or a path that is not in quotes. */
function explainHeaderCharacter(place: SyntaxPlace, report: Report): void {
  const { text, offset, line, lineStart } = place;
  const character = text[offset] ?? "";
  const fixed = quotedHeader(line);
  const header = line.trim().replace(/\s*#.*$/, "");
  const start = lineStart + line.indexOf(header);
  report.add(
    "toml/bad-key",
    oneCharacter(text, offset),
    { character: shown(character) },
    fixed === undefined
      ? {}
      : {
          hint: `write ${fixed}`,
          fix: {
            label: "quote the names",
            span: { start, end: start + header.length },
            text: fixed,
          },
        },
  );
}

/** A route header with host and path in quotes, if it is clear where they start and end. */
function quotedHeader(line: string): string | undefined {
  const match = /^\s*\[(host_routes|path_routes)\.([^\]]+)\]/.exec(line);
  const section = match?.[1];
  const rest = match?.[2]?.trim().replace(/["']/g, "");
  if (section === undefined || rest === undefined) return undefined;
  const suffix = /\.security$/.exec(rest)?.[0] ?? "";
  const names = rest.slice(0, rest.length - suffix.length);
  const slash = section === "path_routes" ? names.indexOf("/") : -1;
  const host = (slash < 0 ? names : names.slice(0, slash)).replace(/\.$/, "");
  if (host === "") return undefined;
  const path = slash < 0 ? "" : `.${JSON.stringify(names.slice(slash))}`;
  return `[${section}.${JSON.stringify(host)}${path}${suffix}]`;
}

/** A table or key that was written before; the earlier place becomes a label. */
export function explainDuplicate(place: SyntaxPlace, report: Report): void {
  const { text, offset, line, lineStart } = place;
  const rest = line.slice(Math.max(0, offset - lineStart));
  const name = /^(?:[^\]="']|"[^"]*"|'[^']*')*/.exec(rest)?.[0].trim() || line.trim();
  const labels = earlierDefinition(place);
  const span = { start: offset, end: Math.min(offset + name.length, text.length) };
  const listen = name === "listen" ? { hint: 'write an array: listen = ["…", "…"]' } : {};
  report.add("toml/duplicate", span, { name }, { ...listen, labels });
}

function earlierDefinition({ text, line, lineStart }: SyntaxPlace): Label[] {
  const before = statementsOf(text.slice(0, lineStart));
  const statement = statementsOf(line).at(0);
  if (statement === undefined) return [];
  const keys = statement.key.map((part) => part.name);
  const table = statement.kind === "pair" ? headerKeys(before) : [];
  const path = [...table, ...keys];
  const locator = new Locator(before);
  if (!locator.has(path)) return [];
  return [
    { span: locator.key(path), text: `${printKey(keys.at(-1) ?? "")} is first defined here` },
  ];
}

function headerKeys(statements: readonly Statement[]): string[] {
  const header = statements.findLast(({ kind }) => kind !== "pair");
  return header?.key.map((part) => part.name) ?? [];
}

/** The statements of a piece of text, or none when the piece does not stand on its own. */
function statementsOf(text: string): Statement[] {
  try {
    return parseStatements(text);
  } catch {
    return [];
  }
}

function shown(character: string): string {
  return JSON.stringify(character);
}
