// The language of conditions inside of `if`: what may come next, and what each word means. Works on
// the tokens before the cursor, since what is being typed is no condition yet.

import type { IToken } from "chevrotain";
import type { KeyPath } from "../1-read/key-path.ts";
import {
  And,
  Closing,
  Comma,
  conditionLexer,
  Equal,
  In,
  ListEnd,
  ListStart,
  Not,
  NotEqual,
  Opening,
  Or,
  Text,
  Word,
} from "../2-check/condition/lexer.ts";
import type { Span } from "../diagnostics/span.ts";

/** What a word of the language means, as Markdown. */
const MEANINGS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    method: "The request's method, such as `method in ['GET', 'HEAD']`. Compared with case.",
    client:
      "The client's address, such as `client in ['10.0.0.0/8']`. Proxies that are trusted count.",
    header: "A header by name, such as `header('x-beta') == '1'`. Alone: it is there.",
    query: "A parameter of the query, decoded, such as `query('v') == '2'`. Alone: it is there.",
    cookie: "A cookie by name, such as `cookie('session')`. Alone: it is there.",
    "==": "Is one of the values equal to this?",
    "!=": "Is no value equal to this? The same as `not … == …`.",
    in: "Is one of the values in the list?",
    starts_with: "Does one of the values begin with this?",
    ends_with: "Does one of the values end with this?",
    contains: "Is this a part of one of the values?",
    and: "Both have to hold. Binds more tightly than `or`.",
    or: "One of them has to hold.",
    not: "What comes next must not hold.",
  }),
);

const SUBJECTS = ["method", "client", "header", "query", "cookie"];
const NAMED = ["header", "query", "cookie"];
/** Proposed where a method is asked for. */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const COMPARES = ["==", "!=", "in [", "not in ["];
const TEXT_COMPARES = ["starts_with", "ends_with", "contains"];
const JOINS = ["and", "or"];

export interface ConditionWord {
  readonly text: string;
  readonly meaning: string | undefined;
}

export interface ConditionChoices {
  readonly words: readonly ConditionWord[];
  /** What is typed of the word, and what a choice replaces. */
  readonly span: Span;
}

export function isCondition(path: KeyPath): boolean {
  return path.at(-1) === "if" && path.at(-3) === "when";
}

/** The part of a value in one line between its quotes; undefined for any other value. */
function inside(text: string, span: Span): Span | undefined {
  const image = text.slice(span.start, span.end);
  const quote = image[0];
  if ((quote !== '"' && quote !== "'") || image.includes("\n")) return undefined;
  if (image.startsWith(quote.repeat(3))) return undefined;
  const isClosed = image.length > 1 && image.endsWith(quote);
  return { start: span.start + 1, end: span.end - (isClosed ? 1 : 0) };
}

/** What may come at an offset of the value of an `if`; undefined where nothing is known. */
export function conditionChoices(
  text: string,
  value: Span,
  offset: number,
): ConditionChoices | undefined {
  const piece = inside(text, value);
  if (piece === undefined || offset < piece.start || offset > piece.end) return undefined;
  const before = text.slice(piece.start, offset);
  const typed = /\w*$/.exec(before)![0];
  const { tokens } = conditionLexer.tokenize(before.slice(0, before.length - typed.length));
  // The text of the value stands in one kind of quotes, so those in it are of the other.
  const quote = text[value.start] === '"' ? "'" : '"';
  const words = nextWords(tokens, quote);
  return {
    words: words.map((word) => ({ text: word, meaning: meaningOf(word) })),
    span: { start: offset - typed.length, end: offset },
  };
}

function meaningOf(choice: string): string | undefined {
  const [word = ""] = /^\w+|^\W\S/.exec(choice) ?? [];
  return MEANINGS.get(word);
}

function nextWords(tokens: readonly IToken[], quote: string): readonly string[] {
  const last = tokens.at(-1)?.tokenType;
  const subjects = SUBJECTS.map((name) => (NAMED.includes(name) ? `${name}(${quote}` : name));
  if (last === undefined || last === And || last === Or) return [...subjects, "not"];
  if (last === Not) return tokens.at(-2)?.tokenType === Word ? ["in ["] : [...subjects, "not"];
  if (last === Opening) {
    const isName = NAMED.includes(tokens.at(-2)?.image ?? "");
    return isName ? [] : [...subjects, "not"];
  }
  if (last === Word) return COMPARES.slice(0, subjectOf(tokens) === undefined ? 0 : undefined);
  if (last === Closing) {
    const isSubject =
      tokens.at(-2)?.tokenType === Text && NAMED.includes(tokens.at(-4)?.image ?? "");
    return isSubject ? [...COMPARES, ...TEXT_COMPARES, ...JOINS] : JOINS;
  }
  if (last === Text) return isInList(tokens) ? [] : JOINS;
  if (last === ListEnd) return JOINS;
  const takesValue = [Equal, NotEqual, In, ListStart, Comma].includes(last);
  if (!takesValue || subjectOf(tokens) !== "method") return [];
  const methods = METHODS.map((method) => quote + method + quote);
  return last === In ? ["["] : methods;
}

/** The last name that is one of a subject. */
function subjectOf(tokens: readonly IToken[]): string | undefined {
  const name = tokens.findLast(
    ({ tokenType, image }) => tokenType === Word && SUBJECTS.includes(image),
  );
  return name?.image;
}

function isInList(tokens: readonly IToken[]): boolean {
  const at = tokens.findLastIndex(({ tokenType }) => tokenType === ListStart);
  return at > tokens.findLastIndex(({ tokenType }) => tokenType === ListEnd);
}

/** What the word at an offset of an `if` means, and where it stands. */
export function conditionMeaning(
  text: string,
  value: Span,
  offset: number,
): { readonly text: string; readonly span: Span } | undefined {
  const piece = inside(text, value);
  if (piece === undefined) return undefined;
  const { tokens } = conditionLexer.tokenize(text.slice(piece.start, piece.end));
  for (const { image, startOffset } of tokens) {
    const span = {
      start: piece.start + startOffset,
      end: piece.start + startOffset + image.length,
    };
    const meaning = MEANINGS.get(image);
    if (meaning !== undefined && span.start <= offset && offset <= span.end) {
      return { text: `\`${image}\`: ${meaning}`, span };
    }
  }
  return undefined;
}
