// zproxy compile: configuration to shippable folder.

import { bundle } from "../bundle.ts";
import { compile } from "../compile.ts";
import type { Source } from "../diagnostics/span.ts";
import { printKeyMap } from "../key-map.ts";
import { packageRoot } from "../package-root.ts";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  installedAddon,
  parseCommandLine,
  printDiagnostics,
  readConfig,
  UsageError,
} from "./command.ts";

export const compileCommand: Command = {
  summary: "check a configuration and write the server to ship",
  help: `zproxy compile [config.toml] [-o dist]

Checks the configuration and writes the server it describes: server.cjs, which needs no
node_modules, the native addon, the generated source for review, and a manifest. The folder is
replaced as a whole, and only if nothing is wrong.

  -o, --out FOLDER   where to write; default dist

Exit status: 0 done, 1 the configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { values, file } = parseCommandLine(args, {
      out: { type: "string", short: "o", default: "dist" },
    });
    if (values.out === "") throw new UsageError("--out names no folder");
    return compileInto(readConfig(file), values.out);
  },
};

/** Compiles and bundles; prints diagnostics to standard error. Returns the exit status. */
export async function compileInto(source: Source, folder: string): Promise<number> {
  const { files, features, ir, checked, diagnostics } = compile(source);
  printDiagnostics(source, diagnostics, process.stderr);
  if (ir === undefined || checked === undefined) return EXIT_ERRORS;
  const root = packageRoot(import.meta.url);
  const addon = installedAddon(root);
  if (addon === undefined) {
    process.stderr.write("zproxy: zproxy.node is left out: it can only be built on Linux\n");
  }
  const keyMap = printKeyMap(files, ir, checked, source.text);
  const input = { files, features, source: source.text, keyMap, packageRoot: root, addon };
  await bundle(input, folder);
  return EXIT_OK;
}
