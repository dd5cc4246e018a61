// The one way generated text is made: a tagged template that quotes every plain value. A value of
// the configuration can therefore never become code; only `Name` and `Code` pass as they are.

/** Lines of generated code keep within this many columns where they can be broken. */
export const COLUMNS_MAX = 100;

/** An identifier, checked. */
export class Name {
  readonly text: string;

  constructor(text: string) {
    if (!/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(text)) throw new Error(`not an identifier: ${text}`);
    this.text = text;
  }
}

/**
 * What lines are made from: a table, as the IR calls it, and a key below it. The names of settings
 * are those of the configuration, and an address in a list is named by its normal form.
 */
export type Origin = readonly [table: string, ...key: (string | number)[]];

/** Lines of a text, both counted from 0 and included. */
export interface OriginLines {
  readonly first: number;
  readonly last: number;
  readonly origin: Origin;
}

/** Source text made by `code`, or joined from such. */
export class Code {
  readonly text: string;
  /** What its lines are made from, outer ones first: of two origins of a line, the inner counts. */
  readonly origins: readonly OriginLines[];

  constructor(text: string, origins: readonly OriginLines[] = []) {
    this.text = text;
    this.origins = origins;
  }
}

export type Printable = Name | Code | string | number | boolean;

/** Source text: `Name` and `Code` are inserted as they are, everything else as a literal. */
export function code(template: TemplateStringsArray, ...values: readonly Printable[]): Code {
  return concatenated(
    template.flatMap((text, index) => {
      const value = values[index];
      return value === undefined ? [text] : [text, value instanceof Code ? value : print(value)];
    }),
  );
}

/** Several lines or blocks as one text. */
export function joinCode(parts: readonly Code[], separator = "\n"): Code {
  return concatenated(parts.flatMap((part, index) => (index === 0 ? [part] : [separator, part])));
}

function concatenated(parts: readonly (Code | string)[]): Code {
  const origins: OriginLines[] = [];
  const texts: string[] = [];
  let line = 0;
  for (const part of parts) {
    const text = part instanceof Code ? part.text : part;
    if (part instanceof Code) {
      for (const { first, last, origin } of part.origins) {
        origins.push({ first: line + first, last: line + last, origin });
      }
    }
    line += lineBreaks(text);
    texts.push(text);
  }
  return new Code(texts.join(""), origins);
}

/** The same text, and what its lines are made from. */
export function from(origin: Origin, { text, origins }: Code): Code {
  if (text === "") return new Code(text);
  const last = lineBreaks(text.endsWith("\n") ? text.slice(0, -1) : text);
  return new Code(text, [{ first: 0, last, origin }, ...origins]);
}

function lineBreaks(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/** The same lines, `steps` times two columns further in. */
export function indent(block: Code, steps = 1): Code {
  return new Code(block.text.replace(/^(?=.)/gm, "  ".repeat(steps)), block.origins);
}

function print(value: Exclude<Printable, Code>): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") return printNumber(value);
  return typeof value === "boolean" ? String(value) : value.text;
}

/** A string literal in the quotes that need fewer escapes, else in double ones. */
function quote(value: string): string {
  const doubles = value.split('"').length;
  const mark = doubles > value.split("'").length ? "'" : '"';
  const inner = value.replaceAll("\\", "\\\\").replaceAll(mark, `\\${mark}`);
  return mark + escapeUnprintable(inner) + mark;
}

/** Line breaks, other controls and invisible characters as escapes; letters of all scripts stay. */
export function escapeUnprintable(text: string): string {
  return text.replace(/[^\x20-\x7e\p{L}\p{M}\p{N}\p{P}\p{S}]/gu, (character) => {
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    return short ?? `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

/** Integers from 10,000 on are grouped by three digits. */
function printNumber(value: number): string {
  const text = String(value);
  return /^\d{5,}$/.test(text) ? text.replace(/\B(?=(\d{3})+$)/g, "_") : text;
}
