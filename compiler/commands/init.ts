// zproxy init: a configuration to start from.

import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { STARTER } from "../starter.ts";
import { CONFIG_FILE, type Command, EXIT_OK, parseCommandLine, UsageError } from "./command.ts";
import { schemaText } from "./schema.ts";

const SCHEMA_FILE = "config.schema.json";

export const initCommand: Command = {
  summary: "write a commented configuration to start from",
  help: `zproxy init [config.toml]

Writes a configuration that compiles as it is, and beside it the schema by which editors complete
and explain its keys. A file that is there already is never replaced.

Exit status: 0 written, 2 the file exists or the command line has mistakes.
`,
  async run(args) {
    const { file } = parseCommandLine(args, {});
    if (file === "-") throw new UsageError("init needs a file to write");
    if (existsSync(file)) throw new UsageError(`${file} exists; name another file`);
    const schema = join(dirname(file), SCHEMA_FILE);
    writeFileSync(file, STARTER, { flag: "wx" });
    const written = [file];
    if (!existsSync(schema)) {
      writeFileSync(schema, schemaText());
      written.push(schema);
    }
    const named = file === CONFIG_FILE ? "" : ` ${file}`;
    process.stdout.write(
      `wrote ${written.join(" and ")}; make the folder public, then: zproxy run${named}\n`,
    );
    return EXIT_OK;
  },
};
