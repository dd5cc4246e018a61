// What the words of a condition mean: which names there are, what may be compared with what, and
// whether it can be true of any request at all.

import type { Code, Params } from "../../diagnostics/registry.ts";
import { nearestName } from "../../diagnostics/suggestion.ts";
import {
  type Condition,
  RELATIONS,
  type Test,
  type TextRelation,
  type TextSource,
  type TextTest,
  type Worded,
} from "../../ir/condition.ts";
import { coveredEntries, parseRange } from "../values/address-range.ts";
import { parseCidr } from "../values/cidr.ts";
import { knownMethod, whyNoMethod } from "../values/method.ts";
import { isToken } from "../values/token.ts";
import { type Comparison, type Piece, parseCondition, type TestTree, type Tree } from "./parser.ts";

/** Offsets of the condition's text. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** What a report may add to a mistake. */
export interface Advice {
  readonly hint?: string;
  readonly fix?: { readonly place: Place; readonly text: string };
}

/** Takes one mistake. */
export type Tell = <C extends Code>(
  code: C,
  place: Place,
  params: Params<C>,
  advice?: Advice,
) => void;

const TEXT_SOURCES: readonly TextSource[] = ["header", "query", "cookie"];
const SUBJECTS = ["method", "client", ...TEXT_SOURCES] as const;
const OPERATORS = ["==", "!=", "in", "not in", "starts_with", "ends_with", "contains"];
/** What may stand between a method or a client and its value. */
const EXACT = ["==", "!=", "in", "not in"];

/** What a request may have to be compared with, one after the other. */
const COMPARISONS_MAX = 256;

/** Headers that say how a message is framed or where it is from; what to use in their place. */
const OWN_HEADERS: ReadonlyMap<string, string> = new Map([
  ["host", "routes are chosen by host already"],
  ["connection", "it is about the connection, not the request"],
  ["content-length", "it is the size of the body; use max_request_body_size"],
  ["transfer-encoding", "it is about the connection, not the request"],
  ["expect", "it is about the connection, not the request"],
  ["cookie", 'cookies are compared one by one; write cookie("name")'],
  ["x-forwarded-for", "anybody may send it; write client, with server.trusted_proxies"],
  ["forwarded", "anybody may send it; write client, with server.trusted_proxies"],
]);

/** Reads a condition and tells what is wrong with it; undefined when something is. */
export function readCondition(text: string, tell: Tell): Condition | undefined {
  const parse = parseCondition(text);
  if (!parse.ok) {
    const { detail, hint } = parse.mistake;
    tell("when/syntax", parse.mistake, { detail }, { hint });
    return undefined;
  }
  const comparisons = comparisonsIn(parse.tree);
  if (comparisons > COMPARISONS_MAX) {
    const place = { start: 0, end: text.length };
    tell("when/too-many-comparisons", place, { count: comparisons, max: COMPARISONS_MAX });
    return undefined;
  }
  return readTree(parse.tree, tell);
}

/** A list of clients is searched, so it is one comparison; other lists are one for each text. */
function comparisonsIn(tree: Tree): number {
  if (tree.kind === "not") return comparisonsIn(tree.part);
  if (tree.kind !== "test") return tree.parts.reduce((sum, part) => sum + comparisonsIn(part), 0);
  return tree.subject.text === "client" ? 1 : Math.max(1, tree.comparison?.values.length ?? 1);
}

function readTree(tree: Tree, tell: Tell): Condition | undefined {
  if (tree.kind === "test") return readTest(tree, tell);
  if (tree.kind === "not") {
    const part = readTree(tree.part, tell);
    return part && { kind: "not", part };
  }
  // All parts are looked at, so that all mistakes are told.
  const parts = tree.parts.map((part) => readTree(part, tell));
  const read = parts.filter((part) => part !== undefined);
  if (read.length < parts.length) return undefined;
  const { kind } = tree;
  return { kind, parts: read.flatMap((part) => (part.kind === kind ? part.parts : [part])) };
}

