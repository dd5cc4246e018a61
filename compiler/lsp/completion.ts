// What may be written at the place of the cursor: keys of the table, headers, values.

import { resolveNode, type SchemaNode, typesOf } from "../../schema/schema-node.ts";
import type { Span } from "../diagnostics/span.ts";
import { completeHeader, completeNewHeader } from "./complete-header.ts";
import { completeValue } from "./complete-value.ts";
import type { ConfigDocument, Position } from "./config-document.ts";
import type { Cursor } from "./cursor.ts";
import { describeKey, typeText } from "./describe.ts";
import { isRequired, isTable, keysAt, SCHEMA } from "./schema-path.ts";

/** One entry of the list. */
export interface Choice {
  readonly label: string;
  readonly kind: "key" | "table" | "value" | "name" | "file" | "folder";
  /** Replaces `span`; `$1` and the like are places to fill in when `isSnippet`. */
  readonly text: string;
  readonly isSnippet?: boolean;
  readonly span: Span;
  /** In a few words, beside the label. */
  readonly detail?: string;
  /** Markdown. */
  readonly documentation?: string;
}

/** What the editor can do, and what else lies around. */
export interface CompletionOptions {
  readonly snippets: boolean;
  /** The names in a folder beside the document; folders end with a slash. */
  readonly listFolder: (path: string) => readonly string[];
}

export function completionsAt(
  document: ConfigDocument,
  position: Position,
  options: CompletionOptions,
): Choice[] {
  const cursor = document.cursor(position);
  if (cursor === undefined) return [];
  if (cursor.kind === "header") return completeHeader(document, cursor);
  if (cursor.kind === "value") {
    return completeValue(document, cursor, document.offset(position), options);
  }
  const keys = completeKey(document, cursor, options);
  return cursor.startsLine
    ? [...keys, ...completeNewHeader(document, cursor.part.span, options)]
    : keys;
}

/** The keys that the table does not have yet. */
function completeKey(
  document: ConfigDocument,
  cursor: Cursor & { kind: "key" },
  { snippets }: CompletionOptions,
): Choice[] {
  const { table, part, assigned } = cursor;
  const written = new Set(document.outline.locator.keysOf(table));
  return keysAt(table, document.schema)
    .filter(([key, node]) => key === part.name || !written.has(key) || isTable(node))
    .filter(([, node]) => !(table.length === 0 && isTable(node)))
    .map(([key, node]) => {
      const required = isRequired([...table, key]);
      const value = snippets ? placeholder(node) : "";
      const known = { label: key, kind: isTable(node) ? "table" : "key", span: part.span } as const;
      return {
        ...known,
        text: assigned ? key : `${key} = ${value}`,
        isSnippet: snippets && !assigned,
        detail: required ? `${typeText(node)}, required` : typeText(node),
        documentation: describeKey(key, node, required),
      };
    });
}

/** The shape of a value, with the place to type in. */
function placeholder(node: SchemaNode): string {
  if (node.enum !== undefined) return `"\${1|${node.enum.join(",")}|}"`;
  const types = typesOf(node);
  const inner = typesOf(resolveNode(SCHEMA, node.items ?? {}));
  if (types.includes("string")) return '"$1"';
  if (types.includes("boolean"))
    return `\${1|${node.default === true ? "false,true" : "true,false"}|}`;
  if (types.includes("array")) return inner.includes("string") ? '["$1"]' : "[$1]";
  if (types.includes("object")) return "{ $1 }";
  return "$1";
}
