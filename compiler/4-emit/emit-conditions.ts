// Conditions of a route's other targets as functions: one call for each test, joined as a formatter
// would join them.

import { pushNotsDown, type TextTest } from "../ir/condition.ts";
import type { AddressBlockIr, ConditionIr, WhenIr, WordIr } from "../ir/ir.ts";
import { emitAddressFunction } from "./emit-addresses.ts";
import { bytesConstant, functionOf } from "./layout.ts";
import { camel } from "./names.ts";
import { COLUMNS_MAX, Code, code, indent, joinCode, Name } from "./text.ts";

/** What a condition looks at. */
interface Needs {
  readonly request: boolean;
  readonly client: boolean;
}

type ConditionTest = Exclude<ConditionIr, { kind: "and" | "or" | "not" }>;

/** A test as code, or several joined by one operator. */
type Joined = Code | { readonly operator: "&&" | "||"; readonly parts: readonly Joined[] };

const FUNCTIONS: Readonly<Record<TextTest["kind"], Readonly<Record<string, string>>>> = {
  header: functionsOf("header", "hasHeader"),
  query: functionsOf("query", "hasQuery"),
  cookie: functionsOf("cookie", "hasCookie"),
};

function functionsOf(source: string, present: string): Record<TextTest["relation"], string> {
  return {
    present,
    equals: `${source}Equals`,
    starts: `${source}StartsWith`,
    ends: `${source}EndsWith`,
    contains: `${source}Contains`,
  };
}

/** The names that conditions import from the runtime. */
export function conditionImports(conditions: readonly ConditionIr[]): string[] {
  const tests = conditions.flatMap(testsIn);
  const names = tests.flatMap((test) => {
    if (test.kind === "client") return [];
    return test.kind === "method" ? ["methodEquals"] : [FUNCTIONS[test.kind][test.relation]!];
  });
  return [...new Set(names)];
}

/** The lists of clients that conditions look into. */
export function clientLists(conditions: readonly ConditionIr[]): (readonly AddressBlockIr[])[] {
  const tests = conditions.flatMap(testsIn);
  return tests.flatMap((test) => (test.kind === "client" ? [test.blocks] : []));
}

/** The words that conditions compare, as constants. */
export function emitWords(conditions: readonly ConditionIr[]): Code {
  const words = conditions.flatMap(testsIn).flatMap((test) => {
    if (test.kind === "client" || test.kind === "method") return [];
    return [test.name, ...test.texts];
  });
  const distinct = [...new Map(words.map((word) => [word.text, word])).values()];
  if (distinct.length === 0) return code``;
  const sorted = distinct.sort((a, b) => (a.text < b.text ? -1 : 1));
  return code`\n${joinCode(sorted.map((word) => bytesConstant(wordName(word), word.text)))}\n`;
}

function wordName({ symbol }: WordIr): Name {
  return camel("text", symbol);
}

export function testsIn(condition: ConditionIr): ConditionTest[] {
  if (condition.kind === "and" || condition.kind === "or") return condition.parts.flatMap(testsIn);
  return condition.kind === "not" ? testsIn(condition.part) : [condition];
}

function needsOf(conditions: readonly ConditionIr[]): Needs {
  const kinds = conditions.flatMap(testsIn).map(({ kind }) => kind);
  return { request: kinds.some((it) => it !== "client"), client: kinds.includes("client") };
}

export function looksAtClient(when: readonly WhenIr[]): boolean {
  return needsOf(when.map(({ condition }) => condition)).client;
}

/** Parameters, as they are declared or as they are passed on. */
function parameters({ request, client }: Needs, declared: boolean): Code[] {
  return [
    ...(request ? [declared ? code`request: ConditionRequest` : code`request`] : []),
    ...(client ? [declared ? code`client: ClientAddress` : code`client`] : []),
  ];
}

export function chooseName(symbol: string): Name {
  return camel("choose", symbol);
}

function meetsName({ symbol }: WhenIr): Name {
  return camel("meets", symbol);
}

/** The function that asks the conditions of a route in their order. */
export function emitChoose(own: Name, symbol: string, when: readonly WhenIr[]): Code {
  const needs = needsOf(when.map(({ condition }) => condition));
  const lines = when.map((other) => {
    const own = needsOf([other.condition]);
    const call = code`${meetsName(other)}(${joinCode(parameters(own, false), ", ")})`;
    const line = code`if (${call}) return ${new Name(other.symbol)};`;
    return line.text.length + 2 <= COLUMNS_MAX
      ? line
      : code`if (${call}) {\n  return ${new Name(other.symbol)};\n}`;
  });
  // The client comes second, so the request is declared wherever it is.
  const declared = parameters({ ...needs, request: true }, true);
  const names = needs.request ? declared : [code`_request: ConditionRequest`, ...declared.slice(1)];
  const body = joinCode([...lines, code`return ${own};`]);
  return functionOf(chooseName(symbol), names, code`number`, body);
}

