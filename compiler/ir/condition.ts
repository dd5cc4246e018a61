// Conditions of [[...when]] as plain data: what is compared with what, no spans, every list
// resolved. The checks make them with plain words, the IR with words that have a symbol.

import { compareCodeUnits } from "./order.ts";

export interface Worded {
  readonly text: string;
}

export type Condition<Word extends Worded = Worded, Block extends Worded = Worded> =
  | { readonly kind: "and"; readonly parts: readonly Condition<Word, Block>[] }
  | { readonly kind: "or"; readonly parts: readonly Condition<Word, Block>[] }
  | { readonly kind: "not"; readonly part: Condition<Word, Block> }
  | MethodTest<Word>
  | ClientTest<Block>
  | TextTest<Word>;

/** The method is one of these. */
export interface MethodTest<Word extends Worded = Worded> {
  readonly kind: "method";
  readonly methods: readonly Word[];
}

/** The client is in one of these blocks. */
export interface ClientTest<Block extends Worded = Worded> {
  readonly kind: "client";
  readonly blocks: readonly Block[];
}

export type TextSource = "header" | "query" | "cookie";
export type TextRelation = "present" | "equals" | "starts" | "ends" | "contains";

/** Some header, query parameter or cookie of this name has one of these texts as said. */
export interface TextTest<Word extends Worded = Worded> {
  readonly kind: TextSource;
  /** Names of headers in lower case. */
  readonly name: Word;
  readonly relation: TextRelation;
  /** Empty when it need only be there. */
  readonly texts: readonly Word[];
}

export type Test<Word extends Worded = Worded, Block extends Worded = Worded> =
  | MethodTest<Word>
  | ClientTest<Block>
  | TextTest<Word>;

/** How the language writes a relation to a single text. */
export const RELATIONS: Readonly<Record<string, TextRelation>> = {
  "==": "equals",
  starts_with: "starts",
  ends_with: "ends",
  contains: "contains",
};

/** A condition in the language it was written in, always with the same spaces and brackets. */
export function printCondition(condition: Condition): string {
  switch (condition.kind) {
    case "and":
      return condition.parts.map((part) => printInside(part, part.kind === "or")).join(" and ");
    case "or":
      return condition.parts.map((part) => printInside(part, false)).join(" or ");
    case "not":
      return printNot(condition.part);
    default:
      return printTest(condition, false);
  }
}

function printInside(part: Condition, bracketed: boolean): string {
  const text = printCondition(part);
  return bracketed ? `(${text})` : text;
}

function printNot(part: Condition): string {
  switch (part.kind) {
    case "and":
    case "or":
    case "not":
      return `not (${printCondition(part)})`;
    default:
      return printTest(part, true);
  }
}

function printTest(test: Test, negated: boolean): string {
  if (test.kind === "method") return printList("method", test.methods, negated);
  if (test.kind === "client") return printList("client", test.blocks, negated);
  const subject = `${test.kind}(${quoteText(test.name)})`;
  if (test.relation === "present") return negated ? `not ${subject}` : subject;
  if (test.relation === "equals") return printList(subject, test.texts, negated);
  const operator = Object.keys(RELATIONS).find((it) => RELATIONS[it] === test.relation);
  const parts = test.texts.map((text) => `${subject} ${operator} ${quoteText(text)}`);
  return negated ? `not ${parts.join(" and not ")}` : parts.join(" or ");
}

function printList(subject: string, words: readonly Worded[], negated: boolean): string {
  // A block is a list of addresses.
  if (words.length === 1 && !(subject === "client" && words[0]!.text.includes("/")))
    return `${subject} ${negated ? "!=" : "=="} ${quoteText(words[0]!)}`;
  return `${subject} ${negated ? "not " : ""}in [${words.map(quoteText).join(", ")}]`;
}

/** No text holds both kinds of quotes: the language has no way to write it. */
export function quoteText({ text }: Worded): string {
  return text.includes('"') ? `'${text}'` : `"${text}"`;
}

/** The same condition with "not" in front of single tests alone, by De Morgan's laws. */
export function pushNotsDown<Word extends Worded, Block extends Worded>(
  condition: Condition<Word, Block>,
  negated = false,
): Condition<Word, Block> {
  if (condition.kind === "not") return pushNotsDown(condition.part, !negated);
  if (condition.kind !== "and" && condition.kind !== "or") {
    return negated ? { kind: "not", part: condition } : condition;
  }
  const kind = negated === (condition.kind === "and") ? "or" : "and";
  const parts = condition.parts.map((part) => pushNotsDown(part, negated));
  return { kind, parts: parts.flatMap((part) => (part.kind === kind ? part.parts : [part])) };
}

/** Every test of a condition, in the order in which they are written. */
export function testsOf<Word extends Worded, Block extends Worded>(
  condition: Condition<Word, Block>,
): Test<Word, Block>[] {
  if (condition.kind === "and" || condition.kind === "or") return condition.parts.flatMap(testsOf);
  return condition.kind === "not" ? testsOf(condition.part) : [condition];
}

/** Sorted by their text, each once. */
export function sortedWords<Word extends Worded>(words: readonly Word[]): Word[] {
  const byText = new Map(words.map((word) => [word.text, word]));
  return [...byText.values()].sort((a, b) => compareCodeUnits(a.text, b.text));
}
