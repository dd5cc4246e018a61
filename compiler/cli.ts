// The `zproxy` command line: picks the command, prints help, and turns what goes wrong into a
// sentence and an exit status.

import { BundleError } from "./bundle.ts";
import { checkCommand } from "./commands/check.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  EXIT_USAGE,
  systemSentence,
  UsageError,
} from "./commands/command.ts";
import { compileCommand } from "./commands/compile.ts";
import { diffCommand } from "./commands/diff.ts";
import { explainCommand } from "./commands/explain.ts";
import { fmtCommand } from "./commands/fmt.ts";
import { initCommand } from "./commands/init.ts";
import { lspCommand } from "./commands/lsp.ts";
import { runCommand } from "./commands/run.ts";
import { schemaCommand } from "./commands/schema.ts";
import { testCommand } from "./commands/test.ts";
import { nearestName } from "./diagnostics/suggestion.ts";
import { packageRoot, packageVersion } from "./package-root.ts";

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["compile", compileCommand],
  ["check", checkCommand],
  ["run", runCommand],
  ["explain", explainCommand],
  ["test", testCommand],
  ["diff", diffCommand],
  ["init", initCommand],
  ["fmt", fmtCommand],
  ["schema", schemaCommand],
  ["lsp", lspCommand],
]);

function help(): string {
  const lines = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `zproxy: a reverse proxy compiled from a TOML file

${lines.join("\n")}

zproxy COMMAND --help says more; zproxy --version prints the version.
`;
}

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) {
    process.stderr.write(help());
    return EXIT_USAGE;
  }
  if (name === "--version" || name === "-V" || name === "version") {
    process.stdout.write(`${packageVersion(packageRoot(import.meta.url))}\n`);
    return EXIT_OK;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(COMMANDS.get(args[0] ?? "")?.help ?? help());
    return EXIT_OK;
  }
  const command = COMMANDS.get(name);
  if (command === undefined) {
    const meant = nearestName(name, COMMANDS.keys());
    const remedy = meant === undefined ? "zproxy --help lists them" : `did you mean "${meant}"?`;
    throw new UsageError(`there is no command "${name}"; ${remedy}`);
  }
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(command.help);
    return EXIT_OK;
  }
  return command.run(args);
}

/** Usage errors and refusals are sentences; anything else is a defect and keeps its stack. */
function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`zproxy: ${error.message}\n`);
    return EXIT_USAGE;
  }
  if (error instanceof BundleError) {
    process.stderr.write(`zproxy: ${error.message}\n`);
    return EXIT_ERRORS;
  }
  if (isSystemError(error)) {
    process.stderr.write(`zproxy: ${systemSentence(error)}\n`);
    return EXIT_ERRORS;
  }
  throw error;
}

/** Disk full, permission denied and the like. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

/** A reader that has gone, as "| head" does, wants no more; a full disk is worth a sentence. */
function onOutputLost(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  process.stderr.write(`zproxy: standard output: ${error.message}\n`);
  process.exit(EXIT_ERRORS);
}

process.stdout.on("error", onOutputLost);
process.stderr.on("error", () => {}); // nobody could be told
process.exitCode = await main(process.argv.slice(2)).catch(report);
