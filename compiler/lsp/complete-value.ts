// What may be written behind "=", or as an item of an array.

import { type SchemaNode, typesOf } from "../../schema/schema-node.ts";
import type { KeyPath } from "../1-read/key-path.ts";
import type { Choice, CompletionOptions } from "./completion.ts";
import {
  type ConditionChoices,
  conditionChoices,
  isCondition,
  METHODS,
} from "./condition-words.ts";
import type { ConfigDocument } from "./config-document.ts";
import { type Cursor, textOf } from "./cursor.ts";
import { describeValue } from "./describe.ts";
import { namesRoute, routeKeys, takesUpstream, upstreamNames } from "./names.ts";
import { schemaAt } from "./schema-path.ts";
import { printText, printTomlValue } from "./toml-value.ts";

/** Keys that hold the name of a file or folder on this machine. */
const FILE_KEYS = new Set(["cert_path", "key_path", "tls_ca_path", "file_path"]);

type ValueCursor = Cursor & { readonly kind: "value" };

interface Proposal {
  readonly value: string;
  readonly kind: Choice["kind"];
  readonly documentation?: string | undefined;
}

export function completeValue(
  document: ConfigDocument,
  cursor: ValueCursor,
  offset: number,
  options: CompletionOptions,
): Choice[] {
  const node = schemaAt(cursor.path, document.schema);
  if (node === undefined) return [];
  // An edit that a completion makes has to stay in its line.
  if (document.slice(cursor.span).includes("\n")) return [];
  if (isCondition(cursor.path)) {
    const known = conditionChoices(document.text, cursor.span, offset);
    if (known !== undefined) return conditionWords(known);
  }
  const proposals = proposalsFor(document, cursor, offset, node, options);
  // Text without its closing quote reaches to the end of the line; only what is typed is replaced.
  const span = { start: cursor.span.start, end: endOf(document, cursor, offset) };
  return proposals.map(({ value, kind, documentation }) => ({
    label: value,
    kind,
    span,
    text: value,
    ...(documentation === undefined ? {} : { documentation }),
  }));
}

function conditionWords({ words, span }: ConditionChoices): Choice[] {
  return words.map(({ text, meaning }) => ({
    label: text,
    kind: "value",
    span,
    text,
    ...(meaning === undefined ? {} : { documentation: meaning }),
  }));
}

function endOf(document: ConfigDocument, { span }: ValueCursor, offset: number): number {
  const image = document.slice(span);
  const quote = image[0];
  const isOpen = (quote === '"' || quote === "'") && (image.length < 2 || image.at(-1) !== quote);
  return isOpen ? offset : span.end;
}

function proposalsFor(
  document: ConfigDocument,
  { path, span }: ValueCursor,
  offset: number,
  node: SchemaNode,
  { listFolder }: CompletionOptions,
): Proposal[] {
  const texts = (kind: Choice["kind"], values: readonly string[]): Proposal[] =>
    values.map((value) => ({ value: printText(value), kind }));
  if (node.enum !== undefined) {
    return node.enum.map((value) => ({
      value: printText(value),
      kind: "value",
      documentation: describeValue(node, value),
    }));
  }
  if (typesOf(node).includes("boolean")) {
    return ["true", "false"].map((value) => ({ value, kind: "value" }));
  }
  if (takesUpstream(path)) return texts("name", upstreamNames(document));
  if (namesRoute(path)) return texts("name", [...routeKeys(document), "none"]);
  if (path.at(-2) === "allowed_methods") return texts("value", METHODS);
  if (isFile(path)) {
    const typed = textOf(document.text, { start: span.start, end: offset }) ?? "";
    const folder = typed.slice(0, typed.lastIndexOf("/") + 1);
    return listFolder(folder).map((name) => ({
      value: printText(folder + name),
      kind: name.endsWith("/") ? "folder" : "file",
    }));
  }
  const { default: preset, examples = [] } = node;
  const values = preset === undefined ? examples : [preset, ...examples];
  const unique = new Set(values.map(printTomlValue));
  return [...unique].map((value) => ({ value, kind: "value" }));
}

/** `path` is the file of a route, but in a health check the path of a request. */
export function isFile(path: KeyPath): boolean {
  const key = String(path.at(-1));
  if (FILE_KEYS.has(key)) return true;
  return key === "path" && (path[0] === "host_routes" || path[0] === "path_routes");
}
