// Reads the tokens of a valid TOML document into statements with spans. What the statements mean
// together is worked out in locator.ts; what their values are is known to smol-toml alone.

import { EmbeddedActionsParser, type IToken } from "chevrotain";
import { parse } from "smol-toml";
import type { Span } from "../diagnostics/span.ts";
import {
  ArrayEnd,
  ArrayHeader,
  ArrayStart,
  Comma,
  Dot,
  Equals,
  HeaderEnd,
  InlineEnd,
  InlineStart,
  isPlain,
  Key,
  Scalar,
  TableHeader,
  tomlLexer,
  tomlTokens,
} from "./toml-lexer.ts";

/** One part of a dotted key: the name without quotes, and where it stands with them. */
export interface KeyPart {
  readonly name: string;
  readonly span: Span;
}

export type ValueShape =
  | { readonly kind: "scalar"; readonly span: Span }
  | { readonly kind: "array"; readonly span: Span; readonly items: readonly ValueShape[] }
  | { readonly kind: "table"; readonly span: Span; readonly pairs: readonly Pair[] };

export interface Pair {
  readonly kind: "pair";
  readonly key: readonly KeyPart[];
  readonly value: ValueShape;
}

export interface Header {
  readonly kind: "table" | "array-item";
  readonly key: readonly KeyPart[];
  /** The whole header with its brackets. */
  readonly span: Span;
}

export type Statement = Header | Pair;

class TomlParser extends EmbeddedActionsParser {
  constructor() {
    super(tomlTokens, { maxLookahead: 1, skipValidations: false });
    this.performSelfAnalysis();
  }

  readonly document = this.RULE("document", (): Statement[] => {
    const statements: Statement[] = [];
    this.MANY(() => {
      this.OR([
        { ALT: () => statements.push(this.SUBRULE(this.header)) },
        { ALT: () => statements.push(this.SUBRULE(this.pair)) },
      ]);
    });
    return statements;
  });

  private readonly header = this.RULE("header", (): Header => {
    const start = this.OR([
      { ALT: () => this.CONSUME(ArrayHeader) },
      { ALT: () => this.CONSUME(TableHeader) },
    ]);
    const key = this.SUBRULE(this.key);
    const end = this.CONSUME(HeaderEnd);
    const kind = start.tokenType === ArrayHeader ? "array-item" : "table";
    return { kind, key, span: spanOf(start, end) };
  });

  private readonly pair = this.RULE("pair", (): Pair => {
    const key = this.SUBRULE(this.key);
    this.CONSUME(Equals);
    const value = this.SUBRULE(this.value);
    return { kind: "pair", key, value };
  });

  private readonly key = this.RULE("key", (): KeyPart[] => {
    const parts: KeyPart[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: Dot,
      DEF: () => {
        const token = this.CONSUME(Key);
        this.ACTION(() => parts.push({ name: keyName(token.image), span: spanOf(token, token) }));
      },
    });
    return parts;
  });

  private readonly value = this.RULE(
    "value",
    (): ValueShape =>
      this.OR<ValueShape>([
        { ALT: () => this.SUBRULE(this.scalar) },
        { ALT: () => this.SUBRULE(this.array) },
        { ALT: () => this.SUBRULE(this.inlineTable) },
      ]),
  );

  private readonly scalar = this.RULE("scalar", (): ValueShape => {
    const token = this.CONSUME(Scalar);
    return { kind: "scalar", span: spanOf(token, token) };
  });

  private readonly array = this.RULE("array", (): ValueShape => {
    const items: ValueShape[] = [];
    const start = this.CONSUME(ArrayStart);
    this.MANY(() => {
      items.push(this.SUBRULE(this.value));
      this.OPTION(() => this.CONSUME(Comma));
    });
    const end = this.CONSUME(ArrayEnd);
    return { kind: "array", span: spanOf(start, end), items };
  });

  private readonly inlineTable = this.RULE("inlineTable", (): ValueShape => {
    const pairs: Pair[] = [];
    const start = this.CONSUME(InlineStart);
    this.MANY(() => {
      pairs.push(this.SUBRULE(this.pair));
      this.OPTION(() => this.CONSUME(Comma));
    });
    const end = this.CONSUME(InlineEnd);
    return { kind: "table", span: spanOf(start, end), pairs };
  });
}

function spanOf(first: IToken, last: IToken): Span {
  return { start: first.startOffset, end: last.startOffset + last.image.length };
}

/** The name a key token means. Only quoted keys with escapes need reading, and smol-toml reads. */
export function keyName(image: string): string {
  const quote = image[0];
  if (quote !== '"' && quote !== "'") return image;
  if (quote === "'" || !image.includes("\\")) return image.slice(1, -1);
  return String(parse(`key = ${image}`).key);
}

/**
 * smol-toml cuts dates by counting characters and leaves some to `new Date`, which reads more than
 * TOML has: in `[1979-05-,7]` it sees one item. Behind such a date the two disagree on where things
 * stand, so the text is refused.
 */
export class OddDate extends Error {
  readonly span: Span;

  constructor(span: Span) {
    super("a date that is none in TOML");
    this.span = span;
  }
}

const TIME = String.raw`\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?`;
const DATE = new RegExp(
  String.raw`^(?:${TIME}|\d{4}-\d{2}-\d{2}(?:[Tt ]${TIME}(?:[Zz]|[-+]\d{2}:\d{2})?)?)$`,
);

/** What smol-toml takes for a date: it begins like one, or has what no number or word has. */
const LIKE_DATE = /^\d{4}-|^\d{2}:|[^\w.+-]/;

function refuseOddDate(tokens: readonly IToken[]): void {
  const odd = tokens.find(
    ({ tokenType, image }) => isPlain(tokenType) && LIKE_DATE.test(image) && !DATE.test(image),
  );
  if (odd !== undefined) throw new OddDate(spanOf(odd, odd));
}

let parser: TomlParser | undefined;

/**
 * The statements of a document that smol-toml accepts, in order. Throws an `OddDate` for what is
 * accepted and is no TOML; and when the text cannot be cut into statements, which is a mistake in
 * this folder.
 */
export function parseStatements(text: string): Statement[] {
  parser ??= new TomlParser();
  // A byte order mark is allowed at the start; a blank in its place keeps all offsets.
  const { tokens, errors } = tomlLexer.tokenize(text.replace(/^\uFEFF/, " "));
  refuseOddDate(tokens);
  const lexerError = errors[0];
  if (lexerError !== undefined) throw new Error(`TOML lexer: ${lexerError.message}`);
  parser.input = tokens;
  const statements = parser.document();
  const parserError = parser.errors[0];
  if (parserError !== undefined) throw new Error(`TOML parser: ${parserError.message}`);
  return statements;
}
