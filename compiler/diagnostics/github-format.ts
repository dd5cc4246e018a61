// Diagnostics as workflow commands of GitHub Actions, which shows them beside the lines of a pull
// request.

import type { Diagnostic, Severity } from "./diagnostic.ts";
import { rangeOf } from "./json-format.ts";
import { LineMap, type Source } from "./span.ts";

const COMMANDS: Readonly<Record<Severity, string>> = {
  error: "error",
  warning: "warning",
  note: "notice",
};

/** One command a line; "" when there are none. */
export function formatGithub(source: Source, diagnostics: readonly Diagnostic[]): string {
  const lines = new LineMap(source.text);
  return diagnostics.map((it) => `${command(source, lines, it)}\n`).join("");
}

function command(source: Source, lines: LineMap, it: Diagnostic): string {
  const { line, column, endLine, endColumn } = rangeOf(lines, it.span);
  const properties = [
    ["file", source.path],
    ["line", line],
    ["endLine", endLine],
    // Columns are taken only where both ends are on one line, and the last one is included.
    ...(line === endLine
      ? [
          ["col", column],
          ["endColumn", Math.max(column, endColumn - 1)],
        ]
      : []),
    ["title", it.code],
  ].map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  const notes = (it.labels ?? []).map(
    ({ span, text }) => `line ${lines.position(span.start).line}: ${text}`,
  );
  const hint = it.hint === undefined ? [] : [`hint: ${it.hint}`];
  const message = [it.message, ...notes, ...hint].join("\n");
  return `::${COMMANDS[it.severity]} ${properties.join(",")}::${escapeData(message)}`;
}

/** What would end the command's line, or be read as an escape. */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
