// The tokens of conditions. The lexer takes every character, so that whatever is wrong is told by
// the parser, which knows what it expected.

import { createToken, Lexer, type TokenType } from "chevrotain";

const Blank = createToken({ name: "Blank", pattern: /\s+/, group: Lexer.SKIPPED });
/** Names, and what should have been in quotes: numbers, addresses, paths. */
export const Word = createToken({ name: "Word", pattern: /[\w.:/*-]+/, label: "a name" });

function keyword(name: string, pattern: RegExp): TokenType {
  return createToken({ name, pattern, label: name.toLowerCase(), longer_alt: Word });
}

export const And = keyword("And", /and/);
export const Or = keyword("Or", /or/);
export const Not = keyword("Not", /not/);
export const In = keyword("In", /in/);

export const Text = createToken({
  name: "Text",
  pattern: /"[^"]*"|'[^']*'/,
  label: "a text in quotes",
});
/** A quote that nothing closes, up to the end. */
export const OpenText = createToken({ name: "OpenText", pattern: /["'][\s\S]*/ });

export const Equal = createToken({ name: "Equal", pattern: /==(?!=)/, label: "==" });
export const NotEqual = createToken({ name: "NotEqual", pattern: /!=(?!=)/, label: "!=" });
export const Opening = createToken({ name: "Opening", pattern: "(", label: "(" });
export const Closing = createToken({ name: "Closing", pattern: ")", label: ")" });
export const ListStart = createToken({ name: "ListStart", pattern: "[", label: "[" });
export const ListEnd = createToken({ name: "ListEnd", pattern: "]", label: "a comma or ]" });
export const Comma = createToken({ name: "Comma", pattern: ",", label: "a comma" });
/** Anything else: operators of other languages in one piece, else a single character. */
export const Stray = createToken({
  name: "Stray",
  pattern: /&&?|\|\|?|[=!]==?|=~?|!~?|<=?|>=?|[\s\S]/u,
});

export const conditionTokens: TokenType[] = [
  ...[Blank, And, Or, Not, In, Word, Text, OpenText],
  ...[Equal, NotEqual, Opening, Closing, ListStart, ListEnd, Comma, Stray],
];

export const conditionLexer = new Lexer(conditionTokens, {
  positionTracking: "onlyOffset",
  ensureOptimizations: false,
});