function readTest(tree: TestTree, tell: Tell): Condition | undefined {
  const { subject } = tree;
  const known = SUBJECTS.find((it) => it === subject.text);
  if (known === undefined) {
    const near = nearestName(subject.text, SUBJECTS);
    const params = { name: subject.text, what: "no part of a request" };
    tell("when/unknown-name", subject, params, meant(subject, near, SUBJECTS));
    return undefined;
  }
  const operator = readOperator(tree, tell);
  if (tree.comparison !== undefined && operator === undefined) return undefined;
  const isText = known !== "method" && known !== "client";
  const test = isText ? readTextTest(known, tree, tell) : readExactTest(known, tree, tell);
  if (test === undefined) return undefined;
  const negated = operator === "!=" || operator === "not in";
  return negated ? { kind: "not", part: test } : test;
}

function meant(place: Place, near: string | undefined, known: readonly string[]): Advice {
  if (near === undefined) return { hint: `use one of ${known.join(", ")}` };
  return { hint: `did you mean ${near}?`, fix: { place, text: near } };
}

/** The operator, when there is one and it fits what stands behind it. */
function readOperator({ comparison }: TestTree, tell: Tell): string | undefined {
  if (comparison === undefined) return undefined;
  const { operator, isList, values } = comparison;
  if (!OPERATORS.includes(operator.text)) {
    const near = nearestName(operator.text.replace(/^starts?with$/i, "starts_with"), OPERATORS);
    const params = { name: operator.text, what: "no comparison" };
    tell("when/unknown-name", operator, params, meant(operator, near, OPERATORS));
    return undefined;
  }
  const wantsList = operator.text === "in" || operator.text === "not in";
  if (wantsList === isList) return operator.text;
  const value = `"${values[0]?.text}"`;
  const detail = wantsList
    ? `"${operator.text}" is followed by a list`
    : `"${operator.text}" is followed by one text`;
  const hint = wantsList ? `write ${operator.text} [${value}]` : "write in, or not in, with a list";
  tell("when/wrong-use", comparison, { detail }, { hint });
  return undefined;
}

function readExactTest(kind: "method" | "client", tree: TestTree, tell: Tell): Test | undefined {
  const { argument, comparison } = tree;
  const example = kind === "method" ? 'method == "POST"' : 'client in ["10.0.0.0/8"]';
  if (argument !== undefined) {
    const detail = `a request has one ${kind}, which has no name`;
    tell("when/wrong-use", argument, { detail }, { hint: `write ${example}` });
    return undefined;
  }
  if (comparison === undefined) {
    const detail = `every request has a ${kind}, so it has to be compared`;
    tell("when/wrong-use", tree, { detail }, { hint: `write ${example}` });
    return undefined;
  }
  const { operator, values } = comparison;
  if (!EXACT.includes(operator.text)) {
    const detail = `"${operator.text}" compares texts, and ${kind} is none`;
    tell("when/wrong-use", operator, { detail }, { hint: `write ${example}` });
    return undefined;
  }
  if (kind === "method") {
    const methods = values.map((value) => readMethod(value, tell));
    return methods.includes(undefined) ? undefined : { kind, methods: distinct(methods) };
  }
  const blocks = values.map((value) => readBlock(value, tell));
  if (blocks.includes(undefined)) return undefined;
  tellCovered(values, tell);
  return { kind, blocks: distinct(blocks) };
}

function tellCovered(values: readonly Piece[], tell: Tell): void {
  const entries = values.map((value) => ({ value, range: parseRange(value.text)! }));
  for (const { entry, outer } of coveredEntries(entries)) {
    const params = {
      value: JSON.stringify(entry.value.text),
      outer: JSON.stringify(outer.value.text),
    };
    tell("cidr/covered", entry.value, params);
  }
}

