// zproxy fmt: one layout for every configuration.

import { writeFileSync } from "node:fs";
import { readSource } from "../1-read/read.ts";
import { Report } from "../diagnostics/report.ts";
import { formatToml } from "../format/format-toml.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  parseCommandLine,
  printDiagnostics,
  readText,
} from "./command.ts";

export const fmtCommand: Command = {
  summary: "lay out a configuration in one way",
  help: `zproxy fmt [config.toml] [--check]

Rewrites the file with one space around "=", one blank line before each table, and lists in one
line or with one item a line. Comments stay, and so does what the file says. "-" reads standard
input and writes standard output.

  --check    write nothing, and fail when the file would change

Exit status: 0 laid out, 1 it would change or is not TOML, 2 the command line has mistakes.
`,
  async run(args) {
    const { values, file } = parseCommandLine(args, { check: { type: "boolean", default: false } });
    const source = readText(file);
    const report = new Report();
    if (readSource(source, report) === undefined) {
      printDiagnostics(source, report.sorted(), process.stderr);
      return EXIT_ERRORS;
    }
    const formatted = formatToml(source.text);
    if (values.check) {
      if (formatted === source.text) return EXIT_OK;
      process.stdout.write(`${source.path} would change; run zproxy fmt ${source.path}\n`);
      return EXIT_ERRORS;
    }
    if (file === "-") process.stdout.write(formatted);
    else if (formatted !== source.text) writeFileSync(file, formatted);
    return EXIT_OK;
  },
};
