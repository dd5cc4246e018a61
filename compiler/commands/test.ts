// zproxy test: the expectations in a configuration, against what it compiles to.

import { compile } from "../compile.ts";
import { formatNames } from "../diagnostics/formats.ts";
import { coverageOf, printCoverage } from "../explain/coverage.ts";
import { runTests } from "../explain/route-tests.ts";
import { loadProbe } from "../load-program.ts";
import { packageRoot } from "../package-root.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  parseCommandLine,
  printDiagnostics,
  readConfig,
  UsageError,
} from "./command.ts";

export const testCommand: Command = {
  summary: "run the [[tests]] of a configuration",
  help: `zproxy test [config.toml] [--coverage] [--format FORMAT]

Asks each request of [[tests]] of the compiled configuration, and compares what becomes of it with
what the test expects. No port is opened and no server is asked.

  --coverage         also list the routes and rules that no test reaches
  --format FORMAT    of failures: text (default), json, sarif, github

Exit status: 0 all passed, 1 one failed or the configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { values, file } = parseCommandLine(args, {
      coverage: { type: "boolean", default: false },
      format: { type: "string", default: "text" },
    });
    const format = formatNames.find((name) => name === values.format);
    if (format === undefined) {
      throw new UsageError(`--format is ${formatNames.join(", ")}, not ${values.format}`);
    }
    const source = readConfig(file);
    const { files, ir, checked, diagnostics } = compile(source);
    if (ir === undefined || checked === undefined) {
      printDiagnostics(source, diagnostics, process.stderr);
      return EXIT_ERRORS;
    }
    const probe = await loadProbe(files, packageRoot(import.meta.url));
    const { failures, passed, failed, decisions } = runTests(checked, ir, probe);
    printDiagnostics(source, failures, process.stdout, format);
    if (format === "text") {
      if (failures.length > 0) process.stdout.write("\n");
      if (values.coverage) process.stdout.write(printCoverage(coverageOf(ir, decisions)));
      process.stdout.write(`${passed} passed, ${failed} failed\n`);
    } else if (values.coverage) {
      process.stderr.write(printCoverage(coverageOf(ir, decisions)));
    }
    return failed > 0 ? EXIT_ERRORS : EXIT_OK;
  },
};
