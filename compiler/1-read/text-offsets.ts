// Where each character of a TOML string stands in the file: strings in double quotes have escapes,
// those of several lines begin behind their first line break.

/**
 * For each UTF-16 code unit of the string's value, and for its end, the offset in `raw`, which is
 * the string with its quotes as smol-toml has accepted it.
 */
export function textOffsets(raw: string): number[] {
  const quote = raw[0]!;
  const isLong = raw.length >= 6 && raw.startsWith(quote.repeat(3));
  const end = raw.length - (isLong ? 3 : 1);
  let at = isLong ? 3 + (/^\r?\n/.exec(raw.slice(3))?.[0].length ?? 0) : 1;
  const offsets: number[] = [];
  while (at < end) {
    if (quote !== '"' || raw[at] !== "\\") {
      offsets.push(at++);
      continue;
    }
    const { length, units } = escapeAt(raw, at);
    for (let unit = 0; unit < units; unit++) offsets.push(at);
    at += length;
  }
  return [...offsets, end];
}

const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** How long an escape is, and how many code units it stands for. */
function escapeAt(raw: string, at: number): { length: number; units: number } {
  const digits = HEX_DIGITS[raw[at + 1]!];
  if (digits !== undefined) {
    const code = Number.parseInt(raw.slice(at + 2, at + 2 + digits), 16);
    return { length: 2 + digits, units: code > 0xffff ? 2 : 1 };
  }
  // At a line's end it takes away the blanks up to the next character.
  const gap = /^\\[ \t]*\r?\n\s*/.exec(raw.slice(at));
  return gap === null ? { length: 2, units: 1 } : { length: gap[0].length, units: 0 };
}
