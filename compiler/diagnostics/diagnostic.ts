// A mistake in the configuration, as plain data.

import type { Code } from "./registry.ts";
import type { Source, Span } from "./span.ts";

/** An error forbids compiling, a warning may; a note only says what is easily overlooked. */
export type Severity = "error" | "warning" | "note";

/** Another place that matters for a diagnostic, and why. */
export interface Label {
  readonly span: Span;
  readonly text: string;
}

/** A change that removes the mistake: `span` is replaced by `text`. */
export interface Fix {
  readonly label: string;
  readonly span: Span;
  readonly text: string;
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  /** What is wrong, in the words of the configuration. */
  readonly message: string;
  readonly span: Span;
  readonly labels?: readonly Label[];
  /** What to do, as an instruction. */
  readonly hint?: string;
  readonly fix?: Fix;
  /** The text that its spans lie in; absent: the configuration's. */
  readonly source?: Source;
}

/** True when a list of diagnostics forbids compiling. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}
