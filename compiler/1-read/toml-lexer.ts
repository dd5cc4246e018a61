// The tokens of TOML, for finding places only. The lexer reads text that smol-toml has accepted, so
// it is lenient: it must cut valid text at the right places and need not refuse anything.
//
// What a character means depends on where it stands, so the lexer has four modes:
//
//   statement   keys and headers; "=" pushes value
//   value       exactly one value, then back; "[" becomes array, "{" becomes inline
//   array       values until "]"
//   inline      keys until "}"; "=" pushes value

import { createToken, Lexer, type TokenType } from "chevrotain";

function skipped(name: string, pattern: RegExp): TokenType {
  return createToken({ name, pattern, group: Lexer.SKIPPED });
}

const Blank = skipped("Blank", /[ \t]+/);
const Newline = skipped("Newline", /[\r\n]+/);
const Comment = skipped("Comment", /#[^\r\n]*/);

export const Key = createToken({ name: "Key", pattern: Lexer.NA });
const BareKey = createToken({ name: "BareKey", pattern: /[A-Za-z0-9_-]+/, categories: Key });
const BasicKey = createToken({
  name: "BasicKey",
  pattern: /"(?:[^"\\\r\n]|\\.)*"/,
  categories: Key,
});
const LiteralKey = createToken({ name: "LiteralKey", pattern: /'[^'\r\n]*'/, categories: Key });
export const Dot = createToken({ name: "Dot", pattern: "." });
export const Equals = createToken({ name: "Equals", pattern: "=", push_mode: "value" });
export const Comma = createToken({ name: "Comma", pattern: "," });

export const ArrayHeader = createToken({ name: "ArrayHeader", pattern: "[[" });
export const TableHeader = createToken({ name: "TableHeader", pattern: "[" });
export const HeaderEnd = createToken({ name: "HeaderEnd", pattern: /\]\]?/ });

const SCALARS: readonly (readonly [name: string, pattern: RegExp])[] = [
  // Also tried on text without an end, so there is one way alone to read each character.
  ["MultilineBasic", /"""[^"\\]*(?:(?:\\[\s\S]|"{1,2}(?!"))[^"\\]*)*"{3,5}/],
  ["MultilineLiteral", /'''[^']*(?:'{1,2}(?!')[^']*)*'{3,5}/],
  ["Basic", /"[^"\\\r\n]*(?:\\.[^"\\\r\n]*)*"/],
  ["Literal", /'[^'\r\n]*'/],
  // Blanks stand in dates with a time, and in odder ones that smol-toml takes: "1979-05-\t5".
  ["Plain", /[^\s,[\]{}#"'=]+(?:[ \t]+[^\s,[\]{}#"'=]+)*/],
];

export const Scalar = createToken({ name: "Scalar", pattern: Lexer.NA });
// The same texts twice: as the one value after "=", where the lexer goes back, and in an array.
const valueScalars = SCALARS.map(([name, pattern]) =>
  createToken({ name: `${name}Value`, pattern, categories: Scalar, pop_mode: true }),
);
const itemScalars = SCALARS.map(([name, pattern]) =>
  createToken({ name: `${name}Item`, pattern, categories: Scalar }),
);

/** Numbers, words and dates. */
export function isPlain({ name }: TokenType): boolean {
  return name === "PlainValue" || name === "PlainItem";
}

export const ArrayStart = createToken({ name: "ArrayStart", pattern: Lexer.NA });
const ValueArray = createToken({
  name: "ValueArray",
  pattern: "[",
  categories: ArrayStart,
  pop_mode: true,
  push_mode: "array",
});
const ItemArray = createToken({
  name: "ItemArray",
  pattern: "[",
  categories: ArrayStart,
  push_mode: "array",
});
export const ArrayEnd = createToken({ name: "ArrayEnd", pattern: "]", pop_mode: true });

export const InlineStart = createToken({ name: "InlineStart", pattern: Lexer.NA });
const ValueInline = createToken({
  name: "ValueInline",
  pattern: "{",
  categories: InlineStart,
  pop_mode: true,
  push_mode: "inline",
});
const ItemInline = createToken({
  name: "ItemInline",
  pattern: "{",
  categories: InlineStart,
  push_mode: "inline",
});
export const InlineEnd = createToken({ name: "InlineEnd", pattern: "}", pop_mode: true });

const keyTokens = [BareKey, BasicKey, LiteralKey, Dot, Equals];
const modes = {
  statement: [Blank, Newline, Comment, ...keyTokens, ArrayHeader, TableHeader, HeaderEnd],
  value: [Blank, ...valueScalars, ValueArray, ValueInline],
  array: [Blank, Newline, Comment, Comma, ArrayEnd, ...itemScalars, ItemArray, ItemInline],
  inline: [Blank, Newline, Comment, Comma, InlineEnd, ...keyTokens],
};

export const tomlLexer = new Lexer(
  { modes, defaultMode: "statement" },
  { positionTracking: "onlyOffset", ensureOptimizations: false },
);

/** Every token type, abstract ones included, as the parser wants them. */
export const tomlTokens: TokenType[] = [
  ...new Set([Key, Scalar, ArrayStart, InlineStart, ...Object.values(modes).flat()]),
];
