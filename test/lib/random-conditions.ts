// Random conditions, and random requests that have a chance of meeting them.

import { quoteText } from "zproxy/compiler/ir/condition.ts";
import type { Random } from "./random.ts";

const NAMES = ["a", "A", "b", "x-y"];
const TEXTS = ["1", "12", "21", "ab", "a b", "b", "a=b", "%31", "a%20b", "+", "x", '"q"'];
const METHODS = ["GET", "POST", "PUT", "X-A", "G"];
const BLOCKS = ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/1", "2001:db8::/32", "::ffff:10.1.2.3", "::/1"];
const CLIENTS = ["10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "::1", "fe80::1"];

/** A condition as text, of at most so many operators below each other. */
export function randomConditionText(random: Random, depth = 3): string {
  const part = (): string => randomConditionText(random, depth - 1);
  const kind = depth === 0 ? 0 : random.below(7);
  if (kind === 4) return `not ${part()}`;
  if (kind === 5) return `(${part()} and ${part()} or ${part()})`;
  if (kind === 6) return `(${part()} or ${part()})`;
  return randomTestText(random);
}

function randomTestText(random: Random): string {
  const list = (items: readonly string[]): string =>
    `[${[random.pick(items), random.pick(items)].map((text) => quoteText({ text })).join(", ")}]`;
  switch (random.below(8)) {
    case 0:
      return `method ${random.pick(["in", "not in"])} ${list(METHODS)}`;
    case 1:
      return `client ${random.pick(["in", "not in"])} ${list(BLOCKS)}`;
  }
  const subject = `${random.pick(["header", "query", "cookie"])}("${random.pick(NAMES)}")`;
  const operator = random.pick(["==", "!=", "starts_with", "ends_with", "contains", "in", ""]);
  if (operator === "") return subject;
  if (operator === "in") return `${subject} in ${list(TEXTS)}`;
  return `${subject} ${operator} ${quoteText({ text: random.pick(TEXTS) })}`;
}

/** The parts of a request that conditions look at. */
export interface RandomRequest {
  readonly method: string;
  readonly client: string;
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

function some<T>(random: Random, make: () => T): T[] {
  return Array.from({ length: random.below(4) }, make);
}

export function randomConditioned(random: Random): RandomRequest {
  const blank = (): string => random.pick(["", "", " ", "\t ", "  "]);
  const name = (): string => random.pick([...NAMES, "B", "X-Y", "c", ""]);
  const text = (): string => random.pick([...TEXTS, "", "1;2", "é", "%", "%4", "a%3Db"]);
  const query = (): string =>
    random.pick([
      `${name()}=${text()}`.replaceAll(" ", "+").replace(/[^\x21-\x7e]|#/g, "%C3"),
      `${random.pick(["a", "%61", "%41", "x%2dy", "x-y"])}=${random.pick(["%31", "a+b", "1%32"])}`,
      name(),
      "",
      "=1",
    ]);
  const cookie = (): string =>
    random.pick([`${blank()}${name()}${blank()}=${blank()}${text()}${blank()}`, name(), ""]);
  const header = (): readonly [string, string] =>
    random.below(3) === 0
      ? [random.pick(["Cookie", "cookie"]), some(random, cookie).join(";")]
      : [name() || "d", `${blank()}${text()}${blank()}`];
  const queries = some(random, query);
  return {
    method: random.pick(METHODS),
    client: random.pick(CLIENTS),
    query: random.below(4) === 0 ? "" : `?${queries.join("&")}`,
    headers: some(random, header),
  };
}
