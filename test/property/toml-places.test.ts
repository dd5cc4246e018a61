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
  {
    name: "inline tables over several lines, with comments and a comma at the end",
    text: "a = {\n  b = 1, # one }\n  # c = 2\n  d = [ 3,\n 4 ],\n}\ne = { } # end\n",
    places: [
      [["a"], "a", "{\n  b = 1, # one }\n  # c = 2\n  d = [ 3,\n 4 ],\n}"],
      [["a", "b"], "b", "1"],
      [["a", "d"], "d", "[ 3,\n 4 ]"],
      [["a", "d", 0], "3", "3"],
      [["a", "d", 1], "4", "4"],
      [["e"], "e", "{ }"],
    ],
  },
  {
    name: "escapes of two digits and of the escape character",
    text: 'a = "\\e[0m \\x41" # b\n"\\x62" = """\\x22\\e"""\n',
    places: [
      [["a"], "a", '"\\e[0m \\x41"'],
      [["b"], '"\\x62"', '"""\\x22\\e"""'],
    ],
  },
  {
    name: "times without seconds",
    text: "a = 07:32\nb = 1979-05-27T07:32Z\nc = 1979-05-27 07:32\nd = [07:32, 08:00]\n",
    places: [
      [["a"], "a", "07:32"],
      [["b"], "b", "1979-05-27T07:32Z"],
      [["c"], "c", "1979-05-27 07:32"],
      [["d"], "d", "[07:32, 08:00]"],
      [["d", 0], "07:32", "07:32"],
      [["d", 1], "08:00", "08:00"],
    ],
  },
  {
    name: "dotted keys that go on with a table inside of braces",
    text: "a = { b.c = 1, b.d = { e.f = 2, e.g = 3 } }\n",
    places: [
      [["a"], "a", "{ b.c = 1, b.d = { e.f = 2, e.g = 3 } }"],
      [["a", "b"], "b", "1"],
      [["a", "b", "c"], "c", "1"],
      [["a", "b", "d"], "d", "{ e.f = 2, e.g = 3 }"],
      [["a", "b", "d", "e"], "e", "2"],
      [["a", "b", "d", "e", "f"], "f", "2"],
      [["a", "b", "d", "e", "g"], "g", "3"],
    ],
  },
  {
    name: "dotted keys that go on with a table of a header",
    text: "[a]\nb.c = 1\nb.d.e = 2\n[a.x]\ny = 3\n[p.q]\n[p]\nr.s = 4\n",
    places: [
      [["a"], "a", "[a]"],
      [["a", "b"], "b", "1"],
      [["a", "b", "c"], "c", "1"],
      [["a", "b", "d"], "d", "2"],
      [["a", "b", "d", "e"], "e", "2"],
      [["a", "x"], "x", "[a.x]"],
      [["a", "x", "y"], "y", "3"],
      [["p"], "p", "[p]"],
      [["p", "q"], "q", "[p.q]"],
      [["p", "r"], "r", "4"],
      [["p", "r", "s"], "s", "4"],
    ],
  },
  {
    name: "a header below a table of dotted keys",
    text: "a.b.c = 1\n[a.d]\ne = 2\n",
    places: [
      [["a"], "a", "1"],
      [["a", "b"], "b", "1"],
      [["a", "b", "c"], "c", "1"],
      [["a", "d"], "d", "[a.d]"],
      [["a", "d", "e"], "e", "2"],
    ],
  },
  {
    name: "empty keys before a dot, behind one, and in headers",
    text: '"".x = 1\n\'\'."" = 2\n[a.""]\n"" = 3\n',
    places: [
      [[""], '""', "1"],
      [["", "x"], "x", "1"],
      [["", ""], '""', "2"],
      [["a"], "a", '[a.""]'],
      [["a", ""], '""', '[a.""]'],
      [["a", "", ""], '""', "3"],
    ],
  },
  {
    name: "arrays of tables in a table that is named later",
    text: "[[a.b]]\nx = 1\n[a.b.c]\ny = 2\n[[a.b]]\nx = 3\n[a]\nz = 4\n",
    places: [
      [["a"], "a", "[a]"],
      [["a", "b"], "b", "[[a.b]]"],
      [["a", "b", 0], "b", "[[a.b]]"],
      [["a", "b", 0, "x"], "x", "1"],
      [["a", "b", 0, "c"], "c", "[a.b.c]"],
      [["a", "b", 0, "c", "y"], "y", "2"],
      [["a", "b", 1], "b", "[[a.b]]"],
      [["a", "b", 1, "x"], "x", "3"],
      [["a", "z"], "z", "4"],
    ],
  },
  {
    name: "arrays of tables in a table that is named before",
    text: "[a]\nz = 1\n[[a.b.c]]\nx.y = 2\n[[a.b.c]]\n[a.b.d]\n",
    places: [
      [["a"], "a", "[a]"],
      [["a", "z"], "z", "1"],
      [["a", "b"], "b", "[[a.b.c]]"],
      [["a", "b", "c"], "c", "[[a.b.c]]"],
      [["a", "b", "c", 0], "c", "[[a.b.c]]"],
      [["a", "b", "c", 0, "x"], "x", "2"],
      [["a", "b", "c", 0, "x", "y"], "y", "2"],
      [["a", "b", "c", 1], "c", "[[a.b.c]]"],
      [["a", "b", "d"], "d", "[a.b.d]"],
    ],
  },
  {
    name: "arrays in arrays of tables in braces",
    text: "a = [[{ b = 1 }, { b = [{ c = 2 }] }], []]\n",
    places: [
      [["a"], "a", "[[{ b = 1 }, { b = [{ c = 2 }] }], []]"],
      [["a", 0], "[{ b = 1 }, { b = [{ c = 2 }] }]", "[{ b = 1 }, { b = [{ c = 2 }] }]"],
      [["a", 0, 0], "{ b = 1 }", "{ b = 1 }"],
      [["a", 0, 0, "b"], "b", "1"],
      [["a", 0, 1], "{ b = [{ c = 2 }] }", "{ b = [{ c = 2 }] }"],
      [["a", 0, 1, "b"], "b", "[{ c = 2 }]"],
      [["a", 0, 1, "b", 0], "{ c = 2 }", "{ c = 2 }"],
      [["a", 0, 1, "b", 0, "c"], "c", "2"],
      [["a", 1], "[]", "[]"],
    ],
  },
  {
    name: "line ends that a backslash takes away, blanks behind it",
    text: 'a = """\\  \t\n   x \\\n\n  y\\\\"""\nb = """\\\r\n  "" \\\r\n"""\nc = 1\n',
    places: [
      [["a"], "a", '"""\\  \t\n   x \\\n\n  y\\\\"""'],
      [["b"], "b", '"""\\\r\n  "" \\\r\n"""'],
      [["c"], "c", "1"],
    ],
  },
  {
    name: "quoted dotted keys in other scripts",
    text: '"ключ"."ü.é".k = 1\n["日本".\'語👍\']\n"👍" = 2\n',
    places: [
      [["ключ"], '"ключ"', "1"],
      [["ключ", "ü.é"], '"ü.é"', "1"],
      [["ключ", "ü.é", "k"], "k", "1"],
      [["日本"], '"日本"', "[\"日本\".'語👍']"],
      [["日本", "語👍"], "'語👍'", "[\"日本\".'語👍']"],
      [["日本", "語👍", "👍"], '"👍"', "2"],
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
