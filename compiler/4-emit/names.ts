// Identifiers of the generated text, made from the IR's symbols.

import { Name } from "./text.ts";

/** The symbol as a constant, behind a prefix that says what it holds: `HOST_EXAMPLE_COM`. */
export function constant(prefix: string, symbol: string): Name {
  return new Name(prefix === "" ? symbol : `${prefix}_${symbol.replace(/^_/, "")}`);
}

/** The symbol in camel case behind a verb or noun: `matchExampleCom`. */
export function camel(prefix: string, symbol: string): Name {
  const words = symbol.split("_").map((word) => word.slice(0, 1) + word.slice(1).toLowerCase());
  return new Name(prefix + words.join(""));
}
