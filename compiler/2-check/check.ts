// The front half of the compiler in one call: text in, every diagnostic and a checked configuration
// out. Facts about the machine (files, users, ports) are not looked at here.

import type { Config } from "../../schema/config.generated.ts";
import type { KeyPath } from "../1-read/key-path.ts";
import type { Locator } from "../1-read/locator.ts";
import { readSource } from "../1-read/read.ts";
import { type Diagnostic, hasErrors } from "../diagnostics/diagnostic.ts";
import { Report } from "../diagnostics/report.ts";
import type { Source } from "../diagnostics/span.ts";
import { rules } from "./rules/index.ts";
import { checkSchema } from "./schema-check.ts";

/** A configuration without errors. Defaults are not filled in: absent keys are absent. */
export interface CheckedConfig {
  readonly config: Config;
  /** Where keys and values stand, and in which order: `locator.keysOf(path)`. */
  readonly locator: Locator;
}

export interface CheckResult {
  /** Sorted by place in the text; warnings included. */
  readonly diagnostics: readonly Diagnostic[];
  /** Absent when there is an error. */
  readonly checked?: CheckedConfig;
}

/** Checks the text of a configuration. Pure: the same text gives the same result on any machine. */
export function checkSource(source: Source): CheckResult {
  const report = new Report();
  const document = readSource(source, report);
  if (document === undefined) return { diagnostics: report.sorted() };
  const { values, locator } = document;
  const { draft, refused } = checkSchema(values, locator, report);
  const prefixes = new Set(refused.flatMap(prefixesOf));
  const damaged = (path: KeyPath): boolean =>
    prefixes.size > 0 && prefixes.has(JSON.stringify(path));
  for (const rule of rules) rule({ config: draft, locator, report, damaged });
  const diagnostics = report.sorted();
  if (hasErrors(diagnostics)) return { diagnostics };
  // Without errors nothing was taken out, so the draft is the whole configuration.
  return { diagnostics, checked: { config: draft as Config, locator } };
}

/** A path and all paths above it, as text. */
function prefixesOf(path: KeyPath): string[] {
  return path.map((_, index) => JSON.stringify(path.slice(0, index + 1)));
}
