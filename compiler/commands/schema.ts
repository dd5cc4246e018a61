// zproxy schema: what a configuration may hold, for editors.

import root from "../../schema/config.schema.json" with { type: "json" };
import type { SchemaNode } from "../../schema/schema-node.ts";
import { testFileSchema } from "../../schema/test-file.ts";
import { type Command, EXIT_OK, parseArguments, UsageError } from "./command.ts";

const schema = root as SchemaNode;

export const schemaCommand: Command = {
  summary: "print the JSON Schema of configurations",
  help: `zproxy schema [--tests]

Prints the schema that configurations are checked against (JSON Schema draft-07), with titles,
descriptions, defaults and examples. Save it beside a configuration whose first line is

  #:schema ./config.schema.json

and editors with a TOML language server complete keys and explain them.

  --tests    the schema of config.test.toml, a file of tests beside a configuration

Exit status: 0.
`,
  async run(args) {
    const { values, positionals } = parseArguments(args, {
      tests: { type: "boolean", default: false },
    });
    if (positionals.length > 0) throw new UsageError("schema takes no file");
    process.stdout.write(values.tests ? printSchema(testFileSchema(schema)) : schemaText());
    return EXIT_OK;
  },
};

export function schemaText(): string {
  return printSchema(schema);
}

function printSchema(node: object): string {
  return `${JSON.stringify(withTaploTexts(node), null, 2)}\n`;
}

/**
 * Editors disagree about where the texts of an enumeration stand: those that came from JSON look
 * for "enumDescriptions", Taplo for a table of its own.
 */
function withTaploTexts(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withTaploTexts);
  if (typeof node !== "object" || node === null) return node;
  const copy = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, withTaploTexts(value)]),
  );
  const { enumDescriptions } = node as SchemaNode;
  if (!Array.isArray(enumDescriptions)) return copy;
  return { ...copy, "x-taplo": { docs: { enumValues: enumDescriptions } } };
}
