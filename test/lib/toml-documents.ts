// Random TOML documents, valid by construction and written in every spelling the format allows:
// quoted and dotted keys, headers in any order, inline tables, arrays over several lines, all kinds
// of strings, numbers and dates, comments, CRLF and byte order marks.

import type { Random } from "./random.ts";

const NAMES = [
  ...["a", "b", "server", "listen", "path_routes", "security", "x-y", "under_score", "true", "inf"],
  ...["0", "1", "10", "007", "-1", "1979-05-27", "", " ", "a.b", "/api/", "*.example.com", "[::1]"],
  ...["é", "例え", "👍", 'say "hi"', "it's", "back\\slash", "tab\t", "#no comment", "=", "]", "}"],
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "length"],
];

const SCALARS = [
  ...["0", "-0", "+7", "1_000", "0xDEAD_beef", "0o755", "0b1010", "9223372036854775807"],
  ...["1.5", "-0.0", "6.02e23", "1E-7", "1_0.0_1", "inf", "-inf", "+nan", "true", "false"],
  ...["1979-05-27", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00-08:00", "07:32:00.999"],
  ...['""', "''", '"plain"', "'C:\\dir'", '"esc \\" \\\\ \\n \\u00E9 \\U0001F44D"', '"# ] } = ,"'],
  ...['""""""', "''''''", '"""a""b"""', '"""q""""', '"""q"""""', "'''q''''", "'''it''s'''"],
  ...['"""\nfirst\n[no.header]\nkey = 1\n"""', "'''\r\n# no comment\r\n'''", '"""a\\\n   \n  b"""'],
];

const DEPTH_MAX = 3;

export class TomlWriter {
  readonly #random: Random;
  readonly #newline: string;
  #out = "";

  constructor(random: Random) {
    this.#random = random;
    this.#newline = random.below(4) === 0 ? "\r\n" : "\n";
  }

  /** A whole document. */
  write(): string {
    this.#out = this.#random.below(8) === 0 ? "\ufeff" : "";
    this.#table([], 0);
    const whole = this.#out;
    return this.#random.below(4) === 0 ? whole.trimEnd() : whole;
  }

  /** The pairs of a table, then the tables below it, each under a header of its own. */
  #table(path: readonly string[], depth: number): void {
    const names = this.#names();
    const pairs = names.filter(() => this.#random.below(2) === 0);
    for (const name of pairs) this.#pair([name], depth);
    if (depth >= DEPTH_MAX) return;
    for (const name of names.filter((it) => !pairs.includes(it))) {
      if (this.#random.below(4) === 0) this.#tableArray([...path, name], depth);
      else this.#headed([...path, name], depth);
    }
  }

  #headed(path: readonly string[], depth: number): void {
    // A table that only holds tables needs no header.
    if (this.#random.below(4) === 0 && depth + 1 < DEPTH_MAX) {
      const names = this.#names();
      for (const name of names) this.#headed([...path, name], depth + 1);
      // Its own header may still follow.
      if (names.length > 0 && this.#random.below(2) === 0) this.#line(this.#header(path, 1));
      return;
    }
    this.#line(this.#header(path, 1));
    this.#table(path, depth + 1);
  }

  #tableArray(path: readonly string[], depth: number): void {
    for (let count = this.#random.between(1, 3); count > 0; count--) {
      this.#line(this.#header(path, 2));
      this.#table(path, depth + 1);
    }
  }

  #header(path: readonly string[], brackets: 1 | 2): string {
    const open = "[".repeat(brackets) + this.#blank();
    return open + this.#dotted(path) + this.#blank() + "]".repeat(brackets);
  }

  /** One pair, or several that share the start of a dotted key. */
  #pair(path: readonly string[], depth: number): void {
    if (depth < DEPTH_MAX && this.#random.below(5) === 0) {
      const names = this.#names();
      for (const name of names) this.#pair([...path, name], depth + 1);
      if (names.length > 0) return;
    }
    this.#line(this.#dotted(path) + this.#equals() + this.#value(depth));
  }

  #value(depth: number): string {
    const kind = depth >= DEPTH_MAX ? 9 : this.#random.below(10);
    if (kind === 0) return this.#array(depth);
    if (kind === 1) return this.#inline(depth);
    return this.#random.pick(SCALARS);
  }

  #array(depth: number): string {
    const items = Array.from({ length: this.#random.below(4) }, () => this.#value(depth + 1));
    const gap = () => this.#gap();
    const trailing = items.length > 0 && this.#random.below(2) === 0 ? `,${gap()}` : "";
    return `[${gap()}${items.join(`${gap()},${gap()}`)}${gap()}${trailing}]`;
  }

  #inline(depth: number): string {
    const pairs = this.#names().map((name) => {
      return this.#dotted([name]) + this.#equals() + this.#value(depth + 1);
    });
    return `{${this.#blank()}${pairs.join(`${this.#blank()},${this.#blank()}`)}${this.#blank()}}`;
  }

  #names(): string[] {
    const count = this.#random.below(4);
    return [...new Set(Array.from({ length: count }, () => this.#random.pick(NAMES)))];
  }

  #dotted(path: readonly string[]): string {
    const dot = () => `${this.#blank()}.${this.#blank()}`;
    return path.map((name) => this.#key(name)).reduce((left, right) => left + dot() + right);
  }

  #key(name: string): string {
    const choice = this.#random.below(3);
    if (choice === 0 && /^[A-Za-z0-9_-]+$/.test(name)) return name;
    if (choice === 1 && !/['\n]/.test(name)) return `'${name}'`;
    if (this.#random.below(3) > 0) return JSON.stringify(name);
    const escaped = Array.from(name, (character) => {
      const point = character.codePointAt(0) ?? 0;
      return `\\U${point.toString(16).padStart(8, "0")}`;
    });
    return `"${escaped.join("")}"`;
  }

  #equals(): string {
    return `${this.#blank()}=${this.#blank()}`;
  }

  #blank(): string {
    return this.#random.pick(["", " ", " ", "\t", "  "]);
  }

  /** What may stand between the items of an array. */
  #gap(): string {
    const n = this.#newline;
    return this.#random.pick(["", " ", n, `${n}\t`, ` # a ] comment, "here"${n}  `, `${n}${n}`]);
  }

  #line(text: string): void {
    const n = this.#newline;
    const before = this.#random.pick(["", "", "  ", "\t", n, `# [comment]${n}`]);
    const after = this.#random.pick(["", "", " ", " # x = 1", "#"]);
    this.#out += before + text + after + n;
  }
}

