// The grammar of conditions:
//
//   or      = and { "or" and }
//   and     = not { "and" not }
//   not     = "not" not | "(" or ")" | test
//   test    = NAME [ "(" TEXT ")" ] [ ( "==" | "!=" | [ "not" ] "in" | NAME ) value ]
//   value   = TEXT | "[" TEXT { "," TEXT } [ "," ] "]"
//
// Which names there are, and what may be compared with what, is a matter of type-check.ts.

import {
  EmbeddedActionsParser,
  type IParserErrorMessageProvider,
  type IToken,
  tokenLabel,
} from "chevrotain";
import {
  And,
  Closing,
  Comma,
  conditionLexer,
  conditionTokens,
  Equal,
  In,
  ListEnd,
  ListStart,
  Not,
  NotEqual,
  Opening,
  OpenText,
  Or,
  Stray,
  Text,
  Word,
} from "./lexer.ts";

/** A piece of the text: offsets of UTF-16 code units, `end` excluded. */
export interface Piece {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type Tree =
  | { readonly kind: "and" | "or"; readonly parts: readonly Tree[] }
  | { readonly kind: "not"; readonly part: Tree }
  | TestTree;

export interface TestTree {
  readonly kind: "test";
  readonly subject: Piece;
  /** What stands in brackets behind the subject, without its quotes. */
  readonly argument: Piece | undefined;
  readonly comparison: Comparison | undefined;
  readonly start: number;
  readonly end: number;
}

export interface Comparison {
  /** `==`, `!=`, `in`, `not in` or a name. */
  readonly operator: Piece;
  /** Texts without their quotes; their places are with them. */
  readonly values: readonly Piece[];
  readonly isList: boolean;
  readonly start: number;
  readonly end: number;
}

/** What is wrong, to be said behind "the condition cannot be read:". */
export interface SyntaxMistake {
  readonly detail: string;
  readonly hint: string;
  readonly start: number;
  readonly end: number;
}

export type Parse =
  | { readonly ok: true; readonly tree: Tree }
  | { readonly ok: false; readonly mistake: SyntaxMistake };

/** Brackets deeper than this are refused. */
const DEPTH_MAX = 64;

const TEST = 'a test such as header("x-beta") == "1"';
const AND_OR = '"and", "or" or the end';
const EXPECTED: Readonly<Record<string, string>> = {
  operator: 'an operator such as == or "in"',
  value: "a text in quotes, or a list of them in [ ]",
};

/** The parser's messages are what it expected; the rest of the sentence is made by `mistakeOf`. */
const messages: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => tokenLabel(expected),
  buildNotAllInputParsedMessage: () => AND_OR,
  buildNoViableAltMessage: ({ ruleName }) => EXPECTED[ruleName] ?? TEST,
  buildEarlyExitMessage: ({ ruleName }) => EXPECTED[ruleName] ?? TEST,
};

class ConditionParser extends EmbeddedActionsParser {
  private depth = 0;

  constructor() {
    super(conditionTokens, { maxLookahead: 1, errorMessageProvider: messages });
    this.performSelfAnalysis();
  }

  override reset(): void {
    super.reset();
    this.depth = 0;
  }

