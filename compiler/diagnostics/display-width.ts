// How many columns of a terminal a text takes, and how it is shown safely.

const TAB_WIDTH = 4;

/** Code points that take two columns: East Asian wide and fullwidth forms, and emoji. */
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];

const COMBINING = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** Control characters could change the terminal, and direction marks the meaning of a line. */
export function printable(text: string): string {
  let out = "";
  for (const character of text) {
    if (character !== "\t" && !CONTROL.test(character)) out += character;
    else out += `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  }
  return out;
}

/** The text with tabs expanded and control characters replaced, each by one column. */
export function expand(text: string, from = 0): string {
  let out = "";
  let column = from;
  for (const character of text) {
    const shown = expandOne(character, column);
    out += shown;
    column += width(shown);
  }
  return out;
}

function expandOne(character: string, column: number): string {
  if (character === "\t") return " ".repeat(TAB_WIDTH - (column % TAB_WIDTH));
  return CONTROL.test(character) ? "\ufffd" : character;
}

/** Columns of a text without tabs and control characters. */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += characterWidth(character);
  return columns;
}

function characterWidth(character: string): number {
  if (COMBINING.test(character)) return 0;
  const point = character.codePointAt(0) ?? 0;
  return WIDE.some(([from, to]) => point >= from && point <= to) ? 2 : 1;
}
