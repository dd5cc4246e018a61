// Every other target of a route, and why its condition held or did not. The generated functions
// decide; this only finds the words, and `decision.ts` holds the two together.

import type { ProbeResult } from "../../runtime/control/probe-types.ts";
import { OWN_TARGET } from "../2-check/rules/conditions.ts";
import { blockHolds } from "../ir/address-block.ts";
import { printCondition, type TextTest } from "../ir/condition.ts";
import type { AddressBlockIr, ConditionIr, RouteIr } from "../ir/ir.ts";
import type { Candidate } from "./candidates.ts";
import { printAddress } from "./client-text.ts";

/** What conditions look at. */
export type AskedRequest = Pick<ProbeResult, "method" | "client" | "fields" | "query">;

type ConditionTest = Exclude<ConditionIr, { kind: "and" | "or" | "not" }>;

/** The key of the target that a request goes to once the route's checks have passed. */
export function chosenTarget({ key, when }: RouteIr, request: AskedRequest): string {
  return when.find(({ condition }) => holds(condition, request))?.key ?? key;
}

/** The other targets up to the one that takes the request, then the route's own. */
export function targetCandidates(route: RouteIr, request: AskedRequest): Candidate[] {
  const chosen = chosenTarget(route, request);
  const at = route.when.findIndex(({ key }) => key === chosen);
  const others = route.when.map(({ name, condition, key }, index) => ({
    key: name,
    taken: key === chosen,
    reason: at >= 0 && index > at ? `${route.when[at]!.name} comes first` : why(condition, request),
  }));
  const own = { key: OWN_TARGET, taken: at < 0 };
  const reason = at < 0 ? "no condition holds: the route's own target" : "the route's own target";
  return [...others, { ...own, reason }];
}

export function holds(condition: ConditionIr, request: AskedRequest): boolean {
  switch (condition.kind) {
    case "and":
      return condition.parts.every((part) => holds(part, request));
    case "or":
      return condition.parts.some((part) => holds(part, request));
    case "not":
      return !holds(condition.part, request);
    case "method":
      return condition.methods.some(({ text }) => text === request.method);
    case "client":
      return decidingBlock(condition.blocks, request) !== undefined;
    default:
      return valuesOf(condition, request).some((value) => compares(condition, value));
  }
}

function decidingBlock(blocks: readonly AddressBlockIr[], { client }: AskedRequest) {
  return blocks.find((block) => blockHolds(block, client));
}

function compares({ relation, texts }: TextTest, value: string): boolean {
  switch (relation) {
    case "present":
      return true;
    case "equals":
      return texts.some(({ text }) => value === text);
    case "starts":
      return texts.some(({ text }) => value.startsWith(text));
    case "ends":
      return texts.some(({ text }) => value.endsWith(text));
    case "contains":
      return texts.some(({ text }) => value.includes(text));
  }
}

/** The values of all headers, parameters or cookies of the name. */
function valuesOf({ kind, name }: TextTest, { fields, query }: AskedRequest): string[] {
  if (kind === "query") return parametersOf(query, name.text);
  const header = kind === "cookie" ? "cookie" : name.text;
  const values = fields.flatMap(([field, value]) =>
    field.toLowerCase() === header ? [value] : [],
  );
  return kind === "header" ? values : values.flatMap((value) => cookiesOf(value, name.text));
}

function parametersOf(query: string, name: string): string[] {
  const pairs = query
    .slice(1)
    .split("&")
    .filter((pair) => pair !== "");
  return pairs.flatMap((pair) => {
    const [own = "", ...rest] = pair.split("=");
    return decoded(own) === name ? [decoded(rest.join("="))] : [];
  });
}

/** As forms are decoded, byte by byte: conditions compare ASCII alone. */
function decoded(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

function cookiesOf(field: string, name: string): string[] {
  return field.split(";").flatMap((pair) => {
    const equals = pair.indexOf("=");
    const same = equals >= 0 && trimmed(pair.slice(0, equals)) === name;
    return same ? [trimmed(pair.slice(equals + 1))] : [];
  });
}

function trimmed(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

/** The tests that decided, with what the request has. */
function why(condition: ConditionIr, request: AskedRequest): string {
  switch (condition.kind) {
    case "and": {
      const failed = condition.parts.find((part) => !holds(part, request));
      if (failed !== undefined) return why(failed, request);
      return condition.parts.map((part) => why(part, request)).join(", and ");
    }
    case "or": {
      const met = condition.parts.find((part) => holds(part, request));
      if (met !== undefined) return why(met, request);
      return condition.parts.map((part) => why(part, request)).join(", and ");
    }
    case "not":
      return why(condition.part, request);
    default:
      return whyTest(condition, request);
  }
}

/** Values longer than this are cut: it is known which they are. */
const SHOWN_MAX = 60;

function whyTest(test: ConditionTest, request: AskedRequest): string {
  const text = printCondition(test);
  return `${text} is ${holds(test, request)}: ${factOf(test, request)}`;
}

/** What the request has of what a test looks at. */
function factOf(test: ConditionTest, request: AskedRequest): string {
  if (test.kind === "method") return `it is ${request.method}`;
  if (test.kind === "client") {
    const block = decidingBlock(test.blocks, request);
    const client = printAddress(request.client);
    return block === undefined ? `it is ${client}` : `${client} is in ${block.text}`;
  }
  const values = valuesOf(test, request);
  if (values.length === 0) return "there is none";
  const met = values.find((value) => compares(test, value));
  return `it is ${(met === undefined ? values : [met]).map(shorten).join(" and ")}`;
}

function shorten(value: string): string {
  return JSON.stringify(value.length > SHOWN_MAX ? `${value.slice(0, SHOWN_MAX)}…` : value);
}