  readonly either = this.RULE("either", (): Tree => {
    const parts: Tree[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: Or, DEF: () => parts.push(this.SUBRULE(this.all)) });
    return parts.length === 1 ? parts[0]! : { kind: "or", parts };
  });

  private readonly all = this.RULE("all", (): Tree => {
    const parts: Tree[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: And, DEF: () => parts.push(this.SUBRULE(this.single)) });
    return parts.length === 1 ? parts[0]! : { kind: "and", parts };
  });

  private readonly single = this.RULE(
    "single",
    (): Tree =>
      this.OR<Tree>([
        {
          ALT: () => {
            this.CONSUME(Not);
            return { kind: "not", part: this.deeper(() => this.SUBRULE(this.single)) };
          },
        },
        {
          ALT: () => {
            this.CONSUME(Opening);
            const inner = this.deeper(() => this.SUBRULE(this.either));
            this.CONSUME(Closing);
            return inner;
          },
        },
        { ALT: () => this.SUBRULE(this.test) },
      ]),
  );

  private readonly test = this.RULE("test", (): TestTree => {
    let argument: Piece | undefined;
    let comparison: Comparison | undefined;
    const subject = this.CONSUME(Word);
    let last: IToken | undefined;
    this.OPTION(() => {
      this.CONSUME(Opening);
      const text = this.CONSUME(Text);
      last = this.CONSUME(Closing);
      argument = this.ACTION(() => textPiece(text));
    });
    this.OPTION1(() => {
      comparison = this.SUBRULE(this.comparison);
    });
    return this.ACTION(() => {
      const piece = pieceOf(subject);
      const end = comparison?.end ?? (last === undefined ? piece.end : pieceOf(last).end);
      return { kind: "test", subject: piece, argument, comparison, start: piece.start, end };
    });
  });

  private readonly comparison = this.RULE("comparison", (): Comparison => {
    const operator = this.SUBRULE(this.operator);
    const value = this.SUBRULE(this.value);
    return this.ACTION(() => ({ operator, ...value, start: operator.start }));
  });

  private readonly operator = this.RULE(
    "operator",
    (): Piece =>
      this.OR<Piece>([
        { ALT: () => pieceOf(this.CONSUME(Equal)) },
        { ALT: () => pieceOf(this.CONSUME(NotEqual)) },
        { ALT: () => pieceOf(this.CONSUME(In)) },
        {
          ALT: () => {
            const not = this.CONSUME(Not);
            const end = this.CONSUME1(In);
            return { ...pieceOf(not), text: "not in", end: pieceOf(end).end };
          },
        },
        { ALT: () => pieceOf(this.CONSUME(Word)) },
      ]),
  );

  private readonly value = this.RULE("value", (): Pick<Comparison, "values" | "isList" | "end"> => {
    const values: Piece[] = [];
    return this.OR<Pick<Comparison, "values" | "isList" | "end">>([
      {
        ALT: () => {
          const text = this.CONSUME(Text);
          return { values: [textPiece(text)], isList: false, end: pieceOf(text).end };
        },
      },
      {
        ALT: () => {
          this.CONSUME(ListStart);
          const first = this.CONSUME1(Text);
          this.ACTION(() => values.push(textPiece(first)));
          this.MANY(() => {
            this.CONSUME(Comma);
            this.OPTION(() => {
              const text = this.CONSUME2(Text);
              this.ACTION(() => values.push(textPiece(text)));
            });
          });
          const end = this.CONSUME(ListEnd);
          return { values, isList: true, end: pieceOf(end).end };
        },
      },
    ]);
  });

  /** Recursion has a limit, so that no text overflows the stack. */
  private deeper(parse: () => Tree): Tree {
    this.ACTION(() => {
      this.depth++;
      if (this.depth > DEPTH_MAX) throw new TooDeep(pieceOf(this.LA(0)));
    });
    const tree = parse();
    this.ACTION(() => this.depth--);
    return tree;
  }
}

class TooDeep extends Error {
  readonly piece: Piece;

  constructor(piece: Piece) {
    super("too deep");
    this.piece = piece;
  }
}

function pieceOf({ image, startOffset }: IToken): Piece {
  return { text: image, start: startOffset, end: startOffset + image.length };
}

/** The text between the quotes. */
function textPiece(token: IToken): Piece {
  const { text, start, end } = pieceOf(token);
  return { text: text.slice(1, -1), start, end };
}

let parser: ConditionParser | undefined;

/** Reads a condition. Never throws. */
export function parseCondition(text: string): Parse {
  parser ??= new ConditionParser();
  const { tokens } = conditionLexer.tokenize(text);
  const shouted = tokens.find((it) => it.tokenType === Word && isKeyword(it.image));
  if (shouted !== undefined) return { ok: false, mistake: shoutedMistake(shouted) };
  parser.input = tokens;
  try {
    const tree = parser.either();
    const [error] = parser.errors;
    if (error === undefined) return { ok: true, tree };
    return { ok: false, mistake: mistakeOf(text, error.token, error.message) };
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    const { start, end } = error.piece;
    const detail = `brackets are nested deeper than ${DEPTH_MAX} levels`;
    return { ok: false, mistake: { detail, hint: "simplify it", start, end } };
  }
}

function isKeyword(image: string): boolean {
  return ["and", "or", "not", "in"].includes(image.toLowerCase());
}

function shoutedMistake(token: IToken): SyntaxMistake {
  const { text, start, end } = pieceOf(token);
  const detail = `${text} is not in lower case`;
  return { detail, hint: `write ${text.toLowerCase()}`, start, end };
}

/** What people write who know other languages. */
const FOREIGN: ReadonlyMap<string, string> = new Map([
  ["&&", "and"],
  ["&", "and"],
  ["||", "or"],
  ["|", "or"],
  ["!", "not"],
  ["=", "=="],
  ["===", "=="],
  ["!==", "!="],
]);

function mistakeOf(text: string, token: IToken, expected: string): SyntaxMistake {
  if (token.image === "" || Number.isNaN(token.startOffset)) {
    const end = text.trimEnd().length;
    const detail = end === 0 ? "it is empty" : `it ends where ${expected} is expected`;
    return { detail, hint: `add ${expected}`, start: end, end };
  }
  const { start, end } = pieceOf(token);
  const place = { start, end };
  if (token.tokenType === OpenText) {
    const open = { start, end: start + 1 };
    return { detail: "the text has no closing quote", hint: `add ${token.image[0]}`, ...open };
  }
  const detail = `${token.image} stands where ${expected} is expected`;
  const word = FOREIGN.get(token.image);
  if (word !== undefined) return { detail, hint: `write ${word}`, ...place };
  const unquoted = token.tokenType === Word && expected.includes("quotes");
  if (unquoted) return { detail, hint: `write "${token.image}"`, ...place };
  const missing = expected === AND_OR ? 'write "and" or "or" between two tests' : `add ${expected}`;
  const hint = token.tokenType === Stray ? `remove ${token.image}` : missing;
  return { detail, hint, ...place };
}
