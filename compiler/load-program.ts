// Brings generated files to life in this process, together with the runtime's own code for reading
// a request or for looking at a machine, so that a question about a configuration is answered by
// what would be shipped.

import { createRequire } from "node:module";
import { join } from "node:path";
import type { HostFact } from "../runtime/control/host-fact.ts";
import type { FileProbe, RequestProbe } from "../runtime/control/probe-types.ts";
import type { OutFile } from "./4-emit/emit.ts";
import { inMemory } from "./bundle-server.ts";
import { ALL_FEATURES, flagsOf } from "./ir/features.ts";

/** What the probe's bundle exports; a program is nothing but what a probe takes. */
interface LoadedProbe {
  readonly Probe: new (program: object) => RequestProbe;
  readonly program: object;
}

/** Makes a probe of `files`. */
export async function loadProbe(
  files: readonly OutFile[],
  packageRoot: string,
): Promise<RequestProbe> {
  const entry = 'export { Probe } from "zproxy/runtime/control/probe.ts";';
  const { Probe, program } = await load<LoadedProbe>(files, packageRoot, entry);
  return new Probe(program);
}

interface LoadedFileProbe {
  readonly probeFile: FileProbe;
  readonly program: object;
}

/** Makes what looks at this machine's files; `files` are of no matter, but have to be a program. */
export async function loadFileProbe(
  files: readonly OutFile[],
  packageRoot: string,
): Promise<FileProbe> {
  const entry = 'export { probeFile } from "zproxy/runtime/control/file-probe.ts";';
  return (await load<LoadedFileProbe>(files, packageRoot, entry)).probeFile;
}

interface LoadedCheck {
  readonly checkHost: (
    program: object,
    addonPath: string,
    serverFiles: readonly string[],
  ) => Promise<readonly HostFact[]>;
  readonly program: object;
}

/** What this machine is for `files`, served by the addon. */
export async function loadHostFacts(
  files: readonly OutFile[],
  packageRoot: string,
  addonPath: string,
): Promise<readonly HostFact[]> {
  const entry = 'export { checkHost } from "zproxy/runtime/control/host-check.ts";';
  const { checkHost, program } = await load<LoadedCheck>(files, packageRoot, entry);
  // The files to be served from are not there yet.
  return checkHost(program, addonPath, []);
}

/** Bundles and evaluates `files`; what they hold was generated here and is no one else's code. */
async function load<Exports extends object>(
  files: readonly OutFile[],
  packageRoot: string,
  exported: string,
): Promise<Exports> {
  const folder = join(packageRoot, "dist");
  const entry = join(folder, "entry.ts");
  const sources = new Map(files.map(({ path, text }) => [join(folder, path), text]));
  sources.set(entry, `${exported}\nexport { program } from "./generated/program.ts";\n`);
  const { build } = await import("esbuild");
  const result = await build({
    absWorkingDir: packageRoot,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "cjs",
    platform: "node",
    target: "node20",
    define: { ...flagsOf(ALL_FEATURES), CHECKS: "true" },
    alias: { zproxy: packageRoot },
    plugins: [inMemory(sources)],
    tsconfigRaw: {},
    logLevel: "silent",
  });
  const module: { exports: Partial<Exports> } = { exports: {} };
  const { text } = result.outputFiles[0]!;
  const require = createRequire(import.meta.url);
  new Function("module", "exports", "require", text)(module, module.exports, require);
  if (!("program" in module.exports)) throw new Error("no program was generated");
  return module.exports as Exports;
}
