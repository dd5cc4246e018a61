// zproxy check: diagnostics only, and on request what this machine lacks.

import { countFacts, factsDocument, formatFacts } from "../../runtime/control/host-fact.ts";
import { checkSource } from "../2-check/check.ts";
import { checkTestFile } from "../2-check/check-test-file.ts";
import { compile } from "../compile.ts";
import { formatNames } from "../diagnostics/formats.ts";
import { formatJson } from "../diagnostics/json-format.ts";
import type { Source } from "../diagnostics/span.ts";
import { loadHostFacts } from "../load-program.ts";
import { packageRoot } from "../package-root.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  formatNamed,
  installedAddon,
  parseCommandLine,
  printDiagnostics,
  readConfig,
  readTestsBeside,
  UsageError,
} from "./command.ts";

export const checkCommand: Command = {
  summary: "say what is wrong with a configuration",
  help: `zproxy check [config.toml] [--format FORMAT] [--host] [--deny-warnings]

Reports every mistake at once, with its place and what to do, in config.test.toml beside it as
well. "-" reads standard input.

  --format FORMAT    text (default); json; sarif, version 2.1.0; github, annotations of a workflow
  --host             look at this machine as well: kernel, limits, ports, user, certificates, paths,
                     names; with text or json. The shipped server does it with --check
  --deny-warnings    fail on warnings as well

Exit status: 0 nothing wrong, 1 the configuration or the machine has mistakes, 2 the command line.
`,
  async run(args) {
    const { values, file } = parseCommandLine(args, {
      format: { type: "string", default: "text" },
      host: { type: "boolean", default: false },
      "deny-warnings": { type: "boolean", default: false },
    });
    const format = formatNamed(formatNames, values.format);
    if (values.host && format !== "text" && format !== "json") {
      throw new UsageError(`--host goes with --format text or json, not ${format}`);
    }
    const source = readConfig(file);
    const { diagnostics: own, checked } = checkSource(source);
    const beside = readTestsBeside(file);
    const tests = beside === undefined ? [] : checkTestFile(beside, checked).diagnostics;
    const diagnostics = [...own, ...tests];
    // There is no server to ask about while the configuration has mistakes.
    const facts = values.host && checked !== undefined ? await hostFacts(source) : [];
    const host = countFacts(facts);
    if (facts.length > 0 && format === "json") {
      process.stdout.write(
        formatJson(source, diagnostics, { also: { host: factsDocument(facts) } }),
      );
    } else {
      printDiagnostics(source, diagnostics, process.stdout, format);
      if (facts.length > 0) process.stdout.write(formatFacts(facts));
    }
    const errors = diagnostics.filter(({ severity }) => severity === "error").length + host.error;
    const warnings =
      diagnostics.filter(({ severity }) => severity === "warning").length + host.warning;
    return errors > 0 || (warnings > 0 && values["deny-warnings"]) ? EXIT_ERRORS : EXIT_OK;
  },
};

async function hostFacts(source: Source) {
  const { files } = compile(source);
  const root = packageRoot(import.meta.url);
  return loadHostFacts(files, root, installedAddon(root) ?? "");
}
