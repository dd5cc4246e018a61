// The tables of a document as an editor's outline shows them.

import { printKeyPath } from "../1-read/key-path.ts";
import type { Span } from "../diagnostics/span.ts";
import type { ConfigDocument } from "./config-document.ts";
import { schemaAt } from "./schema-path.ts";

export interface TableSymbol {
  readonly name: string;
  /** What kind of table it is. */
  readonly detail: string;
  /** The header and all pairs below it. */
  readonly whole: Span;
  readonly header: Span;
}

export function symbolsOf({ outline, text }: ConfigDocument): TableSymbol[] {
  const { sections } = outline;
  return sections.flatMap(({ header, path }, at) => {
    if (header === undefined) return [];
    const next = sections[at + 1]?.header?.span.start ?? text.length;
    const blank = /\s*$/.exec(text.slice(header.span.start, next))?.[0].length ?? 0;
    const whole = { start: header.span.start, end: Math.max(next - blank, header.span.end) };
    const detail = schemaAt(path)?.title ?? "";
    return [{ name: printKeyPath(path) || "[]", detail, whole, header: header.span }];
  });
}
