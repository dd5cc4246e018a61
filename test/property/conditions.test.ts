// Conditions of other targets: the generated functions, the explanations and the solver against a
// plain reading of the same conditions, over random conditions and requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "smol-toml";
import { textOffsets } from "zproxy/compiler/1-read/text-offsets.ts";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { NO_FACTS, solve, TooManyCases } from "zproxy/compiler/2-check/condition/solve.ts";
import { readCondition } from "zproxy/compiler/2-check/condition/type-check.ts";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import { emit } from "zproxy/compiler/4-emit/emit.ts";
import { requestOf } from "zproxy/compiler/diff/cells.ts";
import { decide } from "zproxy/compiler/explain/decision.ts";
import { type Condition, printCondition, pushNotsDown } from "zproxy/compiler/ir/condition.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import type { Config } from "zproxy/schema/config.generated.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { randomConditioned, randomConditionText } from "../lib/random-conditions.ts";
import { type ConditionedRequest, referenceHolds } from "../lib/reference-condition.ts";

const CONFIGS = 12;
const ROUTES = 12;
const REQUESTS = 600;
const ROUNDS = 1500;

function read(text: string): Condition {
  const told: string[] = [];
  const condition = readCondition(text, (code) => void told.push(code));
  assert.ok(condition, `${text}: ${told.join()}`);
  return condition;
}

function randomConfig(random: Random): Config {
  const routes = Array.from({ length: ROUTES }, (_, at) => {
    const when = Array.from({ length: random.between(1, 3) }, (_, index) => ({
      name: `t${index}`,
      if: randomConditionText(random),
      path: `/srv/${index}`,
    }));
    return [`/${at}`, { path: "/srv", when }];
  });
  const path_routes = { "*": Object.fromEntries(routes) };
  return { server: { listen: "127.0.0.1:8080" }, path_routes };
}

function headOf({ method, query, headers }: ConditionedRequest, path: string): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  // The probe takes text; bytes above ASCII go as UTF-8 and are compared with nothing.
  return [`${method} ${path}${query} HTTP/1.1`, "Host: a", ...lines].join("\r\n");
}

test("generated functions and explanations choose the target that a plain reading chooses", () =>
  withRandom(async (random) => {
    const chosen = new Map<string, number>();
    for (let count = 0; count < CONFIGS; count++) {
      const config = randomConfig(random);
      const ir = lower(config);
      const probe = await loadProbe(emit(ir), process.cwd());
      for (let round = 0; round < REQUESTS; round++) {
        const request = randomConditioned(random);
        const path = `/${random.below(ROUTES)}`;
        const { when = [] } = config.path_routes!["*"]![path]!;
        const expected = when.find((it) => referenceHolds(read(it.if), request))?.name ?? "none";
        const head = headOf(request, path);
        // Methods but GET and HEAD are refused for a file, behind the choice of the target.
        const decision = decide(ir, probe, { request: "", head, peer: request.client });
        assert.equal(decision.when, expected, JSON.stringify([when, request]));
        chosen.set(expected, (chosen.get(expected) ?? 0) + 1);
      }
    }
    for (const name of ["t0", "t1", "t2", "none"]) assert.ok((chosen.get(name) ?? 0) > 50, name);
  }));

test("a condition is printed so that it reads the same, and its nots can be pushed down", () =>
  withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const condition = read(randomConditionText(random));
      const request = randomConditioned(random);
      const expected = referenceHolds(condition, request);
      const text = printCondition(condition);
      assert.equal(referenceHolds(read(text), request), expected, text);
      assert.equal(printCondition(read(text)), text);
      assert.equal(referenceHolds(pushNotsDown(condition), request), expected, text);
    }
  }));

test("the solver finds a request exactly where there is one", () =>
  withRandom((random) => {
    let met = 0;
    let unmet = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const conditions = [0, 1, 2].map(() => read(randomConditionText(random, 2)));
      const told = conditions.map(printCondition).join("\n");
      const guard = { conditions, text: "" };
      const found = requestOf(guard, NO_FACTS);
      assert.equal(found === undefined, solve(conditions) === undefined);
      if (found === undefined) unmet++;
      else {
        met++;
        for (const condition of conditions) {
          assert.ok(referenceHolds(condition, found), `${told}\n${JSON.stringify(found)}`);
        }
      }
      for (let count = 0; found === undefined && count < 50; count++) {
        const request = randomConditioned(random);
        const holds = conditions.every((condition) => referenceHolds(condition, request));
        assert.ok(!holds, `${told}\n${JSON.stringify(request)}`);
      }
    }
    assert.ok(met > 100 && unmet > 5, `${met} met, ${unmet} unmet`);
  }));

test("the solver gives up in time", () => {
  const names = [..."abcdefghijklmnop"];
  const pairs = names.map((name) => `(header("${name}") == "1" or header("${name}") == "2")`);
  const none = names.map((name) => `not header("${name}")`).join(" or ");
  assert.throws(() => solve([read(`${pairs.join(" and ")} and (${none})`)]), TooManyCases);
});

test("of thousands of conditions it is not found out whether each can be met", () => {
  const check = (count: number): string[] => {
    const targets = Array.from({ length: count }, (_, at) => {
      const condition = `header("x") == "${at}"`;
      return `[[host_routes.a.when]]\nname = "t${at}"\nif = '${condition}'\npath = "/srv"\n`;
    });
    const head = '[server]\nlisten = "0.0.0.0:80"\n[host_routes.a]\npath = "/srv"\n';
    const { diagnostics } = checkSource({ path: "", text: head + targets.join("") });
    return diagnostics.map(({ code }) => code);
  };
  assert.deepEqual(check(200), []);
  assert.deepEqual(check(2100), ["when/too-many-cases"]);
});

const PIECES = ["a", "\\n", '\\"', "\\\\", "\\u00e9", "\\U0001F600", "é", "😀", "'", " "];

test("each character of a string is found where it is written", () =>
  withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const kind = random.below(4);
      const pieces = Array.from({ length: random.below(8) }, () => random.pick(PIECES));
      const lines = kind < 2 ? [] : ["\n", "\r\n", kind === 2 ? "\\\n   " : "\n"];
      const inner = [...pieces, ...lines].sort(() => random.below(3) - 1).join("");
      const bare = inner.replace(/\\.|'/g, "");
      const first = random.pick(["", "\n", "\r\n"]);
      const raw = [`"${inner}"`, `'${bare}'`, `"""${first}${inner}"""`, `'''${first}${bare}'''`][
        kind
      ]!;
      const value = String(parse(`key = ${raw}`).key);
      const offsets = textOffsets(raw);
      assert.equal(offsets.length, value.length + 1, raw);
      for (const [at, character] of [...value].entries()) {
        const place = offsets[[...value].slice(0, at).join("").length]!;
        const written = String.fromCodePoint(raw.codePointAt(place)!);
        assert.ok(written === character || written === "\\", `${raw} ${at}`);
      }
    }
  }));