/** The function that says whether a condition holds, behind those of its lists of clients. */
export function emitMeets(when: WhenIr): Code {
  const blocks = testsIn(when.condition).filter((test) => test.kind === "client");
  const names = new Map(blocks.map((test, at) => [test, numbered("isClientOf", when, at)]));
  const lists = blocks.map((test, at) => {
    const rules = { denied: [], allowed: test.blocks, otherwise: false };
    const set = numbered("addressesOf", when, at);
    return code`${emitAddressFunction(names.get(test)!, rules, set)}\n\n`;
  });
  const joined = join(pushNotsDown(when.condition), names);
  const needs = parameters(needsOf([when.condition]), true);
  const meets = functionOf(meetsName(when), needs, code`boolean`, emitReturn(joined));
  return code`${joinCode(lists, "")}${meets}`;
}

/** A condition that asks for several lists tells them apart by their order in it. */
function numbered(prefix: string, { symbol }: WhenIr, at: number): Name {
  return camel(at === 0 ? prefix : prefix.replace("Of", `${at + 1}Of`), symbol);
}

function join(condition: ConditionIr, clients: ReadonlyMap<ConditionTest, Name>): Joined {
  if (condition.kind === "not") return testCode(condition.part as ConditionTest, clients, true);
  if (condition.kind !== "and" && condition.kind !== "or") return testCode(condition, clients);
  const operator = condition.kind === "and" ? "&&" : "||";
  return flatten(
    operator,
    condition.parts.map((part) => join(part, clients)),
  );
}

/** Parts that are joined by the same operator become parts of this one. */
function flatten(operator: "&&" | "||", parts: readonly Joined[]): Joined {
  const flat = parts.flatMap((part) =>
    part instanceof Code || part.operator !== operator ? [part] : part.parts,
  );
  return flat.length === 1 ? flat[0]! : { operator, parts: flat };
}

function testCode(
  test: ConditionTest,
  clients: ReadonlyMap<ConditionTest, Name>,
  negated = false,
): Joined {
  const not = negated ? code`!` : code``;
  const calls = callsOf(test, clients).map((call) => code`${not}${call}`);
  return flatten(negated ? "&&" : "||", calls);
}

/** One of them has to hold. */
function callsOf(test: ConditionTest, clients: ReadonlyMap<ConditionTest, Name>): Code[] {
  if (test.kind === "client") return [code`${clients.get(test)!}(client)`];
  if (test.kind === "method") {
    return test.methods.map(
      ({ symbol }) => code`methodEquals(request, ${camel("method", symbol)})`,
    );
  }
  const name = new Name(FUNCTIONS[test.kind][test.relation]!);
  const subject = wordName(test.name);
  if (test.relation === "present") return [code`${name}(request, ${subject})`];
  return test.texts.map((text) => code`${name}(request, ${subject}, ${wordName(text)})`);
}

/** The repository's formatter breaks all operators of a level, or none. */
function emitReturn(joined: Joined): Code {
  const line = code`return ${oneLine(joined)};`;
  if (line.text.length + 2 <= COLUMNS_MAX || joined instanceof Code) return line;
  return code`return (\n${indent(broken(joined, 4, 0))}\n);`;
}

function oneLine(joined: Joined): Code {
  if (joined instanceof Code) return joined;
  const parts = joined.parts.map((part) =>
    part instanceof Code ? part : code`(${oneLine(part)})`,
  );
  return joinCode(parts, ` ${joined.operator} `);
}

/** One part a line; `column`: where they begin, `behind`: what stands behind the last. */
function broken({ operator, parts }: Exclude<Joined, Code>, column: number, behind: number): Code {
  const lines = parts.map((part, at) => {
    const isLast = at === parts.length - 1;
    const after = isLast ? behind : ` ${operator}`.length;
    const end = isLast ? code`` : code` ${new Code(operator)}`;
    if (part instanceof Code) return code`${part}${end}`;
    const line = code`(${oneLine(part)})`;
    if (column + line.text.length + after <= COLUMNS_MAX) return code`${line}${end}`;
    const [first, ...rest] = broken(part, column + 2, after + 1).text.split("\n");
    const inner = indent(joinCode(rest.map((text) => new Code(text))));
    return code`(${new Code(first!)}\n${inner})${end}`;
  });
  return joinCode(lines);
}
