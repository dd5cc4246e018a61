// Names of constants in the generated text, made from config keys so that they stay the same when
// other entries come and go.

import { compareCodeUnits } from "../ir/order.ts";

interface Named {
  readonly id: string;
  /** What the name is made of. */
  readonly words: string;
}

/** Longer symbols are cut, so that a line of generated code keeps within 100 columns. */
const SYMBOL_LENGTH_MAX = 40;
const HASH_LENGTH = 8;

export interface SymbolOptions {
  readonly lengthMax?: number;
  /** Symbols that no id gets, without underscores. */
  readonly reserved?: readonly string[];
}

/**
 * One constant name for each id (ids are distinct): upper case, other characters turned into "_".
 * Names differ by more than underscores, so that their camel-case forms are distinct as well. Of
 * ids that would get the same name, the plainest keeps it, whichever came first; the others, and
 * those that would get a cut name, get a short hash of the id behind it.
 */
export function assignSymbols(
  ids: readonly Named[],
  { lengthMax = SYMBOL_LENGTH_MAX, reserved = [] }: SymbolOptions = {},
): Map<string, string> {
  const keepers = new Map<string, Named | null>(reserved.map((symbol) => [symbol, null]));
  for (const named of ids) {
    const bare = withoutUnderscores(plainSymbol(named.words));
    const other = keepers.get(bare);
    if (other === undefined || (other !== null && isPlainer(named, other)))
      keepers.set(bare, named);
  }
  const taken = new Set(keepers.keys());
  const symbols = new Map<string, string>();
  for (const { id, words } of ids) {
    const plain = plainSymbol(words);
    const keeps = keepers.get(withoutUnderscores(plain))?.id === id && plain.length <= lengthMax;
    const symbol = keeps ? plain : hashedSymbol(plain, id, taken, lengthMax);
    taken.add(withoutUnderscores(symbol));
    symbols.set(id, symbol);
  }
  return symbols;
}

/** Dots and slashes are what names are made of; every other character could as well be one. */
function isPlainer(a: Named, b: Named): boolean {
  const odd = ({ words }: Named): number => words.replace(/[A-Za-z0-9./]+/g, "").length;
  return (odd(a) - odd(b) || compareCodeUnits(a.id, b.id)) < 0;
}

function withoutUnderscores(symbol: string): string {
  return symbol.replaceAll("_", "");
}

function plainSymbol(words: string): string {
  const symbol = words
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return /^[A-Z]/.test(symbol) ? symbol : `_${symbol}`;
}

function hashedSymbol(
  plain: string,
  id: string,
  taken: ReadonlySet<string>,
  lengthMax: number,
): string {
  const start = plain.slice(0, lengthMax - HASH_LENGTH - 1);
  for (let text = id; ; text += " ") {
    const symbol = `${start}_${shortHash(text)}`;
    if (!taken.has(withoutUnderscores(symbol))) return symbol;
  }
}

/** 32-bit FNV-1a over UTF-16 code units, in hexadecimal. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(16).toUpperCase().padStart(HASH_LENGTH, "0");
}
