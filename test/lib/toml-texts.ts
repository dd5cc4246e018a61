// The TOML documents of the repository: examples and golden cases.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface TomlText {
  readonly path: string;
  readonly text: string;
}

/** Every .toml file below examples/ and test/golden/. */
export function tomlTexts(): TomlText[] {
  return ["examples", "test/golden"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".toml"))
      .sort()
      .map((name) => join(folder, name))
      .map((path) => ({ path, text: readFileSync(path, "utf8") })),
  );
}
