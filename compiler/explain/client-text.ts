// Clients as text.

import { printIp } from "../2-check/values/ip-address.ts";

/** `words` of 32 bits: one, or four. Undefined for a request that could not be read. */
export function printAddress(words: readonly number[]): string | undefined {
  if (words.length === 0) return undefined;
  return printIp(words.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff)));
}
