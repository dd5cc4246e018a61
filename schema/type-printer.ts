// Prints the schema as TypeScript: one interface for each definition, and beside it a constant with
// the defaults of its keys, so that no default is written down twice.

import { refName, type SchemaNode, type SchemaType, typesOf } from "./schema-node.ts";

const HEADER =
  '// Generated from schema/config.schema.json. Run "npm run generate"; do not edit.\n';

/** Returns the text of config.generated.ts for a schema with a `title` and `definitions`. */
export function printTypes(root: SchemaNode): string {
  const blocks = [printDefinition(root.title ?? "Config", root)];
  for (const [name, node] of Object.entries(root.definitions ?? {})) {
    blocks.push(printDefinition(name, node));
    const defaults = printDefaults(name, node);
    if (defaults !== "") blocks.push(defaults);
  }
  return [HEADER, ...blocks].join("\n");
}

function printDefinition(name: string, node: SchemaNode): string {
  const others = typesOf(node).filter((type) => type !== "object");
  if (others.length === 0) return doc(node, "") + printInterface(name, node);
  // A definition that may also be a plain value: the table gets a name of its own.
  const table = `${name}Table`;
  const plain = others.map((type) => printOneType(type, node, "")).join(" | ");
  const union = `export type ${name} = ${plain} | ${table};\n`;
  return `${doc(node, "")}${union}\n${printInterface(table, node)}`;
}

function printInterface(name: string, node: SchemaNode): string {
  return `export interface ${name} ${printProperties(node, "")}\n`;
}

function printProperties(node: SchemaNode, indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(node.properties ?? {}).map(([key, child]) => {
    const mark = node.required?.includes(key) ? "" : "?";
    return `${doc(child, inner)}${inner}readonly ${key}${mark}: ${printType(child, inner)};\n`;
  });
  return `{\n${lines.join("")}${indent}}`;
}

function printType(node: SchemaNode, indent: string): string {
  const name = refName(node);
  if (name !== undefined) return name;
  return typesOf(node)
    .map((type) => printOneType(type, node, indent))
    .join(" | ");
}

function printOneType(type: SchemaType, node: SchemaNode, indent: string): string {
  switch (type) {
    case "string":
      return node.enum?.map((value) => JSON.stringify(value)).join(" | ") ?? "string";
    case "integer":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return `readonly ${printItem(node.items ?? {}, indent)}[]`;
    case "object":
      return printObject(node, indent);
  }
}

function printItem(node: SchemaNode, indent: string): string {
  const text = printType(node, indent);
  return text.includes("|") ? `(${text})` : text;
}

function printObject(node: SchemaNode, indent: string): string {
  const rest = node.additionalProperties;
  if (typeof rest !== "object") return printProperties(node, indent);
  return `Readonly<Record<string, ${printType(rest, indent)}>>`;
}

function printDefaults(name: string, node: SchemaNode): string {
  const lines = Object.entries(node.properties ?? {})
    .filter(([, child]) => child.default !== undefined)
    .map(([key, child]) => `  ${key}: ${JSON.stringify(child.default)},\n`);
  if (lines.length === 0) return "";
  const constant = `${name[0]?.toLowerCase()}${name.slice(1)}Defaults`;
  return `export const ${constant} = {\n${lines.join("")}} as const;\n`;
}

function doc(node: SchemaNode, indent: string): string {
  return node.description === undefined ? "" : `${indent}/** ${node.description} */\n`;
}
