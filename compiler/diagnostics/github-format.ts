// Diagnostics as workflow commands of GitHub Actions, which shows them beside the lines of a pull
// request.

import type { Diagnostic, Severity } from "./diagnostic.ts";
import { rangeOf } from "./json-format.ts";
import { type Source, Sources } from "./span.ts";

const COMMANDS: Readonly<Record<Severity, string>> = {
  error: "error",
  warning: "warning",
  note: "notice",
};

/** One command a line; "" when there are none. */
export function formatGithub(source: Source, diagnostics: readonly Diagnostic[]): string {
  const sources = new Sources(source);
  return diagnostics.map((it) => `${command(sources, it)}\n`).join("");
}

function command(sources: Sources, it: Diagnostic): string {
  const { source, lines } = sources.of(it);
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
