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

/** Source text made by `code`, or joined from such. */
export class Code {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Printable = Name | Code | string | number | boolean;

/** Source text: `Name` and `Code` are inserted as they are, everything else as a literal. */
export function code(template: TemplateStringsArray, ...values: readonly Printable[]): Code {
  let text = template[0]!;
  for (const [index, value] of values.entries()) text += print(value) + template[index + 1]!;
  return new Code(text);
}

/** Several lines or blocks as one text. */
export function joinCode(parts: readonly Code[], separator = "\n"): Code {
  return new Code(parts.map(({ text }) => text).join(separator));
}

/** The same lines, `steps` times two columns further in. */
export function indent(block: Code, steps = 1): Code {
  return new Code(block.text.replace(/^(?=.)/gm, "  ".repeat(steps)));
}

function print(value: Printable): string {
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
