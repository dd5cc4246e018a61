// Conditions of a route's other targets: that they can be read, and what they come to one after
// the other. A condition that no request meets, or none that is left, is told.

import type { KeyPath } from "../../1-read/key-path.ts";
import { type Condition, printCondition, testsOf } from "../../ir/condition.ts";
import { theseMethods } from "../../ir/method-set.ts";
import { type Facts, NO_FACTS, solve, TooManyCases } from "../condition/solve.ts";
import { readCondition, type Tell } from "../condition/type-check.ts";
import { EVERY_ADDRESS, parseRanges, subtract } from "../values/address-range.ts";
import { hearsLocalClientsOnly, isLocal, reportBehindProxy } from "./local-clients.ts";
import { type PlacedRoute, type RuleContext, routesOf } from "./rule.ts";

/** What `expect.when` says for the route's own target. */
export const OWN_TARGET = "none";

interface Entry {
  readonly name: string;
  /** Of the key `if`. */
  readonly path: KeyPath;
  readonly condition: Condition;
}

export function checkConditions(context: RuleContext): void {
  const local = hearsLocalClientsOnly(context);
  for (const placed of routesOf(context)) {
    if (placed.route.when === undefined) continue;
    checkNames(context, placed);
    const entries = readEntries(context, placed);
    // Of a list that cannot be read in full, nothing can be said about what is left to whom.
    if (entries === undefined || entries.length === 0) continue;
    if (local) for (const entry of entries) checkLocal(context, entry);
    try {
      checkOrder(context, placed, entries);
    } catch (error) {
      if (!(error instanceof TooManyCases)) throw error;
      context.report.add("when/too-many-cases", context.locator.key(entries[0]!.path), {});
    }
  }
}

function checkNames({ locator, report }: RuleContext, { route, path }: PlacedRoute): void {
  const earlier = new Map<string, KeyPath>();
  route.when?.forEach(({ name }, index) => {
    if (name === undefined) return;
    const place = [...path, "when", index, "name"];
    const first = earlier.get(name);
    earlier.set(name, first ?? place);
    if (name === OWN_TARGET) {
      const reason = "has the name of the route's own";
      report.add("when/duplicate-name", locator.value(place), { name, reason });
    } else if (first !== undefined) {
      const labels = [{ span: locator.value(first), text: "the first is here" }];
      const params = { name, reason: "is there twice" };
      report.add("when/duplicate-name", locator.value(place), params, { labels });
    }
  });
}

/** Every condition of the route; undefined when one of them cannot be read. */
function readEntries(
  { locator, report, damaged }: RuleContext,
  { route, path }: PlacedRoute,
): Entry[] | undefined {
  const entries: Entry[] = [];
  let isWhole = !damaged([...path, "when"]);
  route.when?.forEach(({ name = "", if: text }, index) => {
    if (text === undefined) return;
    const place = [...path, "when", index, "if"];
    const tell: Tell = (code, at, params, { hint, fix } = {}) => {
      report.add(code, locator.inside(place, at), params, {
        ...(hint === undefined ? {} : { hint }),
        ...(fix === undefined
          ? {}
          : {
              fix: {
                label: `replace it by ${fix.text}`,
                span: locator.inside(place, fix.place),
                text: fix.text,
              },
            }),
      });
    };
    const condition = readCondition(text, tell);
    if (condition === undefined) isWhole = false;
    else entries.push({ name, path: place, condition });
  });
  return isWhole ? entries : undefined;
}

/** Whether the clients that a condition asks for can be heard of. */
function checkLocal(context: RuleContext, { path, condition }: Entry): void {
  const blocks = testsOf(condition).flatMap((it) => (it.kind === "client" ? it.blocks : []));
  if (blocks.length === 0 || blocks.some(({ text }) => isLocal(text))) return;
  reportBehindProxy(context, context.locator.value(path));
}

/** Each condition is looked at beside the tests of those before it. */
const WORK_MAX = 2 ** 22;

/** Whether each condition can be met, and by requests that nothing before it has taken. */
function checkOrder(context: RuleContext, placed: PlacedRoute, entries: readonly Entry[]): void {
  const { locator, report } = context;
  const tests = entries.flatMap(({ condition }) => testsOf(condition));
  if (entries.length * tests.length > WORK_MAX) throw new TooManyCases();
  const negations: Condition[] = [];
  for (const [index, entry] of entries.entries()) {
    const { name, condition } = entry;
    const not: Condition = { kind: "not", part: condition };
    const span = locator.value(entry.path);
    const params = { name, condition: printCondition(condition) };
    if (solve([condition]) === undefined) {
      report.add("when/never-true", span, params);
    } else if (solve([...negations, condition]) === undefined) {
      reportCovered(context, entry, entries.slice(0, index));
    } else if (solve([not]) === undefined) {
      report.add("when/always-true", span, params);
    } else {
      checkAdmitted(context, placed, entry);
    }
    negations.push(not);
  }
  const always = negations.some((not) => solve([not]) === undefined);
  if (always || solve(negations) !== undefined) return;
  report.add("when/nothing-left", locator.key(placed.path), {});
}

/** The earlier conditions that take all of its requests: one of them if one does. */
function reportCovered(
  { locator, report }: RuleContext,
  { name, path, condition }: Entry,
  earlier: readonly Entry[],
): void {
  const takes = (it: Entry): boolean =>
    solve([{ kind: "not", part: it.condition }, condition]) === undefined;
  const one = earlier.find(takes);
  const takers = one === undefined ? earlier : [one];
  const labels = takers.map((it) => ({ span: locator.value(it.path), text: "this comes first" }));
  const names = takers.map((it) => it.name).join(" and ");
  const text = takers.length === 1 ? names : `${names} together`;
  report.add("when/covered", locator.value(path), { name, earlier: text }, { labels });
}

/** Whether the route's own checks let through what the condition asks for. */
function checkAdmitted(context: RuleContext, placed: PlacedRoute, entry: Entry): void {
  const { locator, report } = context;
  const lists = admittedBy(placed);
  for (const { list, facts } of lists) {
    if (solve([entry.condition], facts) !== undefined) continue;
    const place = [...placed.path, "security", list];
    const labels = [{ span: locator.key(place), text: "asked before" }];
    const params = { name: entry.name, list };
    return report.add("when/refused-before", locator.value(entry.path), params, { labels });
  }
}

function admittedBy({ route }: PlacedRoute): { list: string; facts: Facts }[] {
  const { allowed_methods = [], allowed_ips = [], denied_ips = [] } = route.security ?? {};
  const methods = theseMethods([...allowed_methods].map((text) => ({ text: text ?? "" })));
  const allowed = allowed_ips.length === 0 ? EVERY_ADDRESS : parseRanges(allowed_ips);
  const clients = subtract(allowed, parseRanges(denied_ips));
  return [
    ...(allowed_methods.length === 0
      ? []
      : [{ list: "allowed_methods", facts: { ...NO_FACTS, methods } }]),
    // A route that lets nobody in is told elsewhere.
    ...(clients.length === 0 || allowed_ips.length + denied_ips.length === 0
      ? []
      : [
          {
            list: allowed_ips.length === 0 ? "denied_ips" : "allowed_ips",
            facts: { ...NO_FACTS, clients },
          },
        ]),
  ];
}
