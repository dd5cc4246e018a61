// Names of constants in the generated text, made from config keys so that they stay the same when
// other entries come and go.

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
 * Names differ by more than underscores, so that their camel-case forms are distinct as well. Ids
 * that would get the same name or a cut one get a short hash of the id behind it; all of them, so
 * that a name does not depend on which came first.
 */
export function assignSymbols(
  ids: readonly { id: string; words: string }[],
  { lengthMax = SYMBOL_LENGTH_MAX, reserved = [] }: SymbolOptions = {},
): Map<string, string> {
  const uses = new Map<string, number>(reserved.map((symbol) => [symbol, 1]));
  for (const { words } of ids) {
    const bare = withoutUnderscores(plainSymbol(words));
    uses.set(bare, (uses.get(bare) ?? 0) + 1);
  }
  const taken = new Set(uses.keys());
  const symbols = new Map<string, string>();
  for (const { id, words } of ids) {
    const plain = plainSymbol(words);
    const unique = uses.get(withoutUnderscores(plain)) === 1 && plain.length <= lengthMax;
    const symbol = unique ? plain : hashedSymbol(plain, id, taken, lengthMax);
    taken.add(withoutUnderscores(symbol));
    symbols.set(id, symbol);
  }
  return symbols;
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
