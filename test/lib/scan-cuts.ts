// Scans of input that is not all here yet, beside a reference: at every cut, or at a few random
// ones of a long input.

import assert from "node:assert/strict";
import type { Random } from "./random.ts";

const CUTS_MAX = 120;

/** All lengths a text may be cut to when it is short, otherwise random ones and the last few. */
export function cutsOfText(text: string, random: Random): number[] {
  const all = Array.from({ length: text.length }, (_, cut) => cut);
  if (all.length <= CUTS_MAX) return all;
  const chosen = Array.from({ length: CUTS_MAX }, () => random.below(text.length));
  return [...chosen, ...all.slice(-5)];
}

/**
 * Compares verdicts at cuts. The scan may see later than the reference that a text can't become
 * valid, though not later than the end of the line that is wrong; nothing else may differ.
 */
export function expectSameAtCuts(
  text: string,
  cuts: readonly number[],
  scan: (text: string) => string,
  reference: (text: string) => string,
): void {
  for (const cut of cuts) {
    const beginning = text.slice(0, cut);
    const expected = reference(beginning);
    const found = scan(beginning);
    if (found === expected) continue;
    const late = found === "incomplete" && reference(wholeLines(beginning)) === "incomplete";
    assert.ok(late, `${expected} expected, ${found} found at ${JSON.stringify(beginning)}`);
  }
}

function wholeLines(text: string): string {
  return text.slice(0, text.lastIndexOf("\n") + 1);
}
