// The requests of a region, cut by the conditions of the two routes that take them: one cell for
// each pair of targets that some request goes to.

import {
  type Facts,
  NO_FACTS,
  solve,
  type TextFact,
  TooManyCases,
} from "../2-check/condition/solve.ts";
import { includes } from "../2-check/values/address-range.ts";
import { type Condition, printCondition, pushNotsDown, testsOf } from "../ir/condition.ts";
import type { RouteIr, TargetIr } from "../ir/ir.ts";
import { hasMethod, isEmpty, pickMethod } from "../ir/method-set.ts";
import { ANY_CLIENT, ANY_CLIENT_RANGE, anyOf } from "./address-set.ts";
import type { Guard, Witness } from "./change.ts";

export interface Cell {
  /** Both routes as if they had the one target that takes these requests. */
  readonly before: RouteIr;
  readonly after: RouteIr;
  /** The key paths of the two targets. */
  readonly keys: readonly [before: string, after: string];
  readonly guard: Guard;
}

/** The guard of a region that no condition cuts. */
export const EVERYTHING: Guard = { conditions: [], text: "" };

/** Each pair of targets is solved for by itself, and its tests are looked at beside each other. */
const WORK_MAX = 2 ** 24;

/**
 * None for two routes that choose alike among the same targets. Throws `TooManyCases` for
 * conditions that are not worth taking apart.
 */
export function cellsOf(before: RouteIr, after: RouteIr): Cell[] {
  if (before.when.length > 0 && choiceText(before) === choiceText(after)) return [];
  if (before.when.length + after.when.length === 0) {
    return [{ before, after, keys: [before.key, after.key], guard: EVERYTHING }];
  }
  if (workOf(before, after) > WORK_MAX) throw new TooManyCases();
  return choicesOf(before).flatMap((old) =>
    choicesOf(after).flatMap((young) => {
      const conditions = [...old.conditions, ...young.conditions];
      if (solve(conditions) === undefined) return [];
      const cell = {
        before: { ...before, target: old.target },
        after: { ...after, target: young.target },
        keys: [old.key, young.key] as const,
      };
      return [{ ...cell, guard: guardOf(conditions) }];
    }),
  );
}

function workOf(before: RouteIr, after: RouteIr): number {
  const tests = [...before.when, ...after.when].flatMap(({ condition }) => testsOf(condition));
  return (before.when.length + 1) * (after.when.length + 1) * tests.length ** 2;
}

/** Equal for routes that choose alike among the same targets. */
function choiceText({ prefix, target, when, allowedMethods }: RouteIr): string {
  return JSON.stringify([prefix, target, when, allowedMethods]);
}

interface Choice {
  readonly key: string;
  readonly target: TargetIr;
  /** All of these are met by requests that go to the target. */
  readonly conditions: readonly Condition[];
}

function choicesOf({ key, target, when }: RouteIr): Choice[] {
  const nots = when.map(({ condition }): Condition => ({ kind: "not", part: condition }));
  const others = when.map((other, at) => ({
    key: other.key,
    target: other.target,
    conditions: [other.condition, ...nots.slice(0, at)],
  }));
  return [...others, { key, target, conditions: nots }];
}

/** The same requests in fewer words: what cannot be, or follows from the rest, goes. */
function guardOf(conditions: readonly Condition[]): Guard {
  let left = conditions.flatMap((it) => partsOf(pushNotsDown(it)));
  for (const condition of left.filter(({ kind }) => kind === "or")) {
    const others = left.filter((it) => it !== condition);
    const possible = alternativesOf(condition).filter((it) => isPossible([...others, it]));
    const narrowed = possible.length === 1 ? partsOf(possible[0]!) : [anyOne(possible)];
    left = left.flatMap((it) => (it === condition ? narrowed : [it]));
  }
  // What is refused mostly follows from what is asked, and stands behind it.
  for (const condition of left.toReversed()) {
    const others = left.filter((it) => it !== condition);
    if (!isPossible([...others, { kind: "not", part: condition }])) left = others;
  }
  const whole: Condition | undefined = left.length < 2 ? left[0] : { kind: "and", parts: left };
  return { conditions: left, text: whole === undefined ? "" : printCondition(whole) };
}

function isPossible(conditions: readonly Condition[]): boolean {
  return solve(conditions) !== undefined;
}

function partsOf(condition: Condition): readonly Condition[] {
  return condition.kind === "and" ? condition.parts : [condition];
}

function alternativesOf(condition: Condition): readonly Condition[] {
  return condition.kind === "or" ? condition.parts : [condition];
}

function anyOne(parts: readonly Condition[]): Condition {
  return { kind: "or", parts };
}

/** Tried first for a witness. */
const USUAL_METHODS = ["GET", "HEAD", "POST", "PUT"];

/** A request of a guard, by a client and a method of some; undefined: there is none. */
export function requestOf(
  { conditions }: Guard,
  known: Pick<Facts, "clients" | "methods">,
): Pick<Witness, "client" | "method" | "query" | "headers"> | undefined {
  if (isEmpty(known.methods) || known.clients.length === 0) return undefined;
  const facts = solve(conditions, { ...NO_FACTS, ...known });
  if (facts === undefined) return undefined;
  const usual = USUAL_METHODS.find((method) => hasMethod(facts.methods, method));
  const filler = fillerFor([...facts.present, ...facts.absent]);
  return {
    client: includes(facts.clients, ANY_CLIENT_RANGE) ? ANY_CLIENT : anyOf(facts.clients)!,
    method: usual ?? pickMethod(facts.methods),
    query: queryOf(facts.present, filler),
    headers: headersOf(facts.present, filler),
  };
}

function queryOf(present: readonly TextFact[], filler: string): string {
  const pairs = present.flatMap((fact) => {
    if (fact.kind !== "query") return [];
    return [`${escaped(fact.name)}=${escaped(factValue(fact, filler))}`];
  });
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*!~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function headersOf(present: readonly TextFact[], filler: string): [string, string][] {
  const headers: [string, string][] = [];
  const cookies: string[] = [];
  for (const fact of present) {
    const value = factValue(fact, filler);
    if (fact.kind === "header") headers.push([fact.name, value]);
    if (fact.kind === "cookie") cookies.push(`${fact.name}=${value}`);
  }
  return cookies.length === 0 ? headers : [...headers, ["cookie", cookies.join("; ")]];
}

/** The value that has what a fact says and nothing else. */
function factValue({ relation, text }: TextFact, filler: string): string {
  switch (relation) {
    case "present":
      return filler;
    case "equals":
      return text;
    case "starts":
      return text + filler;
    case "ends":
      return filler + text;
    case "contains":
      return filler + text + filler;
  }
}

/** A character that no text has, so that it makes no other text be there. */
function fillerFor(facts: readonly TextFact[]): string {
  const characters = "xyzabcdefghijklmnopqrstuvwXYZABCDEFGHIJKLMNOPQRSTUVW0123456789-_.";
  return [...characters].find((it) => facts.every(({ text }) => !text.includes(it))) ?? "~";
}
