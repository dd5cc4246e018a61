// The reader of conditions over texts that are none: it never throws, says something about each,
// and every place it names is in the text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { readCondition } from "zproxy/compiler/2-check/condition/type-check.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { randomConditionText } from "../lib/random-conditions.ts";

const ROUNDS = 3000;
const WARNINGS = ["cidr/host-bits", "cidr/covered"];
const TOKENS = [
  ...["and", "or", "not", "in", "(", ")", "[", "]", ",", "==", "!=", "=", "&&", "!", "AND", "é"],
  ...["method", "client", "header", "query", "cookie", "starts_with", "contains", "header(", "😀"],
  ...['"a"', "'b'", '"', "'", '"10.0.0.0/8"', '"get"', "10.0.0.1", "-", "\n", "\\", "#", ";", "?"],
];

/** A valid condition with pieces taken out, doubled or replaced, or tokens in any order. */
function randomText(random: Random): string {
  if (random.below(3) === 0) {
    return Array.from({ length: random.below(12) }, () => random.pick(TOKENS)).join(
      random.pick([" ", ""]),
    );
  }
  let text = randomConditionText(random);
  for (let count = random.below(4); count >= 0; count--) {
    const start = random.below(text.length + 1);
    const end = Math.min(text.length, start + random.below(6));
    const put = random.pick([random.pick(TOKENS), text.slice(start, end).repeat(2), ""]);
    text = text.slice(0, start) + put + text.slice(end);
  }
  return text;
}

test("every text is read, or told what is wrong with it at a place in it", () =>
  withRandom((random) => {
    let read = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const text = randomText(random);
      const errors: string[] = [];
      const condition = readCondition(text, (code, { start, end }, _, { fix } = {}) => {
        if (!WARNINGS.includes(code)) errors.push(code);
        assert.ok(0 <= start && start <= end && end <= text.length, JSON.stringify(text));
        if (fix !== undefined) assert.ok(fix.place.start <= fix.place.end);
      });
      assert.equal(condition === undefined, errors.length > 0, JSON.stringify(text));
      if (condition !== undefined) read++;
    }
    assert.ok(read > ROUNDS / 50 && read < ROUNDS, `${read} read`);
  }));

/** TOML has four ways to write a text; not every text can be written in each. */
function tomlStrings(text: string): string[] {
  const basic = JSON.stringify(text).replaceAll("\x7f", "\\u007F");
  const inner = basic.slice(1, -1);
  return [
    basic,
    `"""\n${inner.replace(/\\(.)/g, (whole, it) => (it === "n" ? "\n" : whole))}"""`,
    ...(/['\n\r]|[\0-\x08\x0b-\x1f]/.test(text) ? [] : [`'${text}'`]),
    ...(/'''|'$|\r|[\0-\x08\x0b-\x1f]/.test(text) ? [] : [`'''\n${text}'''`]),
  ];
}

test("a mistake is told alike, at the same characters, however the string is written", () =>
  withRandom((random) => {
    for (let round = 0; round < ROUNDS / 10; round++) {
      const text = Buffer.from(randomText(random)).toString().replace(/^\n+/, "");
      if (text === "") continue;
      const results = tomlStrings(text).map((string) => {
        const config = `[server]\nlisten = "0.0.0.0:80"\n[host_routes.a]\npath = "/srv"
[[host_routes.a.when]]\nname = "t"\npath = "/srv"\nif = ${string}\n`;
        const source = { path: "a.toml", text: config };
        const { diagnostics } = checkSource(source);
        const { files } = compile(source);
        assert.equal(
          files.length === 0,
          diagnostics.some((it) => it.severity === "error"),
        );
        return diagnostics.map(({ code, message, span, hint }) => {
          const shown = config.slice(span.start, span.end);
          // Whole values differ by how they are written.
          const place = shown === string || span.start === span.end ? "" : unescaped(shown, string);
          return { code, message, hint, place };
        });
      });
      for (const result of results) assert.deepEqual(result, results[0], JSON.stringify(text));
    }
  }));

function unescaped(shown: string, string: string): string {
  if (string.startsWith("'")) return shown;
  return JSON.parse(`"${shown.replaceAll("\n", "\\n")}"`) as string;
}
