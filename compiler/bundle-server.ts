// What esbuild makes of generated files and the runtime: one script, specialised to the features of
// a configuration, and beside it the packages of the main thread.

import { basename, dirname, join, resolve } from "node:path";
import type { BuildOptions, Plugin } from "esbuild";
import type { OutFile } from "./4-emit/emit.ts";
import { ALL_FEATURES, type Features, flagsOf } from "./ir/features.ts";

/**
 * What only the main thread runs is in files of its own: each worker loads the server, and half of
 * it would be theirs. undici is large and only needed for health checks.
 */
const LOG_PACKAGE = "pino";
const HTTP_PACKAGE = "undici";
/** The same for every configuration, so that a reload may bring any feature. */
const SUPERVISOR = "supervisor";
/** What `--check` runs, and no server. */
const HOST_CHECK = "host-check";
const APART = [LOG_PACKAGE, HTTP_PACKAGE, SUPERVISOR, HOST_CHECK];

/** What of `BundleInput` goes into the server's script. */
export interface ServerInput {
  readonly files: readonly OutFile[];
  readonly features: Features;
  readonly packageRoot: string;
}

/** The packages that are shipped beside the server. */
export function packagesOf({ healthChecks }: Features): string[] {
  return healthChecks ? [LOG_PACKAGE, HTTP_PACKAGE] : [LOG_PACKAGE];
}

/** server.cjs and its source map. */
export async function bundleServer(
  input: ServerInput,
  minify = false,
): Promise<[string, Uint8Array][]> {
  const { packageRoot, features } = input;
  // Paths in the output are relative to this folder, wherever the real one is: the same
  // configuration gives the same bytes anywhere.
  const folder = join(packageRoot, "dist");
  const entry = join(folder, "server.ts");
  const sources = new Map(input.files.map(({ path, text }) => [join(folder, path), text]));
  sources.set(
    entry,
    `import { serve } from "zproxy/runtime/control/main.ts";
import { program } from "./generated/program.ts";

void serve(program);
`,
  );
  const define = flagsOf(features);
  return bundleScript(packageRoot, entry, { minify, define, plugins: [inMemory(sources)] });
}

/** supervisor.cjs and its source map: the main thread of any server. */
export function bundleSupervisor(packageRoot: string): Promise<[string, Uint8Array][]> {
  const entry = join(packageRoot, "runtime/control", `${SUPERVISOR}.ts`);
  return bundleScript(packageRoot, entry, { define: flagsOf(ALL_FEATURES) });
}

async function bundleScript(
  packageRoot: string,
  entry: string,
  { plugins = [], ...options }: BuildOptions,
): Promise<[string, Uint8Array][]> {
  const name = basename(entry, ".ts");
  const { build } = await import("esbuild");
  const result = await build({
    ...options,
    absWorkingDir: packageRoot,
    entryPoints: [entry],
    outfile: join(packageRoot, "dist", `${name}.cjs`),
    bundle: true,
    write: false,
    format: "cjs",
    platform: "node",
    target: "node20",
    sourcemap: "linked",
    alias: { zproxy: packageRoot },
    plugins: [...plugins, apart(APART)],
    // So that a package is loaded the same way whether it is apart or not.
    supported: { "dynamic-import": false },
    tsconfigRaw: {},
    logLevel: "silent",
  });
  return result.outputFiles!.map(({ path, contents }) => [basename(path), contents]);
}

/** host-check.cjs: looks at a machine for a program that it is given. */
export async function bundleHostCheck(packageRoot: string): Promise<[string, Uint8Array]> {
  const module = join(packageRoot, "runtime/control", `${HOST_CHECK}.ts`);
  return [`${HOST_CHECK}.cjs`, await bundlePackage(packageRoot, module)];
}

/** A package with what it depends on, as one script beside the server. */
export async function bundlePackage(packageRoot: string, name: string): Promise<Uint8Array> {
  const { build } = await import("esbuild");
  const result = await build({
    absWorkingDir: packageRoot,
    entryPoints: [name],
    define: flagsOf(ALL_FEATURES),
    bundle: true,
    write: false,
    format: "cjs",
    platform: "node",
    target: "node20",
    minifyWhitespace: true,
    tsconfigRaw: {},
    logLevel: "silent",
  });
  return result.outputFiles[0]!.contents;
}

/** Lets the server find packages, and modules of ours by their file, beside itself. */
function apart(names: readonly string[]): Plugin {
  return {
    name: "apart",
    setup({ onResolve }) {
      onResolve(
        { filter: new RegExp(`^(?:${names.join("|")}|\\./(?:${names.join("|")})\\.ts)$`) },
        ({ path }) => ({
          path: `./${basename(path, ".ts")}.cjs`,
          external: true,
        }),
      );
    },
  };
}

/** Lets esbuild read files that exist only here. */
export function inMemory(sources: ReadonlyMap<string, string>): Plugin {
  return {
    name: "in-memory",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, ({ path, importer }) => {
        const full = resolve(dirname(importer), path);
        return sources.has(full) ? { path: full } : undefined;
      });
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = sources.get(path);
        return contents === undefined ? undefined : { contents, loader: "ts" };
      });
    },
  };
}
