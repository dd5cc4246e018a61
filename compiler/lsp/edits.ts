// Changes of text that an editor is offered: the layout of `zproxy fmt`, and fixes of mistakes.

import { readSource } from "../1-read/read.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { Report } from "../diagnostics/report.ts";
import { formatToml } from "../format/format-toml.ts";
import type { ConfigDocument, Range } from "./config-document.ts";

/** Text for a range, as the protocol has it. */
export interface Edit {
  readonly range: Range;
  readonly newText: string;
}

/** The document laid out; nothing while it is not TOML. */
export function formatEdits(document: ConfigDocument): Edit[] {
  const { text, uri } = document;
  if (readSource({ path: uri, text }, new Report()) === undefined) return [];
  const formatted = formatToml(text);
  if (formatted === text) return [];
  // Whole lines, and only those that change: the cursor and folded lines stay where they are.
  let start = 0;
  while (start < text.length && text[start] === formatted[start]) start++;
  start = text.lastIndexOf("\n", start - 1) + 1;
  let same = 0;
  const most = Math.min(text.length, formatted.length) - start;
  while (same < most && text.at(-1 - same) === formatted.at(-1 - same)) same++;
  while (same > 0 && text.at(-same - 1) !== "\n") same--;
  const span = { start, end: text.length - same };
  return [
    { range: document.range(span), newText: formatted.slice(start, formatted.length - same) },
  ];
}

/** A fix, and the diagnostic that goes away with it. */
export interface Repair {
  readonly title: string;
  readonly diagnostic: Diagnostic;
  readonly edit: Edit;
}

/** The fixes of what is wrong in a range. */
export function repairsIn(document: ConfigDocument, range: Range): Repair[] {
  const start = document.offset(range.start);
  const end = document.offset(range.end);
  return document.diagnostics.flatMap((diagnostic) => {
    const { span, fix } = diagnostic;
    if (fix === undefined || span.end < start || span.start > end) return [];
    const edit = { range: document.range(fix.span), newText: fix.text };
    return [{ title: fix.label, diagnostic, edit }];
  });
}
