// Whether some request meets several conditions at once, and one that does. Exact: a client is in
// one set of addresses, a method in one set of methods; and of headers, parameters and cookies a
// request may have several of a name, so that each text that must be there is there by itself, and
// only contradicts one that must not be when it cannot be had without it.

import {
  type ClientTest,
  type Condition,
  pushNotsDown,
  type Test,
  type TextTest,
} from "../../ir/condition.ts";
import {
  EVERY_METHOD,
  intersectMethods,
  isEmpty,
  type MethodSet,
  subtractMethods,
  theseMethods,
} from "../../ir/method-set.ts";
import {
  type AddressRange,
  type AddressSet,
  EVERY_ADDRESS,
  intersect,
  parseRanges,
  subtract,
} from "../values/address-range.ts";

/** A single text of a test: `header("x") == "1"`. */
export interface TextFact {
  readonly kind: TextTest["kind"];
  readonly name: string;
  readonly relation: TextTest["relation"];
  readonly text: string;
}

/** What is known of a request; there is one, as no part of it is empty or contradicts another. */
export interface Facts {
  readonly clients: AddressSet;
  readonly methods: MethodSet;
  /** Somewhere in the request, each of these. */
  readonly present: readonly TextFact[];
  /** Nowhere in the request. */
  readonly absent: readonly TextFact[];
}

export const NO_FACTS: Facts = {
  clients: EVERY_ADDRESS,
  methods: EVERY_METHOD,
  present: [],
  absent: [],
};

/** Thrown when a combination of conditions has more cases than are worth looking at. */
export class TooManyCases extends Error {}

const CASES_MAX = 20_000;

/** Things one on another. What lies below is shared, so that an alternative costs what it adds. */
type Stack<T> = { readonly top: T; readonly below: Stack<T> } | undefined;

function push<T>(things: readonly T[], below: Stack<T>): Stack<T> {
  return things.reduceRight<Stack<T>>((stack, top) => ({ top, below: stack }), below);
}

function some<T>(stack: Stack<T>, holds: (thing: T) => boolean): boolean {
  for (let at = stack; at !== undefined; at = at.below) if (holds(at.top)) return true;
  return false;
}

/** From the lowest on. */
function unstack<T>(stack: Stack<T>): T[] {
  const things: T[] = [];
  for (let at = stack; at !== undefined; at = at.below) things.push(at.top);
  return things.reverse();
}

/** Facts while they are found out. */
interface Known extends Pick<Facts, "clients" | "methods"> {
  readonly present: Stack<TextFact>;
  readonly absent: Stack<TextFact>;
}

/** What is left to be met. Choices come last: the fewer cases are left when one is taken apart. */
interface Goals {
  readonly tests: Stack<Condition>;
  readonly choices: Stack<Condition>;
}

/** What a request that meets all of `conditions` is like, besides `known`; undefined: none does. */
export function solve(
  conditions: readonly Condition[],
  known: Facts = NO_FACTS,
): Facts | undefined {
  const goals = conditions.map((it) => pushNotsDown(it));
  const start = {
    ...known,
    present: push(known.present.toReversed(), undefined),
    absent: push(known.absent.toReversed(), undefined),
  };
  const found = satisfy(withGoals(goals, { tests: undefined, choices: undefined }), start, {
    cases: CASES_MAX,
  });
  if (found === undefined) return undefined;
  return { ...found, present: unstack(found.present), absent: unstack(found.absent) };
}

function withGoals(conditions: readonly Condition[], { tests, choices }: Goals): Goals {
  return {
    tests: push(
      conditions.filter(({ kind }) => kind !== "or"),
      tests,
    ),
    choices: push(
      conditions.filter(({ kind }) => kind === "or"),
      choices,
    ),
  };
}

function satisfy(start: Goals, facts: Known, budget: { cases: number }): Known | undefined {
  let goals = start;
  let known = facts;
  for (;;) {
    if (budget.cases-- === 0) throw new TooManyCases();
    const { tests, choices } = goals;
    const next = tests ?? choices;
    if (next === undefined) return known;
    const goal = next.top;
    goals = tests === undefined ? { tests, choices: next.below } : { tests: next.below, choices };
    if (goal.kind === "and") {
      goals = withGoals(goal.parts, goals);
      continue;
    }
    if (goal.kind === "or") {
      for (const part of goal.parts) {
        const found = satisfy(withGoals([part], goals), known, budget);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    const cases = goal.kind === "not" ? without(goal.part as Test, known) : withTest(goal, known);
    // Mostly there is one, and no call for each keeps the stack as it is.
    for (const other of cases.slice(0, -1)) {
      const found = satisfy(goals, other, budget);
      if (found !== undefined) return found;
    }
    if (cases.length === 0) return undefined;
    known = cases.at(-1)!;
  }
}

/** What is known once a test holds: one case for each of its texts. */
function withTest(test: Test, known: Known): Known[] {
  if (test.kind === "method") {
    return withMethods(intersectMethods(known.methods, theseMethods(test.methods)), known);
  }
  if (test.kind === "client") return withClients(intersect(known.clients, clientsOf(test)), known);
  return factsOf(test).flatMap((fact) => {
    if (some(known.absent, (it) => implies(fact, it))) return [];
    return [{ ...known, present: push([fact], known.present) }];
  });
}

function without(test: Test, known: Known): Known[] {
  if (test.kind === "method") {
    return withMethods(subtractMethods(known.methods, theseMethods(test.methods)), known);
  }
  if (test.kind === "client") return withClients(subtract(known.clients, clientsOf(test)), known);
  const facts = factsOf(test);
  if (some(known.present, (it) => facts.some((fact) => implies(it, fact)))) return [];
  return [{ ...known, absent: push(facts.toReversed(), known.absent) }];
}

function withMethods(methods: MethodSet, known: Known): Known[] {
  return isEmpty(methods) ? [] : [{ ...known, methods }];
}

function withClients(clients: AddressSet, known: Known): Known[] {
  return clients.length === 0 ? [] : [{ ...known, clients }];
}

function clientsOf({ blocks }: ClientTest): AddressRange[] {
  return parseRanges(blocks.map(({ text }) => text));
}

function factsOf({ kind, name, relation, texts }: TextTest): TextFact[] {
  const all = relation === "present" ? [{ text: "" }] : texts;
  return all.map(({ text }) => ({ kind, name: name.text, relation, text }));
}

/** Whether a request with the one necessarily has the other. */
function implies(fact: TextFact, other: TextFact): boolean {
  if (fact.kind !== other.kind || fact.name !== other.name) return false;
  const { relation, text } = fact;
  switch (other.relation) {
    case "present":
      return true;
    case "equals":
      return relation === "equals" && text === other.text;
    case "starts":
      return (relation === "equals" || relation === "starts") && text.startsWith(other.text);
    case "ends":
      return (relation === "equals" || relation === "ends") && text.endsWith(other.text);
    case "contains":
      return relation !== "present" && text.includes(other.text);
  }
}
