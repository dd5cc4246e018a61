// Builds the `zproxy` command, build/zproxy.mjs, from the TypeScript sources. Runs when the package
// is installed ("prepare"); packages stay outside and are found in node_modules.

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
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  banner: { js: "#!/usr/bin/env node" },
  tsconfigRaw: {},
  logLevel: "warning",
});
chmodSync(outfile, 0o755);
