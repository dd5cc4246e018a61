// zproxy schema: what a configuration may hold, for editors.

import schema from "../../schema/config.schema.json" with { type: "json" };
import { type Command, EXIT_OK, parseArguments, UsageError } from "./command.ts";

export const schemaCommand: Command = {
  summary: "print the JSON Schema of configurations",
  help: `zproxy schema

Prints the schema that configurations are checked against (JSON Schema draft-07), with titles,
descriptions, defaults and examples. Save it beside a configuration whose first line is

  #:schema ./config.schema.json

and editors with a TOML language server complete keys and explain them.

Exit status: 0.
`,
  async run(args) {
    const { positionals } = parseArguments(args, {});
    if (positionals.length > 0) throw new UsageError("schema takes no file");
    process.stdout.write(schemaText());
    return EXIT_OK;
  },
};

export function schemaText(): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}
