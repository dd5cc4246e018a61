// What an editor shows for the place under the pointer.

import { type KeyPath, printKeyPath } from "../1-read/key-path.ts";
import type { Span } from "../diagnostics/span.ts";
import { conditionMeaning, isCondition } from "./condition-words.ts";
import type { ConfigDocument, Position, Range } from "./config-document.ts";
import { type Cursor, textOf } from "./cursor.ts";
import { describeCode, describeKey, describeValue } from "./describe.ts";
import { upstreamUsedAt } from "./names.ts";
import { hasFreeNames, isRequired, schemaAt } from "./schema-path.ts";

export interface HoverText {
  /** Markdown. */
  readonly text: string;
  readonly range: Range;
}

/** The pages of the diagnostics at a place, then what the schema says about it. */
export function hoverAt(document: ConfigDocument, position: Position): HoverText | undefined {
  const offset = document.offset(position);
  const cursor = document.cursor(position);
  const mistakes = document.diagnostics.filter(
    ({ span }) => span.start <= offset && offset <= span.end,
  );
  const pages = [...new Set(mistakes.map(({ code }) => code))].map(describeCode);
  const word =
    cursor?.kind === "value" && isCondition(cursor.path)
      ? conditionMeaning(document.text, cursor.span, offset)
      : undefined;
  const explained = word?.text ?? (cursor && describeCursor(document, cursor));
  const texts = explained === undefined ? pages : [...pages, explained];
  const span = explained === undefined ? mistakes[0]?.span : (word?.span ?? spanOf(cursor!));
  if (texts.length === 0 || span === undefined) return undefined;
  return { text: texts.join("\n\n---\n\n"), range: document.range(span) };
}

function spanOf(cursor: Cursor): Span {
  return cursor.kind === "value" ? cursor.span : cursor.part.span;
}

function describeCursor(document: ConfigDocument, cursor: Cursor): string | undefined {
  if (spanOf(cursor).end === spanOf(cursor).start) return undefined;
  if (cursor.kind === "value") return describeWritten(document, cursor.path, cursor.span);
  const { path, table, part } = cursor;
  const node = schemaAt(path, document.schema);
  if (node === undefined) return undefined;
  const name = hasFreeNames(schemaAt(table)) ? printKeyPath(path) : part.name;
  return describeKey(name, node, isRequired(path));
}

/** A value: what it means where the schema or the document knows, else what its key is. */
function describeWritten(document: ConfigDocument, path: KeyPath, span: Span): string | undefined {
  const upstream = upstreamUsedAt(document, path, span);
  if (upstream !== undefined) {
    const header = document.outline.locator.value(["upstreams", upstream]);
    const servers = document.outline.locator.value(["upstreams", upstream, "servers"]);
    const lines = [document.slice(header), `servers = ${document.slice(servers)}`];
    return ["```toml", ...lines, "```"].join("\n");
  }
  const node = schemaAt(path, document.schema);
  if (node === undefined) return undefined;
  const value = textOf(document.text, span);
  const meaning = value === undefined ? undefined : describeValue(node, value);
  if (meaning !== undefined) return meaning;
  const key = path.findLast((step) => typeof step === "string");
  return describeKey(String(key), node, isRequired(path));
}
