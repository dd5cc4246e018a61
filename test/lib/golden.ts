// Golden folders: an input and the whole output it must give. UPDATE_GOLDEN=1 rewrites the output;
// a file that nothing produces any more fails, because nobody would notice it going stale.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const UPDATE = process.env.UPDATE_GOLDEN === "1";

/** The cases in a golden folder, by name. */
export function goldenCases(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Asserts that `folder` holds exactly these files; paths are relative to it. */
export function expectGolden(
  folder: string,
  files: readonly { readonly path: string; readonly text: string }[],
): void {
  const expected = new Set(files.map(({ path }) => join(folder, path)));
  const leftovers = filesBelow(folder).filter((path) => !expected.has(path));
  if (UPDATE) {
    for (const path of leftovers) rmSync(path);
    for (const { path, text } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return;
  }
  for (const { path, text } of files) {
    const golden = join(folder, path);
    assert.ok(existsSync(golden), `${golden} is missing; UPDATE_GOLDEN=1 writes it`);
    assert.equal(text, readFileSync(golden, "utf8"), `${golden} differs`);
  }
  const names = leftovers.map((path) => relative(folder, path));
  assert.deepEqual(names, [], `nothing produces these files in ${folder}`);
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