function distinct(words: readonly (Worded | undefined)[]): Worded[] {
  const texts = words.flatMap((word) => (word === undefined ? [] : [word.text]));
  return [...new Set(texts)].map((text) => ({ text }));
}

function readMethod(value: Piece, tell: Tell): Worded | undefined {
  const reason = whyNoMethod(value.text);
  if (reason === undefined) return { text: value.text };
  const known = knownMethod(value.text);
  const hint = `write "${known}"`;
  const advice = known === undefined ? {} : { hint, fix: insideQuotes(value, known) };
  tell("route/invalid-method", value, { method: JSON.stringify(value.text), reason }, advice);
  return undefined;
}

/** The quotes stay: those that would have to be escaped are escaped already. */
function insideQuotes({ start, end }: Piece, text: string) {
  return { place: { start: start + 1, end: end - 1 }, text };
}

function readBlock(value: Piece, tell: Tell): Worded | undefined {
  const block = parseCidr(value.text);
  const shown = JSON.stringify(value.text);
  if (!block.ok) {
    tell("cidr/invalid", value, { value: shown, reason: block.reason });
    return undefined;
  }
  const network = block.value.text;
  if (!block.value.exact) {
    const fix = insideQuotes(value, network);
    tell("cidr/host-bits", value, { value: shown, network }, { fix });
  }
  return { text: network };
}

function readTextTest(kind: TextSource, tree: TestTree, tell: Tell): TextTest | undefined {
  const { subject, argument, comparison } = tree;
  if (argument === undefined) {
    const detail = `${kind} needs a name`;
    tell("when/wrong-use", subject, { detail }, { hint: `write ${kind}("name")` });
    return undefined;
  }
  const reason = whyNoName(kind, argument.text);
  if (reason !== undefined) {
    const name = JSON.stringify(argument.text);
    tell("when/invalid-name", argument, { kind, name, reason });
  }
  const relation: TextRelation =
    comparison === undefined ? "present" : (RELATIONS[comparison.operator.text] ?? "equals");
  const texts = readTexts(kind, relation, comparison, tell);
  if (texts === undefined || reason !== undefined) return undefined;
  const name = kind === "header" ? argument.text.toLowerCase() : argument.text;
  return { kind, name: { text: name }, relation, texts };
}

function whyNoName(kind: TextSource, name: string): string | undefined {
  if (name === "") return "it is empty";
  if (kind === "query") return whyNoText(kind, "equals", name);
  if (!isToken(name)) return `it has characters that the name of a ${kind} cannot have`;
  return kind === "header" ? OWN_HEADERS.get(name.toLowerCase()) : undefined;
}

function readTexts(
  kind: TextSource,
  relation: TextRelation,
  comparison: Comparison | undefined,
  tell: Tell,
): Worded[] | undefined {
  let sound = true;
  for (const value of comparison?.values ?? []) {
    const reason = whyNoText(kind, relation, value.text);
    if (reason === undefined) continue;
    sound = false;
    tell("when/invalid-text", value, { text: JSON.stringify(value.text), reason });
  }
  return sound ? distinct(comparison?.values ?? []) : undefined;
}

/** Why no request could have a value that this is true of, or why every one has. */
function whyNoText(kind: TextSource, relation: TextRelation, text: string): string | undefined {
  if (text === "" && relation !== "equals") return "every value has an empty text in it";
  if (!/^[\x20-\x7e]*$/.test(text)) return "texts hold ASCII letters, digits and signs alone";
  if (kind === "query") return undefined;
  if (kind === "cookie" && text.includes(";")) return "a semicolon ends a cookie";
  const start = relation === "equals" || relation === "starts";
  const end = relation === "equals" || relation === "ends";
  const blank = (start && text.startsWith(" ")) || (end && text.endsWith(" "));
  return blank ? `blanks around the value of a ${kind} do not belong to it` : undefined;
}
