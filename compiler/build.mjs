// Builds the `zproxy` command, build/zproxy.mjs, from the TypeScript sources. Runs when the package
// is installed ("prepare"). Packages are bundled with it, because Node takes longer to find and
// read their hundreds of modules than a check takes; those that few commands need are loaded when
// they do.

import { chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const outfile = fileURLToPath(new URL("../build/zproxy.mjs", import.meta.url));

await build({
  absWorkingDir: root,
  entryPoints: ["compiler/cli.ts"],
  outfile,
  bundle: true,
  external: ["esbuild", "vscode-languageserver"],
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  banner: { js: "#!/usr/bin/env node" },
  tsconfigRaw: {},
  logLevel: "warning",
});
chmodSync(outfile, 0o755);
