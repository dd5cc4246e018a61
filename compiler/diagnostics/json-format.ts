// Diagnostics for programs. The shape is stable: keys are added, never renamed or removed.

import type { Diagnostic } from "./diagnostic.ts";
import { type LineMap, type Source, Sources, type Span } from "./span.ts";
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
  /** What a command has found out besides, such as `host`, each under its own key. */
  readonly also?: Readonly<Record<string, object>>;
}

/** One JSON document with a line end: counts, and the diagnostics in the order given. */
export function formatJson(
  source: Source,
  diagnostics: readonly Diagnostic[],
  { also }: JsonOptions = {},
): string {
  const sources = new Sources(source);
  const document = {
    file: source.path,
    errors: diagnostics.filter(({ severity }) => severity === "error").length,
    warnings: diagnostics.filter(({ severity }) => severity === "warning").length,
    notes: diagnostics.filter(({ severity }) => severity === "note").length,
    diagnostics: diagnostics.map((diagnostic) => describe(diagnostic, sources)),
    ...also,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function describe(diagnostic: Diagnostic, sources: Sources) {
  const { lines } = sources.of(diagnostic);
  return {
    code: diagnostic.code,
    severity: diagnostic.severity,
    message: diagnostic.message,
    // Another file than the one above.
    ...(diagnostic.source === undefined ? {} : { file: diagnostic.source.path }),
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
  };
}
