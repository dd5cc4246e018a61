// zproxy diff: which requests a change of the configuration treats differently.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { compile } from "../compile.ts";
import type { Source } from "../diagnostics/span.ts";
import { type ComparedSide, compare } from "../diff/compare.ts";
import { type ComparisonFormat, comparisonFormats } from "../diff/comparison-format.ts";
import { loadProbe } from "../load-program.ts";
import { packageRoot } from "../package-root.ts";
import {
  type Command,
  decodeText,
  EXIT_ERRORS,
  EXIT_OK,
  formatNamed,
  parseArguments,
  printDiagnostics,
  readConfig,
  UsageError,
} from "./command.ts";

const FORMATS = Object.keys(comparisonFormats) as ComparisonFormat[];

export const diffCommand: Command = {
  summary: "say which requests two configurations treat differently",
  help: `zproxy diff OLD NEW [--format FORMAT] [--no-generated] [--exit-code] [--deny-wider]

Compares what two configurations do. OLD and NEW are files, "-" for standard input, or REV:PATH as
git names a file in its history. Each class of requests that changes is shown with one of them and
what becomes of it on both sides, asked of both compiled programs; what lets more through is marked
with an exclamation mark. The diff of the generated code follows.

  --format FORMAT    text (default), json, or markdown for a comment on a pull request
  --no-generated     leave the generated code out
  --exit-code        exit with 1 when anything changes
  --deny-wider       exit with 1 when something lets more through

Exit status: 0 compared, 1 as asked for or a configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { values, positionals } = parseArguments(args, {
      format: { type: "string", default: "text" },
      "no-generated": { type: "boolean", default: false },
      "exit-code": { type: "boolean", default: false },
      "deny-wider": { type: "boolean", default: false },
    });
    const [old, young, extra] = positionals;
    if (old === undefined || young === undefined || extra !== undefined) {
      throw new UsageError("name two configurations: zproxy diff main:config.toml config.toml");
    }
    const format = formatNamed(FORMATS, values.format);
    if (old === "-" && young === "-") throw new UsageError('only one of the two can be "-"');
    const before = await sideOf(readVersion(old));
    const after = await sideOf(readVersion(young));
    if (before === undefined || after === undefined) return EXIT_ERRORS;
    const whole = compare(before, after);
    const comparison = values["no-generated"] ? { ...whole, generated: "" } : whole;
    process.stdout.write(comparisonFormats[format](comparison));
    const all = [...comparison.changes, ...comparison.settings];
    const wider = all.some(({ mark }) => mark === "wider");
    const failed = (values["exit-code"] && all.length > 0) || (values["deny-wider"] && wider);
    return failed ? EXIT_ERRORS : EXIT_OK;
  },
};

/** A file, or one of git's history. */
function readVersion(name: string): Source {
  if (existsSync(name) || name === "-" || !/^[^-:][^:]*:./.test(name)) return readConfig(name);
  return { path: name, text: decodeText(gitShow(name), name) };
}

function gitShow(name: string): Buffer {
  try {
    return execFileSync("git", ["show", name], {
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 28,
    });
  } catch (error) {
    const { stderr = "", code } = error as { stderr?: Buffer | string; code?: string };
    const [sentence = ""] = String(stderr)
      .replace(/^fatal: /, "")
      .split("\n");
    throw new UsageError(
      `${name} cannot be read: ${code === "ENOENT" ? "git is not installed" : sentence}`,
    );
  }
}

/** A configuration ready to be asked; undefined, and said why, when it has mistakes. */
async function sideOf(source: Source): Promise<ComparedSide | undefined> {
  const { files, ir, checked, diagnostics } = compile(source);
  if (ir === undefined || checked === undefined) {
    printDiagnostics(source, diagnostics, process.stderr);
    return undefined;
  }
  const probe = await loadProbe(files, packageRoot(import.meta.url));
  return { name: source.path, ir, probe, config: checked.config, files };
}
