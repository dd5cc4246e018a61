// A file of tests beside a configuration: `[[tests]]` and nothing else, held against the routes of
// the configuration.

import type { RouteTest } from "../../schema/config.generated.ts";
import schema from "../../schema/config.schema.json" with { type: "json" };
import type { SchemaNode } from "../../schema/schema-node.ts";
import { testFileSchema } from "../../schema/test-file.ts";
import type { Locator } from "../1-read/locator.ts";
import { readSource } from "../1-read/read.ts";
import { type Diagnostic, hasErrors } from "../diagnostics/diagnostic.ts";
import { Report } from "../diagnostics/report.ts";
import type { Source } from "../diagnostics/span.ts";
import type { CheckedConfig } from "./check.ts";
import { checkTests } from "./rules/route-tests.ts";
import { checkAgainst } from "./schema-check.ts";

/** Tests without errors, and where they stand. */
export interface TestSuite {
  readonly tests: readonly RouteTest[];
  readonly locator: Locator;
  /** Absent: the configuration. */
  readonly source?: Source;
}

export interface TestFileResult {
  /** Sorted by place in the text; each names `source`. */
  readonly diagnostics: readonly Diagnostic[];
  /** Absent when there is an error. */
  readonly suite?: TestSuite;
}

const SCHEMA = testFileSchema(schema as SchemaNode);

/**
 * Checks the text of a file of tests. Without the configuration, names of routes, targets and
 * groups are not looked at.
 */
export function checkTestFile(source: Source, checked: CheckedConfig | undefined): TestFileResult {
  const report = new Report(source);
  const document = readSource(source, report);
  if (document === undefined) return { diagnostics: report.sorted() };
  const { values, locator } = document;
  const { draft } = checkAgainst(SCHEMA, values, locator, report);
  const routes = checked && { ...checked, report, damaged: () => false };
  checkTests({ config: draft, locator, report }, routes);
  const diagnostics = report.sorted();
  if (hasErrors(diagnostics)) return { diagnostics };
  const tests = draft.tests as readonly RouteTest[];
  return { diagnostics, suite: { tests, locator, source } };
}

/** The tests in a configuration itself. */
export function ownSuite({ config, locator }: CheckedConfig): TestSuite {
  return { tests: config.tests ?? [], locator };
}