const INSERTS = [
  ...["[", "]", "{", "}", "=", ".", ",", '"', "'", '"""', "'''", "\\", "#", "\n", "\r", "\r\n"],
  ..."\t \0\u0001\u007f\ufeff\u2028",
  ...["é", "👍", "\ud800", "0", "1e", "-", "_", "+", ":", "inf", "[[", "]]", "\\u12", "a.b", "nan"],
  ...["constructor", "toString", "= 1979-05-,7 ", "[1979-05-\n7]", "1979-05-27 07:32", "07:32:00"],
];

/** The text with a few random edits: cut, doubled, moved, replaced, or broken off. */
export function mutated(text: string, random: Random): string {
  let out = text;
  for (let edits = random.between(1, 4); edits > 0; edits--) {
    const at = random.below(out.length + 1);
    const length = random.below(random.below(4) === 0 ? 60 : 3);
    const piece = out.slice(at, at + length);
    const rest = out.slice(at + length);
    switch (random.below(6)) {
      case 0:
        out = out.slice(0, at) + rest;
        break;
      case 1:
        out = out.slice(0, at) + piece + piece + rest;
        break;
      case 2:
        out = out.slice(0, at) + random.pick(INSERTS) + rest;
        break;
      case 3: {
        const to = random.below(out.length + 1);
        out = out.slice(0, to) + piece + out.slice(to);
        break;
      }
      case 4:
        out = random.below(4) === 0 ? out.slice(0, at) : out;
        break;
      default:
        out = out.slice(0, at) + random.pick(INSERTS) + out.slice(at);
    }
  }
  return out;
}
