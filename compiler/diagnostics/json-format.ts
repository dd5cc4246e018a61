// Diagnostics for programs. The shape is stable: keys are added, never renamed or removed.

import type { Diagnostic } from "./diagnostic.ts";
import { LineMap, type Source, type Span } from "./span.ts";
import type { TextOptions } from "./text-format.ts";

/** Lines and columns from 1, columns in UTF-16 code units, the end excluded. */
export interface JsonRange {
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Where a span lies, as JSON and other formats for programs show it. */
export function rangeOf(lines: LineMap, span: Span): JsonRange {
  const start = lines.position(span.start);
  const end = lines.position(span.end);
  return { line: start.line, column: start.column, endLine: end.line, endColumn: end.column };
}

export interface JsonOptions extends TextOptions {
  /** What was found out about this machine; absent: nobody has looked. */
  readonly host?: object;
}

/** One JSON document with a line end: counts, and the diagnostics in the order given. */
export function formatJson(
  source: Source,
  diagnostics: readonly Diagnostic[],
  { host }: JsonOptions = {},
): string {
  const lines = new LineMap(source.text);
  const document = {
    file: source.path,
    errors: diagnostics.filter(({ severity }) => severity === "error").length,
    warnings: diagnostics.filter(({ severity }) => severity === "warning").length,
    notes: diagnostics.filter(({ severity }) => severity === "note").length,
    diagnostics: diagnostics.map((diagnostic) => ({
      code: diagnostic.code,
      severity: diagnostic.severity,
      message: diagnostic.message,
      ...rangeOf(lines, diagnostic.span),
      labels: (diagnostic.labels ?? []).map(({ span, text }) => ({
        text,
        ...rangeOf(lines, span),
      })),
      ...(diagnostic.hint === undefined ? {} : { hint: diagnostic.hint }),
      ...(diagnostic.fix === undefined
        ? {}
        : {
            fix: {
              label: diagnostic.fix.label,
              ...rangeOf(lines, diagnostic.fix.span),
              text: diagnostic.fix.text,
            },
          }),
    })),
    ...(host === undefined ? {} : { host }),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
