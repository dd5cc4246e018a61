// Asks the requests of `[[tests]]` and compares what becomes of them with what they expect.

import assert from "node:assert/strict";
import type { RequestProbe } from "../../runtime/control/probe-types.ts";
import { type RouteTest, routeTestDefaults } from "../../schema/config.generated.ts";
import type { KeyPath } from "../1-read/key-path.ts";
import type { TestSuite } from "../2-check/check-test-file.ts";
import { NO_ROUTE } from "../2-check/rules/route-tests.ts";
import { parseRequestLine, requestHead } from "../2-check/values/request-line.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { Report } from "../diagnostics/report.ts";
import type { Ir } from "../ir/ir.ts";
import { type Decision, decide } from "./decision.ts";

export interface TestRun {
  readonly decisions: readonly Decision[];
  /** Each is a key of an expectation that did not come true. */
  readonly failures: readonly Diagnostic[];
  readonly passed: number;
  readonly failed: number;
}

/** Runs all tests of a suite in their order. */
export function runTests(suite: TestSuite, ir: Ir, probe: RequestProbe): TestRun {
  const { tests, locator, source } = suite;
  const report = new Report(source);
  const decisions: Decision[] = [];
  let failed = 0;
  for (const [index, test] of tests.entries()) {
    const decision = ask(test, ir, probe);
    decisions.push(decision);
    const failures = compare(test, decision);
    for (const { path, what, expected, actual } of failures) {
      const span = locator.value(["tests", index, "expect", ...path]);
      const labels = [
        { span: locator.value(["tests", index, "request"]), text: "of this request" },
      ];
      report.add("test/failed", span, { what, expected, actual }, { labels });
    }
    if (failures.length > 0) failed++;
  }
  return { decisions, failures: report.sorted(), passed: decisions.length - failed, failed };
}

function ask(test: RouteTest, ir: Ir, probe: RequestProbe): Decision {
  const line = parseRequestLine(test.request);
  assert(line.ok, `checked config has a request that is none: ${test.request}`);
  const head = requestHead(line.value, Object.entries(test.headers ?? {}));
  const peer = test.client_ip ?? routeTestDefaults.client_ip;
  return decide(ir, probe, { request: test.request, head, peer });
}

interface Failure {
  readonly path: KeyPath;
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

/** What differs; the route first, because the rest follows from it. */
function compare({ expect }: RouteTest, decision: Decision): Failure[] {
  const failures: Failure[] = [];
  const check = (key: keyof typeof expect, actual: readonly (string | number)[]): void => {
    const expected = expect[key] as string | number | undefined;
    if (expected === undefined || actual.includes(expected)) return;
    const shown = actual.length === 0 ? endOf(decision) : String(actual[0]);
    failures.push({ path: [key], what: `the ${key}`, expected: String(expected), actual: shown });
  };
  const { outcome, status } = decision;
  check("route", [decision.route ?? NO_ROUTE]);
  check("when", decision.when === undefined ? [] : [decision.when]);
  check("status", status === undefined ? [] : [status]);
  check("upstream", outcome?.kind === "proxy" ? [outcome.upstream] : []);
  check("url", outcome?.kind === "proxy" ? outcome.targets.map(({ url }) => url) : []);
  check("file", outcome?.kind === "file" ? filesOf(outcome) : []);
  const sent = outcome?.kind === "proxy" ? outcome.targets[0]!.head.slice(1) : undefined;
  const answered = status === undefined ? undefined : decision.answer;
  return [
    ...failures,
    ...compareHeaders("headers", expect.headers, sent, decision),
    ...compareHeaders("response_headers", expect.response_headers, answered, decision),
  ];
}

/** A directory is answered by its index. */
function filesOf({ file, index }: { file: string; index: string }): string[] {
  return [file, `${file.replace(/\/+$/, "")}/${index}`];
}

/** `head`: the lines that there are; undefined: the request does not come to them. */
function compareHeaders(
  key: "headers" | "response_headers",
  headers: Readonly<Record<string, string>> = {},
  head: readonly string[] | undefined,
  decision: Decision,
): Failure[] {
  return Object.entries(headers).flatMap(([name, expected]) => {
    const sent = head?.flatMap((line) => {
      const colon = line.indexOf(":");
      const same = line.slice(0, colon).toLowerCase() === name.toLowerCase();
      return same ? [line.slice(colon + 1).trim()] : [];
    });
    const actual = sent?.join(", ");
    if (actual === expected) return [];
    const shown = actual ?? endOf(decision);
    return [
      {
        path: [key, name],
        what: `the ${key === "headers" ? "header" : "response header"} ${name}`,
        expected: expected === "" ? "absent" : expected,
        actual: shown === "" ? "absent" : shown,
      },
    ];
  });
}

/** How a request ends, for an expectation of another kind. */
function endOf({ status, reason, outcome }: Decision): string {
  if (status !== undefined) return `${status}: ${reason}`;
  if (outcome?.kind === "file") return `served from ${outcome.file}`;
  return outcome === undefined ? "nothing" : `passed on to ${outcome.targets[0]!.url}`;
}
