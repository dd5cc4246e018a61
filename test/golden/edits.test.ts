// Small edits of a configuration make small changes of the generated text: a reviewer reads the
// block that was edited and a line or two elsewhere.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { type KeyLines, printKeyMap } from "zproxy/compiler/key-map.ts";
import { goldenCases } from "../lib/golden.ts";
import { changedLines, lineChanges } from "../lib/line-diff.ts";

const FOLDER = "test/golden/edits";

/** Lines added plus lines removed, over all generated files. */
const BUDGETS: Readonly<Record<string, number>> = {
  "add-condition": 20,
  "add-host": 17,
  "add-route": 14,
  "add-route-and-server": 16,
  "change-limit": 5,
  "limit-clients": 16,
  "limit-methods": 1,
  "remove-route": 14,
  "rename-upstream": 10,
  reorder: 0,
};

function compileText(text: string): Map<string, string> {
  const { files, diagnostics } = compile({ path: "config.toml", text });
  assert.deepEqual(diagnostics, []);
  return new Map(files.map((file) => [file.path, file.text]));
}

function churn(before: string, after: string): number {
  const old = compileText(before);
  let lines = 0;
  for (const [path, text] of compileText(after)) lines += changedLines(old.get(path) ?? "", text);
  return lines;
}

test("every edit has a budget", () => {
  assert.deepEqual(goldenCases(FOLDER), Object.keys(BUDGETS).sort());
});

for (const [name, budget] of Object.entries(BUDGETS)) {
  test(`${name} changes at most ${budget} lines`, () => {
    const before = readFileSync(join(FOLDER, name, "before.toml"), "utf8");
    const after = readFileSync(join(FOLDER, name, "after.toml"), "utf8");
    const lines = churn(before, after);
    assert.ok(lines <= budget, `${lines} lines`);
    assert.equal(lines > 0, budget > 0, "the edit has the effect it should have");
  });
}

test("a route in the middle of a large table changes at most 15 lines", () => {
  const routeToml = (index: number) =>
    `[path_routes."h${index % 40}.example.com"."/p${index}"]\npath = "/srv/${index}"\n`;
  const indexes = Array.from({ length: 200 }, (_, index) => index);
  const config = (chosen: readonly number[]) =>
    `[server]\nlisten = "127.0.0.1:8080"\n${chosen.map(routeToml).join("\n")}`;
  const lines = churn(config(indexes.filter((index) => index !== 99)), config(indexes));
  assert.ok(lines > 0 && lines <= 15, `${lines} lines`);
});

const BASE = readFileSync(join(FOLDER, "limit-clients", "after.toml"), "utf8");
const SEARCH = '[path_routes."example.com"."/search"]\ntype = "Proxy"\nupstream = "search"\n';
const APP = '[upstreams.app]\nservers = ["http://10.0.0.1:8000", "http://10.0.0.2:8000"]\n';
const SHOP_FIND =
  '[path_routes."shop.example.com"."/find"]\ntype = "Proxy"\nupstream = "search"\n';
const SHOP_URL =
  '[path_routes."shop.example.com"."/pay"]\ntype = "Proxy"\nurl = "https://pay.example/v1/"\n';
const SECURITY =
  'security = { allowed_ips = ["10.0.0.0/8", "2001:db8::/32"], denied_ips = ["10.0.0.13"] }\n';
const OPEN = BASE.replace(SECURITY, "");
const ROUTE_API = 'path_routes."example.com"."/api"';

/** Edits of one thing: what is replaced by what, and the keys whose lines are its own. */
const SINGLE_EDITS: readonly (readonly [string, string | RegExp, string, readonly string[]])[] = [
  ["a route", SEARCH, "", ['path_routes."example.com"."/search"']],
  [
    "the name of a route",
    SEARCH,
    SEARCH.replace("/search", "/lookup"),
    ['path_routes."example.com"."/search"', 'path_routes."example.com"."/lookup"'],
  ],
  ["an upstream", APP, `${APP}\n${APP.replace("app]", "spare]")}`, ["upstreams.spare"]],
  ["a server", '"http://10.0.0.2:8000"', '"http://10.0.0.9:8000"', ["upstreams.app"]],
  ["an ACL entry", '"10.0.0.0/8", ', "", [ROUTE_API]],
  ["the text of an ACL entry", '"10.0.0.13"', '"10.0.0.14"', [ROUTE_API]],
  ["a route to a url", SHOP_FIND, SHOP_FIND + SHOP_URL, ['path_routes."shop.example.com"."/pay"']],
  [
    "the name of a host",
    /shop/g,
    "store",
    ['path_routes."shop.example.com"', 'path_routes."store.example.com"'],
  ],
  [
    "an upstream with the routes to it",
    BASE,
    BASE.replace(/\[upstreams.search\]\n.*\n/, "").replace(SEARCH, "").replace(SHOP_FIND, ""),
    [
      "upstreams.search",
      'path_routes."example.com"."/search"',
      // Its host is left with one route, and needs no function to choose among them.
      'path_routes."shop.example.com"',
    ],
  ],
  [
    "a route that would get the name of another",
    SEARCH,
    `${SEARCH}[path_routes."example.com"."/api_"]\npath = "/srv"\n`,
    ['path_routes."example.com"."/api_"'],
  ],
  ["methods of a route", SECURITY, SECURITY.replace("{", '{ allowed_methods = ["GET"],'), [ROUTE_API]],
  ["a denied address", 'denied_ips = ["10.0.0.13"]', 'denied_ips = ["10.0.0.13", "10.9.0.0/16"]', [ROUTE_API]],
];

