// Clients as words of 32 bits, in blocks and as text.

import type { AddressBlockIr } from "../ir/ir.ts";

export function blockHolds(block: AddressBlockIr, client: readonly number[]): boolean {
  if (client.length !== block.words.length) return false;
  return block.words.every((word, index) => {
    const bits = Math.max(0, Math.min(32, block.prefixBits - index * 32));
    return bits === 0 || word >>> (32 - bits) === client[index]! >>> (32 - bits);
  });
}

/** Undefined for a request that could not be read. */
export function printAddress(words: readonly number[]): string | undefined {
  if (words.length === 0) return undefined;
  if (words.length === 1) {
    const [word = 0] = words;
    return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join(".");
  }
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  return shortIpv6(groups.map((group) => group.toString(16)));
}

/** The first longest run of zeros left out (RFC 5952). */
function shortIpv6(groups: readonly string[]): string {
  const runs = groups.map((_, start) => {
    let end = start;
    while (groups[end] === "0") end++;
    return end - start;
  });
  const longest = Math.max(...runs);
  if (longest < 2) return groups.join(":");
  const start = runs.indexOf(longest);
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + longest).join(":")}`;
}
