// Brings generated files to life in this process, together with the runtime's own code for reading
// a request, so that a question about a configuration is answered by what would be shipped.

import { join } from "node:path";
import { build } from "esbuild";
import type { RequestProbe } from "../runtime/control/probe-types.ts";
import type { OutFile } from "./4-emit/emit.ts";
import { inMemory } from "./bundle-server.ts";

/** What the bundle exports; a program is nothing but what a probe takes. */
interface Loaded {
  readonly Probe: new (program: object) => RequestProbe;
  readonly program: object;
}

/** Bundles and evaluates `files`; what they hold was generated here and is no one else's code. */
export async function loadProbe(
  files: readonly OutFile[],
  packageRoot: string,
): Promise<RequestProbe> {
  const folder = join(packageRoot, "dist");
  const entry = join(folder, "probe.ts");
  const sources = new Map(files.map(({ path, text }) => [join(folder, path), text]));
  sources.set(
    entry,
    `export { Probe } from "zproxy/runtime/control/probe.ts";
export { program } from "./generated/program.ts";
`,
  );
  const result = await build({
    absWorkingDir: packageRoot,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "cjs",
    platform: "neutral",
    target: "node20",
    define: { CHECKS: "true", PROXY_ROUTES: "true" },
    alias: { zproxy: packageRoot },
    plugins: [inMemory(sources)],
    tsconfigRaw: {},
    logLevel: "silent",
  });
  const module: { exports: Partial<Loaded> } = { exports: {} };
  new Function("module", "exports", result.outputFiles[0]!.text)(module, module.exports);
  const { Probe, program } = module.exports;
  if (Probe === undefined || program === undefined) throw new Error("no program was generated");
  return new Probe(program);
}