const OTHER_LINES_MAX = 3;

function compiledWithKeys(text: string) {
  const { files, ir, checked } = compile({ path: "config.toml", text });
  assert.ok(ir !== undefined && checked !== undefined);
  const map = JSON.parse(printKeyMap(files, ir, checked, text)) as Record<string, KeyLines[]>;
  const keyOf = (path: string, line: number): string =>
    map[path]?.find(({ lines: [first, last] }) => first <= line && line <= last)?.key ?? "";
  return { texts: new Map(files.map((file) => [file.path, file.text])), keyOf };
}

/** Changed lines that belong to none of the keys, with the lines themselves. */
function otherLines(before: string, after: string, own: readonly string[]): string[] {
  const old = compiledWithKeys(before);
  const young = compiledWithKeys(after);
  const isOther = (key: string): boolean => !own.some((prefix) => key.startsWith(prefix));
  return [...young.texts].flatMap(([path, text]) => {
    const was = old.texts.get(path) ?? "";
    const { removed, added } = lineChanges(was, text);
    const lines = [
      ...removed.map((line) => [old.keyOf(path, line), was.split("\n")[line - 1]!] as const),
      ...added.map((line) => [young.keyOf(path, line), text.split("\n")[line - 1]!] as const),
    ];
    return lines.filter(([key, line]) => isOther(key) && line !== "").map(([, line]) => line);
  });
}

for (const [what, from, to, own] of SINGLE_EDITS) {
  test(`${what} changes its own lines and at most ${OTHER_LINES_MAX} others, there and back`, () => {
    const after = BASE.replace(from, to);
    assert.notEqual(after, BASE);
    for (const others of [otherLines(BASE, after, own), otherLines(after, BASE, own)]) {
      assert.ok(others.length <= OTHER_LINES_MAX, others.join("\n"));
    }
  });
}

test("the first rule of clients changes its own lines and the line of imports", () => {
  for (const others of [otherLines(OPEN, BASE, [ROUTE_API]), otherLines(BASE, OPEN, [ROUTE_API])]) {
    assert.ok(others.length > 0 && others.length <= OTHER_LINES_MAX, others.join("\n"));
    assert.ok(others.every((line) => line.startsWith("import type {")));
  }
});

test("each host more changes its own lines alone, until there are more than 24", () => {
  const routeToml = (index: number) =>
    `[path_routes."h${String.fromCharCode(97 + index)}.example.com"."/"]\npath = "/srv"\n`;
  const config = (count: number) =>
    `[server]\nlisten = "127.0.0.1:80"\n${Array.from({ length: count }, (_, at) => routeToml(at)).join("")}`;
  for (let count = 1; count < 24; count++) {
    const own = [`path_routes."h${String.fromCharCode(97 + count)}.example.com"`];
    const others = otherLines(config(count), config(count + 1), own);
    assert.ok(others.length <= OTHER_LINES_MAX, `${count}:\n${others.join("\n")}`);
  }
  const table = compileText(config(25)).get("generated/match.ts")!;
  assert.match(table, /^\/\/ .*: a table, for more than 24 hosts/);
});

test("a new name of an upstream changes its lines, and one in each route that uses it", () => {
  const after = BASE.replaceAll("upstreams.app]", "upstreams.backend]").replaceAll('"app"', '"backend"');
  const own = ["upstreams.app", "upstreams.backend"];
  const others = otherLines(BASE, after, own);
  const uses = [...BASE.matchAll(/upstream = "app"/g)].length;
  // A changed line is one removed and one added.
  assert.equal(others.length, 2 * uses, others.join("\n"));
});
