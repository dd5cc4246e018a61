// Headers of tables: whole ones for an empty line, and the next part of one that has been begun.

import { resolveNode, type SchemaNode } from "../../schema/schema-node.ts";
import { type KeyPath, printKey } from "../1-read/key-path.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Choice, CompletionOptions } from "./completion.ts";
import type { ConfigDocument } from "./config-document.ts";
import type { Cursor } from "./cursor.ts";
import { describeKey } from "./describe.ts";
import { usedUpstreams } from "./names.ts";
import {
  hasFreeNames,
  isRequired,
  isTable,
  isTableArray,
  keysAt,
  SCHEMA,
  schemaAt,
} from "./schema-path.ts";
import { printText } from "./toml-value.ts";

/** Headers of all tables, for a line that has nothing yet. */
export function completeNewHeader(
  { schema }: ConfigDocument,
  span: Span,
  { snippets }: CompletionOptions,
): Choice[] {
  return headerForms(schema).map(({ label, text, node }) => ({
    label,
    kind: "table",
    span,
    text: snippets ? text : text.replaceAll(/\$\{\d:([^}]*)\}/g, "$1"),
    isSnippet: snippets,
    detail: node.title ?? "table",
    ...(node.description === undefined ? {} : { documentation: node.description }),
  }));
}

interface HeaderForm {
  readonly label: string;
  /** As a snippet. */
  readonly text: string;
  readonly node: SchemaNode;
}

/** Every header that the schema allows, with places for the names that people choose. */
function headerForms(schema: SchemaNode): HeaderForm[] {
  const forms: HeaderForm[] = [];
  const visit = (node: SchemaNode, steps: readonly string[], depth: number): void => {
    const brackets = isTableArray(node) ? ["[[", "]]"] : ["[", "]"];
    const inner = isTableArray(node) ? resolveNode(SCHEMA, node.items!) : node;
    if (depth > 0 && !hasFreeNames(node)) {
      const path = steps.map((step) => step.replaceAll(/\$\{\d:([^}]*)\}/g, "$1")).join(".");
      const label = `${brackets[0]}${path}${brackets[1]}`;
      forms.push({ label, text: `${brackets[0]}${steps.join(".")}${brackets[1]}`, node: inner });
    }
    const rest = inner.additionalProperties;
    if (typeof rest === "object" && isTable(resolveNode(SCHEMA, rest))) {
      visit(resolveNode(SCHEMA, rest), [...steps, freeName(steps)], depth + 1);
    }
    for (const [key, child] of Object.entries(inner.properties ?? {})) {
      const target = resolveNode(SCHEMA, child);
      if (isTable(target) || isTableArray(target)) visit(target, [...steps, key], depth + 1);
    }
  };
  visit(schema, [], 0);
  return forms;
}

/** A name to be replaced, in the spelling that it will need. */
function freeName(steps: readonly string[]): string {
  const at = steps.length;
  if (steps[0] === "upstreams") return `\${${at}:api}`;
  return at === 1 ? `"\${1:example.com}"` : `"\${${at}:/}"`;
}

/** The next part of a header: what the schema has there, or names that are known already. */
export function completeHeader(
  document: ConfigDocument,
  { table, part, header }: Cursor & { kind: "header" },
): Choice[] {
  const node = schemaAt(table, document.schema);
  const span = part.span;
  if (hasFreeNames(node)) {
    return knownNames(document, table, span).map((name) => ({
      label: name,
      kind: "name",
      span,
      text: nameText(table, name),
    }));
  }
  const wanted = header.kind === "array-item" ? holdsTableArray : holdsTable;
  return keysAt(table, document.schema)
    .filter(([, child]) => wanted(child))
    .map(([key, child]) => ({
      label: key,
      kind: "table",
      span,
      text: key,
      detail: child.title ?? "table",
      documentation: describeKey(key, child, isRequired([...table, key])),
    }));
}

/** Upstreams and paths as they are defined or asked for; hosts of both kinds of routes. */
function knownNames(document: ConfigDocument, table: KeyPath, typed: Span): string[] {
  const { locator } = document.outline;
  // What is being typed is no name yet.
  const isName = (path: KeyPath, key: string): boolean =>
    key !== "" && locator.key([...path, key]).start !== typed.start;
  const keysOf = (path: KeyPath): string[] =>
    locator.keysOf(path).filter((key) => isName(path, key));
  if (table[0] === "upstreams") return [...new Set([...keysOf(table), ...usedUpstreams(document)])];
  if (table.length === 2) return [...new Set(["/", ...keysOf(table)])];
  const hosts = ["host_routes", "path_routes"].flatMap((key) => keysOf([key]));
  return [...new Set([...hosts, "*"])];
}

/** Hosts and paths are quoted even where TOML would do without. */
function nameText(table: KeyPath, name: string): string {
  return table[0] === "upstreams" ? printKey(name) : printText(name);
}

function holdsTable(node: SchemaNode): boolean {
  return isTable(node) || (node.items !== undefined && isTableArray(node));
}

function holdsTableArray(node: SchemaNode): boolean {
  if (isTableArray(node)) return true;
  return Object.values(node.properties ?? {}).some((child) =>
    isTableArray(resolveNode(SCHEMA, child)),
  );
}
