// Conditions of other targets, with a symbol for each word that they compare.

import assert from "node:assert/strict";
import type { RouteWhen } from "../../schema/config.generated.ts";
import { readCondition } from "../2-check/condition/type-check.ts";
import { type Condition, sortedWords, testsOf } from "../ir/condition.ts";
import type { ConditionIr, MethodIr, WordIr } from "../ir/ir.ts";
import { lowerAddresses } from "./lower-addresses.ts";
import { assignSymbols } from "./symbols.ts";

/** Shorter than other symbols: a line of generated code may hold two of them. */
const WORD_LENGTH_MAX = 24;

/** What conditions compare, by text. */
export interface ConditionWords {
  readonly methods: ReadonlyMap<string, MethodIr>;
  /** Names and values. */
  readonly words: ReadonlyMap<string, WordIr>;
}

/** The condition as it was written; it has passed the checks. */
export function conditionOf({ if: text }: Pick<RouteWhen, "if">): Condition {
  const condition = readCondition(text, () => undefined);
  assert(condition, `checked config has a condition that is none: ${text}`);
  return condition;
}

export function methodsIn(condition: Condition): string[] {
  return testsOf(condition).flatMap((test) =>
    test.kind === "method" ? test.methods.map(({ text }) => text) : [],
  );
}

export function conditionWords(
  conditions: readonly Condition[],
  methods: ReadonlyMap<string, MethodIr>,
): ConditionWords {
  const all = conditions.flatMap(testsOf).flatMap((test) => {
    if (test.kind === "method" || test.kind === "client") return [];
    return [test.name, ...test.texts];
  });
  const texts = sortedWords(all).map(({ text }) => text);
  const symbols = assignSymbols(
    texts.map((text) => ({ id: text, words: text === "" ? "empty" : text })),
    { lengthMax: WORD_LENGTH_MAX },
  );
  return {
    methods,
    words: new Map([...symbols].map(([text, symbol]) => [text, { symbol, text }])),
  };
}

export function lowerCondition(condition: Condition, context: ConditionWords): ConditionIr {
  const { methods, words } = context;
  switch (condition.kind) {
    case "and":
    case "or": {
      const parts = condition.parts.map((part) => lowerCondition(part, context));
      return { kind: condition.kind, parts };
    }
    case "not":
      return { kind: "not", part: lowerCondition(condition.part, context) };
    case "method": {
      const named = condition.methods.map(({ text }) => methods.get(text)!);
      return { kind: "method", methods: sortedWords(named) };
    }
    case "client":
      return { kind: "client", blocks: lowerAddresses(condition.blocks.map(({ text }) => text)) };
    default: {
      const { kind, relation } = condition;
      const name = words.get(condition.name.text)!;
      const texts = sortedWords(condition.texts.map(({ text }) => words.get(text)!));
      return { kind, name, relation, texts };
    }
  }
}
