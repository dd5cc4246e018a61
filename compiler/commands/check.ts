// zproxy check: diagnostics only.

import { compile } from "../compile.ts";
import { formatNames } from "../diagnostics/formats.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  parseCommandLine,
  printDiagnostics,
  readConfig,
  UsageError,
} from "./command.ts";

export const checkCommand: Command = {
  summary: "say what is wrong with a configuration",
  help: `zproxy check [config.toml] [--format FORMAT] [--deny-warnings]

Reports every mistake at once, with its place and what to do. "-" reads standard input.

  --format FORMAT    text (default); json; sarif, version 2.1.0; github, annotations of a workflow
  --deny-warnings    fail on warnings as well

Exit status: 0 nothing wrong, 1 the configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { values, file } = parseCommandLine(args, {
      format: { type: "string", default: "text" },
      "deny-warnings": { type: "boolean", default: false },
    });
    const format = formatNames.find((name) => name === values.format);
    if (format === undefined) {
      throw new UsageError(`--format is ${formatNames.join(", ")}, not ${values.format}`);
    }
    const source = readConfig(file);
    // Whole compilation, so that a config that passes here cannot fail later.
    const { diagnostics } = compile(source);
    printDiagnostics(source, diagnostics, process.stdout, format);
    const fatal = diagnostics.filter(
      ({ severity }) => severity === "error" || (severity === "warning" && values["deny-warnings"]),
    );
    return fatal.length > 0 ? EXIT_ERRORS : EXIT_OK;
  },
};
