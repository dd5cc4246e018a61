// Diagnostics for people: one block each, the place first so that editors can jump to it.

import type { Diagnostic } from "./diagnostic.ts";
import { printable } from "./display-width.ts";
import { frameLines, type Mark, type Paint } from "./source-frame.ts";
import { type Source, Sources } from "./span.ts";

export interface TextOptions {
  /** Use terminal colours; the caller knows whether the output is a terminal. */
  readonly color?: boolean;
}

const STYLES = {
  error: "1;31",
  warning: "1;33",
  note: "1;36",
  gutter: "34",
  primary: "1;31",
  secondary: "36",
  hint: "32",
} as const;

/** The blocks of all diagnostics and a last line with the counts; "" when there are none. */
export function formatText(
  source: Source,
  diagnostics: readonly Diagnostic[],
  options: TextOptions = {},
): string {
  if (diagnostics.length === 0) return "";
  const sources = new Sources(source);
  const blocks = diagnostics.map((it) => block(sources, it, options.color === true));
  return [...blocks, `${countText(diagnostics)}\n`].join("\n");
}

/** Such as `2 errors, 1 warning`; at least one thing is counted. */
function countText(diagnostics: readonly Diagnostic[]): string {
  const parts = (["error", "warning", "note"] as const).map((severity) =>
    plural(diagnostics.filter((it) => it.severity === severity).length, severity),
  );
  return parts.filter((part) => part !== "").join(", ");
}

function plural(count: number, word: string): string {
  if (count === 0) return "";
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function block(sources: Sources, it: Diagnostic, color: boolean): string {
  const paint = (style: keyof typeof STYLES, text: string): string =>
    color ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;
  const { source, lines } = sources.of(it);
  const { line, column } = lines.position(it.span.start);
  const place = `${printable(source.path)}:${line}:${column}`;
  const title = `${paint(it.severity, it.severity)}: ${printable(it.message)} [${it.code}]`;
  const marks: Mark[] = [
    { span: it.span, sign: "^", text: "" },
    ...(it.labels ?? []).map(({ span, text }): Mark => ({ span, sign: "-", text })),
  ];
  const frame = frameLines(lines, marks, paint satisfies Paint);
  const hint = it.hint === undefined ? [] : [`${paint("hint", "hint:")} ${printable(it.hint)}`];
  return [`${place}: ${title}`, ...frame, ...hint, ""].join("\n");
}
