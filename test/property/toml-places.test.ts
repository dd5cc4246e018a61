// Where keys and values stand in documents of every kind that TOML allows: for each key path, the
// text at the place of its key and at the place of its value.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "smol-toml";
import type { KeyPath } from "zproxy/compiler/1-read/key-path.ts";
import { Locator } from "zproxy/compiler/1-read/locator.ts";
import { parseStatements } from "zproxy/compiler/1-read/toml-parser.ts";

type Place = readonly [path: KeyPath, key: string, value: string];

interface Case {
  readonly name: string;
  readonly text: string;
  /** Every key path of the document. */
  readonly places: readonly Place[];
}

const CASES: readonly Case[] = [
  { name: "an empty document", text: "", places: [] },
  { name: "nothing but comments and blanks", text: "# a\n\n\t# b = 1\r\n", places: [] },
  { name: "no line end at the end", text: "a = 1", places: [[["a"], "a", "1"]] },
  {
    name: "comments everywhere",
    text: '# [no]\na = "#" # b = 2\n[t] # x\nc = [ # one\n  1, # two\n  # three\n] # end',
    places: [
      [["a"], "a", '"#"'],
      [["t"], "t", "[t]"],
      [["t", "c"], "c", "[ # one\n  1, # two\n  # three\n]"],
      [["t", "c", 0], "1", "1"],
    ],
  },
  {
    name: "booleans and integers in all bases",
    text: "t = true\nf = false\na = +1_000\nb = -0\nc = 0xdead_BEEF\nd = 0o17\ne = 0b101\n",
    places: [
      [["t"], "t", "true"],
      [["f"], "f", "false"],
      [["a"], "a", "+1_000"],
      [["b"], "b", "-0"],
      [["c"], "c", "0xdead_BEEF"],
      [["d"], "d", "0o17"],
      [["e"], "e", "0b101"],
    ],
  },
  {
    name: "floats",
    text: "a = 3.14\nb = -0.01\nc = 5e+22\nd = 6.626e-34\ne = 9_224.5\nf = inf\ng = -nan\n",
    places: [
      [["a"], "a", "3.14"],
      [["b"], "b", "-0.01"],
      [["c"], "c", "5e+22"],
      [["d"], "d", "6.626e-34"],
      [["e"], "e", "9_224.5"],
      [["f"], "f", "inf"],
      [["g"], "g", "-nan"],
    ],
  },
  {
    name: "dates and times",
    text: "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5-07:00\nc = 1979-05-27\nd = 07:32:00\n",
    places: [
      [["a"], "a", "1979-05-27T07:32:00Z"],
      [["b"], "b", "1979-05-27 07:32:00.5-07:00"],
      [["c"], "c", "1979-05-27"],
      [["d"], "d", "07:32:00"],
    ],
  },
  {
    name: "strings on one line",
    text: 'a = ""\nb = \'\'\nc = "q \\" \\\\"\nd = \'c:\\d\'\ne = "é\\u00e9 👍" # "\n',
    places: [
      [["a"], "a", '""'],
      [["b"], "b", "''"],
      [["c"], "c", '"q \\" \\\\"'],
      [["d"], "d", "'c:\\d'"],
      [["e"], "e", '"é\\u00e9 👍"'],
    ],
  },
  {
    name: "strings over several lines",
    text: 'a = """\n[x]\nb = 1\n"""\nc = \'\'\'\n# no\n\'\'\'\nd = """one\\\n   two"""\n',
    places: [
      [["a"], "a", '"""\n[x]\nb = 1\n"""'],
      [["c"], "c", "'''\n# no\n'''"],
      [["d"], "d", '"""one\\\n   two"""'],
    ],
  },
  {
    name: "quotes beside the quotes of a string",
    text: 'a = """"a""""\nb = """""b"""""\nc = \'\'\'\'c\'\'\'\'\nd = """\\""""\n',
    places: [
      [["a"], "a", '""""a""""'],
      [["b"], "b", '"""""b"""""'],
      [["c"], "c", "''''c''''"],
      [["d"], "d", '"""\\""""'],
    ],
  },
  {
    name: "keys bare, quoted and odd",
    text: '1 = 1\n-_- = 2\n"a.b" = 3\n\'c d\' = 4\n"" = 5\n"\\u0065" = 6\ntrue = 7\ninf = 8\n1979-05-27 = 9\n',
    places: [
      [["1"], "1", "1"],
      [["-_-"], "-_-", "2"],
      [["a.b"], '"a.b"', "3"],
      [["c d"], "'c d'", "4"],
      [[""], '""', "5"],
      [["e"], '"\\u0065"', "6"],
      [["true"], "true", "7"],
      [["inf"], "inf", "8"],
      [["1979-05-27"], "1979-05-27", "9"],
    ],
  },
  {
    name: "dotted keys",
    text: 'a.b.c = 1\na . "d" = 2\n3.14 = 3\n',
    places: [
      [["a"], "a", "1"],
      [["a", "b"], "b", "1"],
      [["a", "b", "c"], "c", "1"],
      [["a", "d"], '"d"', "2"],
      [["3"], "3", "3"],
      [["3", "14"], "14", "3"],
    ],
  },
  {
    name: "keys that an object has by itself",
    text: "__proto__ = 1\nconstructor = 2\ntoString.length = 3\n",
    places: [
      [["__proto__"], "__proto__", "1"],
      [["constructor"], "constructor", "2"],
      [["toString"], "toString", "3"],
      [["toString", "length"], "length", "3"],
    ],
  },
  {
    name: "arrays",
    text: 'a = []\nb = [1, "2", [3.0, [ ] ], ]\nc = [\n\n  {x = 1},\n]\n',
    places: [
      [["a"], "a", "[]"],
      [["b"], "b", '[1, "2", [3.0, [ ] ], ]'],
      [["b", 0], "1", "1"],
      [["b", 1], '"2"', '"2"'],
      [["b", 2], "[3.0, [ ] ]", "[3.0, [ ] ]"],
      [["b", 2, 0], "3.0", "3.0"],
      [["b", 2, 1], "[ ]", "[ ]"],
      [["c"], "c", "[\n\n  {x = 1},\n]"],
      [["c", 0], "{x = 1}", "{x = 1}"],
      [["c", 0, "x"], "x", "1"],
    ],
  },
  {
    name: "arrays of text that looks like TOML",
    text: 'a = ["]", \'[\', "#", """\n]""", "a = 1"]\n',
    places: [
      [["a"], "a", '["]", \'[\', "#", """\n]""", "a = 1"]'],
      [["a", 0], '"]"', '"]"'],
      [["a", 1], "'['", "'['"],
      [["a", 2], '"#"', '"#"'],
      [["a", 3], '"""\n]"""', '"""\n]"""'],
      [["a", 4], '"a = 1"', '"a = 1"'],
    ],
  },
  {
    name: "inline tables",
    text: 'a = {}\nb = { x = 1, "y z".w = { v = [2] } }\n',
    places: [
      [["a"], "a", "{}"],
      [["b"], "b", '{ x = 1, "y z".w = { v = [2] } }'],
      [["b", "x"], "x", "1"],
      [["b", "y z"], '"y z"', "{ v = [2] }"],
      [["b", "y z", "w"], "w", "{ v = [2] }"],
      [["b", "y z", "w", "v"], "v", "[2]"],
      [["b", "y z", "w", "v", 0], "2", "2"],
    ],
  },
  {
    name: "tables, empty and nested",
    text: "[a]\n[a.b]\nc = 1\n[ d . 'e' ]\n",
    places: [
      [["a"], "a", "[a]"],
      [["a", "b"], "b", "[a.b]"],
      [["a", "b", "c"], "c", "1"],
      [["d"], "d", "[ d . 'e' ]"],
      [["d", "e"], "'e'", "[ d . 'e' ]"],
    ],
  },
  {
    name: "a table after the tables below it",
    text: "[a.b]\nx = 1\n[a]\ny = 2\n",
    places: [
      [["a"], "a", "[a]"],
      [["a", "b"], "b", "[a.b]"],
      [["a", "b", "x"], "x", "1"],
      [["a", "y"], "y", "2"],
    ],
  },
  {
    name: "arrays of tables, nested, with tables below",
    text: "[[a]]\nx = 1\n[[a.b]]\n[a.c]\ny = 2\n[[a]]\n[[a.b]]\nz = 3\n",
    places: [
      [["a"], "a", "[[a]]"],
      [["a", 0], "a", "[[a]]"],
      [["a", 0, "x"], "x", "1"],
      [["a", 0, "b"], "b", "[[a.b]]"],
      [["a", 0, "b", 0], "b", "[[a.b]]"],
      [["a", 0, "c"], "c", "[a.c]"],
      [["a", 0, "c", "y"], "y", "2"],
      [["a", 1], "a", "[[a]]"],
      [["a", 1, "b"], "b", "[[a.b]]"],
      [["a", 1, "b", 0], "b", "[[a.b]]"],
      [["a", 1, "b", 0, "z"], "z", "3"],
    ],
  },
  {
    name: "headers with quoted brackets, dots and marks",
    text: '["a]".\'b#\'."c.d"] # e\nf = 1\n["ʞ"]\n',
    places: [
      [["a]"], '"a]"', '["a]".\'b#\'."c.d"]'],
      [["a]", "b#"], "'b#'", '["a]".\'b#\'."c.d"]'],
      [["a]", "b#", "c.d"], '"c.d"', '["a]".\'b#\'."c.d"]'],
      [["a]", "b#", "c.d", "f"], "f", "1"],
      [["ʞ"], '"ʞ"', '["ʞ"]'],
    ],
  },
  {
    name: "carriage returns, tabs and a byte order mark",
    text: "\ufeff[a]\r\n\tb\t=\t1\t# c\r\n\r\nd=2\r\n",
    places: [
      [["a"], "a", "[a]"],
      [["a", "b"], "b", "1"],
      [["a", "d"], "d", "2"],
    ],
  },
  {
    name: "characters outside of the basic plane before a place",
    text: 'a = "👍👍" # 👍\nb = ["👍", 1]\n',
    places: [
      [["a"], "a", '"👍👍"'],
      [["b"], "b", '["👍", 1]'],
      [["b", 0], '"👍"', '"👍"'],
      [["b", 1], "1", "1"],
    ],
  },
];

for (const { name, text, places } of CASES) {
  test(`places: ${name}`, () => {
    parse(text); // valid, says the authority
    const locator = new Locator(parseStatements(text));
    const print = (path: KeyPath): string => JSON.stringify(path);
    assert.deepEqual(locator.paths().map(print).sort(), places.map(([path]) => print(path)).sort());
    for (const [path, key, value] of places) {
      const keySpan = locator.key(path);
      const valueSpan = locator.value(path);
      assert.equal(text.slice(keySpan.start, keySpan.end), key, `key of ${print(path)}`);
      assert.equal(text.slice(valueSpan.start, valueSpan.end), value, `value of ${print(path)}`);
    }
  });
}
