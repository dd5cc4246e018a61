// zproxy test: the expectations in a configuration and beside it, against what it compiles to.

import { checkTestFile, ownSuite } from "../2-check/check-test-file.ts";
import { compile } from "../compile.ts";
import { hasErrors } from "../diagnostics/diagnostic.ts";
import { formatNames } from "../diagnostics/formats.ts";
import { formatJson } from "../diagnostics/json-format.ts";
import { coverageOf, printCoverage } from "../explain/coverage.ts";
import { runTests } from "../explain/route-tests.ts";
import { loadProbe } from "../load-program.ts";
import { packageRoot } from "../package-root.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  formatNamed,
  parseCommandLine,
  printDiagnostics,
  readConfig,
  readTestsBeside,
} from "./command.ts";

export const testCommand: Command = {
  summary: "run the [[tests]] of a configuration",
  help: `zproxy test [config.toml] [--coverage] [--format FORMAT]

Asks each request of [[tests]] of the compiled configuration, and compares what becomes of it with
what the test expects. Tests are in the configuration, in config.test.toml beside it, or in both.
No port is opened and no server is asked.

  --coverage         also list the routes, rules and limits that no test reaches
  --format FORMAT    text (default); json, with the coverage in it; sarif, github, of failures

Exit status: 0 all passed, 1 one failed or the configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { values, file } = parseCommandLine(args, {
      coverage: { type: "boolean", default: false },
      format: { type: "string", default: "text" },
    });
    const format = formatNamed(formatNames, values.format);
    const source = readConfig(file);
    const beside = readTestsBeside(file);
    const { files, ir, checked, diagnostics } = compile(source);
    const besideResult = beside && checkTestFile(beside, checked);
    const mistakes = [...diagnostics, ...(besideResult?.diagnostics ?? [])];
    if (ir === undefined || checked === undefined || hasErrors(mistakes)) {
      printDiagnostics(source, mistakes, process.stderr);
      return EXIT_ERRORS;
    }
    const probe = await loadProbe(files, packageRoot(import.meta.url));
    const suites = [ownSuite(checked), ...(besideResult?.suite ? [besideResult.suite] : [])];
    const runs = suites.map((suite) => runTests(suite, ir, probe));
    const failures = runs.flatMap((run) => run.failures);
    const passed = runs.reduce((sum, run) => sum + run.passed, 0);
    const failed = runs.reduce((sum, run) => sum + run.failed, 0);
    const decisions = runs.flatMap((run) => run.decisions);
    const coverage = values.coverage ? coverageOf(ir, decisions) : undefined;
    if (format === "json") {
      const also = { tests: { passed, failed }, ...(coverage && { coverage }) };
      process.stdout.write(formatJson(source, failures, { also }));
      return failed > 0 ? EXIT_ERRORS : EXIT_OK;
    }
    printDiagnostics(source, failures, process.stdout, format);
    if (format === "text" && failures.length > 0) process.stdout.write("\n");
    const out = format === "text" ? process.stdout : process.stderr;
    if (coverage !== undefined) out.write(printCoverage(coverage));
    if (format === "text") process.stdout.write(`${passed} passed, ${failed} failed\n`);
    if (passed + failed === 0) process.stderr.write(`zproxy: ${file} has no [[tests]] yet\n`);
    return failed > 0 ? EXIT_ERRORS : EXIT_OK;
  },
};
