// Whether some request meets several conditions at once, and one that does. Exact: a client is in
// one set of addresses, a method in one set of methods; and of headers, parameters and cookies a
// request may have several of a name, so that each text that must be there is there by itself, and
// only contradicts one that must not be when it cannot be had without it.

import { type Condition, pushNotsDown, type Test, type TextTest } from "../../ir/condition.ts";
import {
  EVERY_METHOD,
  intersectMethods,
  isEmpty,
  type MethodSet,
  subtractMethods,
  theseMethods,
} from "../../ir/method-set.ts";
import {
  type AddressSet,
  EVERY_ADDRESS,
  intersect,
  parseRange,
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

/** What a request that meets all of `conditions` is like, besides `known`; undefined: none does. */
export function solve(
  conditions: readonly Condition[],
  known: Facts = NO_FACTS,
): Facts | undefined {
  const budget = { cases: CASES_MAX };
  // Tests first: the fewer cases are left when an "or" is taken apart.
  return satisfy(conditions.map((it) => pushNotsDown(it)).sort(byChoices), known, budget);
}

function byChoices(a: Condition, b: Condition): number {
  return Number(a.kind === "or") - Number(b.kind === "or");
}

function satisfy(
  goals: readonly Condition[],
  known: Facts,
  budget: { cases: number },
): Facts | undefined {
  if (budget.cases-- === 0) throw new TooManyCases();
  const [goal, ...rest] = goals;
  if (goal === undefined) return known;
  if (goal.kind === "and") return satisfy([...goal.parts, ...rest].sort(byChoices), known, budget);
  if (goal.kind === "or") {
    for (const part of goal.parts) {
      const found = satisfy([part, ...rest], known, budget);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const cases = goal.kind === "not" ? without(goal.part as Test, known) : withTest(goal, known);
  for (const facts of cases) {
    const found = satisfy(rest, facts, budget);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What is known once a test holds: one case for each of its texts. */
function withTest(test: Test, known: Facts): Facts[] {
  if (test.kind === "method") {
    return withMethods(intersectMethods(known.methods, theseMethods(test.methods)), known);
  }
  if (test.kind === "client") return withClients(intersect(known.clients, clientsOf(test)), known);
  return factsOf(test).flatMap((fact) => {
    if (known.absent.some((it) => implies(fact, it))) return [];
    return [{ ...known, present: [...known.present, fact] }];
  });
}

function without(test: Test, known: Facts): Facts[] {
  if (test.kind === "method") {
    return withMethods(subtractMethods(known.methods, theseMethods(test.methods)), known);
  }
  if (test.kind === "client") return withClients(subtract(known.clients, clientsOf(test)), known);
  const facts = factsOf(test);
  if (known.present.some((it) => facts.some((fact) => implies(it, fact)))) return [];
  return [{ ...known, absent: [...known.absent, ...facts] }];
}

function withMethods(methods: MethodSet, known: Facts): Facts[] {
  return isEmpty(methods) ? [] : [{ ...known, methods }];
}

function withClients(clients: AddressSet, known: Facts): Facts[] {
  return clients.length === 0 ? [] : [{ ...known, clients }];
}

function clientsOf({ blocks }: { readonly blocks: readonly { readonly text: string }[] }) {
  return blocks.map(({ text }) => parseRange(text)!);
}

function factsOf({ kind, name, relation, texts }: TextTest): TextFact[] {
  const all = relation === "present" ? [{ text: "" }] : texts;
  return all.map(({ text }) => ({ kind, name: name.text, relation, text }));
}

/** Whether a request with the one necessarily has the other. */
export function implies(fact: TextFact, other: TextFact): boolean {
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
