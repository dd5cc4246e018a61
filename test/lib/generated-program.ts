// Runs generated files in this process: bundles them in memory and evaluates the result.

import { dirname, resolve } from "node:path";
import { build } from "esbuild";
import type { OutFile } from "zproxy/compiler/4-emit/emit.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { MethodRule, methodBit } from "zproxy/runtime/data/method.ts";

/** The `program` that `generated/program.ts` exports. The working directory is the repository. */
export async function loadProgram(files: readonly OutFile[]): Promise<Program> {
  const root = process.cwd();
  const sources = new Map(files.map(({ path, text }) => [resolve(root, path), text]));
  const result = await build({
    absWorkingDir: root,
    entryPoints: [resolve(root, "generated/program.ts")],
    bundle: true,
    write: false,
    format: "cjs",
    target: "node20",
    alias: { zproxy: root },
    define: { CHECKS: "true" },
    tsconfigRaw: {},
    plugins: [
      {
        name: "generated",
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /./ }, ({ path, importer }) => {
            const full = resolve(dirname(importer), path);
            return sources.has(full) ? { path: full } : undefined;
          });
          onLoad({ filter: /generated.*\.ts$/ }, ({ path }) => {
            const contents = sources.get(path);
            return contents === undefined ? undefined : { contents, loader: "ts" };
          });
        },
      },
    ],
  });
  const module: { exports: { program?: Program } } = { exports: {} };
  new Function("module", "exports", result.outputFiles[0]!.text)(module, module.exports);
  if (module.exports.program === undefined) throw new Error("generated files export no program");
  return module.exports.program;
}

const MARGIN = 8;

/** A request as `matchRoute` takes it, between bytes that no matcher may look at. */
export function matchText(program: Program, host: string, path: string, junk = "/"): number {
  const fill = Buffer.from(junk.repeat(MARGIN));
  const bytes = Buffer.concat([fill, Buffer.from(host), fill, Buffer.from(path), fill]);
  const hostStart = fill.length;
  const hostEnd = hostStart + Buffer.byteLength(host);
  const pathStart = hostEnd + fill.length;
  return program.matchRoute(bytes, hostStart, hostEnd, pathStart, bytes.length - fill.length);
}

/** Whether a route lets a method pass. */
export function routeAllows(program: Program, route: number, method: string): boolean {
  const bytes = Buffer.from(` ${method} `);
  const end = bytes.length - 1;
  const rule = new MethodRule(program.routes[route]!.allowedMethods);
  return rule.allows(methodBit(bytes, 1, end), bytes, 1, end);
}
