// Where this package is installed: the compiler runs from build/ when shipped and from elsewhere in
// tests, and reads the runtime's sources and the addon from the package in both.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The nearest folder above `moduleUrl` with this package's package.json. Throws without one. */
export function packageRoot(moduleUrl: string): string {
  let folder = dirname(fileURLToPath(moduleUrl));
  for (;;) {
    const file = join(folder, "package.json");
    if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "zproxy") return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no zproxy package above ${moduleUrl}`);
    folder = parent;
  }
}

/** The version in package.json. */
export function packageVersion(root: string): string {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
}
