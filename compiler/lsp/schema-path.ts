// The part of the schema that a key path falls under.

import schema from "../../schema/config.schema.json" with { type: "json" };
import { resolveNode, type SchemaNode, typesOf } from "../../schema/schema-node.ts";
import { testFileSchema } from "../../schema/test-file.ts";
import type { KeyPath } from "../1-read/key-path.ts";

export const SCHEMA = schema as SchemaNode;

/** Of a file of tests. Its definitions are among those of `SCHEMA`. */
export const TEST_FILE_SCHEMA = testFileSchema(SCHEMA);

/** The schema of the value at a path, or undefined where the schema knows no such key. */
export function schemaAt(path: KeyPath, root = SCHEMA): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  for (const step of path) {
    if (node === undefined) return undefined;
    node = typeof step === "number" ? node.items : propertyOf(node, step);
    if (node !== undefined) node = resolveNode(SCHEMA, node);
  }
  return node;
}

/** The keys that a table may have by name, in the order of the schema. */
export function keysAt(path: KeyPath, root = SCHEMA): [key: string, node: SchemaNode][] {
  const properties = Object.entries(schemaAt(path, root)?.properties ?? {});
  return properties.map(([key, node]) => [key, resolveNode(SCHEMA, node)]);
}

/** True when a table's keys are names that people choose. */
export function hasFreeNames(node: SchemaNode | undefined): boolean {
  return typeof node?.additionalProperties === "object";
}

/** True when a key must be there. */
export function isRequired(path: KeyPath): boolean {
  return schemaAt(path.slice(0, -1))?.required?.includes(String(path.at(-1))) ?? false;
}

function propertyOf(node: SchemaNode, key: string): SchemaNode | undefined {
  if (Object.hasOwn(node.properties ?? {}, key)) return node.properties?.[key];
  return typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
}

/** True for a table and nothing else. */
export function isTable(node: SchemaNode): boolean {
  return typesOf(node).includes("object") && typesOf(node).length === 1;
}

/** True for a list of tables, which is written with double brackets. */
export function isTableArray(node: SchemaNode): boolean {
  return node.items !== undefined && isTable(resolveNode(SCHEMA, node.items));
}
