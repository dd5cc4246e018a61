// What editors show about a key or a value: the schema's own words, as Markdown.

import { resolveNode, type SchemaNode, typesOf } from "../../schema/schema-node.ts";
import { type Code, registry } from "../diagnostics/registry.ts";
import { SCHEMA } from "./schema-path.ts";
import { printTomlValue } from "./toml-value.ts";

/** Everything about a key: title, description, type, range, default, meanings and examples. */
export function describeKey(name: string, node: SchemaNode, required: boolean): string {
  const blocks = [`**${node.title ?? name}** · \`${name}\``, node.description ?? ""];
  const facts = [typeText(node), rangeText(node), required ? "required" : defaultText(node)];
  blocks.push(facts.filter((fact) => fact !== "").join(", "));
  blocks.push(enumList(node));
  const examples = (node.examples ?? []).map((value) => `${name} = ${printTomlValue(value)}`);
  // Of a table the fields say more, and each has examples of its own.
  if (node.properties === undefined) blocks.push(fenced(examples));
  return blocks.filter((block) => block !== "").join("\n\n");
}

/** The meaning of one value of an enumeration. */
export function describeValue(node: SchemaNode, value: string): string | undefined {
  const at = node.enum?.indexOf(value) ?? -1;
  const text = node.enumDescriptions?.[at];
  return text === undefined ? undefined : `\`"${value}"\`: ${text}`;
}

/** The page of a diagnostic code, as CODES.md has it. */
export function describeCode(code: Code): string {
  const { meaning, example, remedy, corrected } = registry[code];
  return [`**${code}**`, meaning, fenced([example]), remedy, fenced([corrected])].join("\n\n");
}

/** The type in a few words, for the list of completions as well. */
export function typeText(node: SchemaNode): string {
  return typesOf(node)
    .map((type) => {
      if (type === "object") return "table";
      if (type !== "array") return type;
      return `array of ${typeText(resolveNode(SCHEMA, node.items ?? {}))}`;
    })
    .join(" or ");
}

function rangeText({ minimum, maximum }: SchemaNode): string {
  return minimum === undefined ? "" : `${minimum} to ${maximum}`;
}

function defaultText(node: SchemaNode): string {
  return node.default === undefined ? "" : `default \`${printTomlValue(node.default)}\``;
}

function enumList(node: SchemaNode): string {
  return (node.enum ?? []).map((value) => `- ${describeValue(node, value)}`).join("\n");
}

function fenced(lines: readonly string[]): string {
  return lines.length === 0 ? "" : ["```toml", ...lines, "```"].join("\n");
}
