// Blocks of addresses, and addresses, as words of 32 bits.

import type { AddressBlockIr } from "./ir.ts";

/** Whether an address of one word, or of four, is in the block. */
export function blockHolds(block: AddressBlockIr, address: readonly number[]): boolean {
  if (address.length !== block.words.length) return false;
  return block.words.every((word, index) => {
    const bits = Math.max(0, Math.min(32, block.prefixBits - index * 32));
    return bits === 0 || word >>> (32 - bits) === address[index]! >>> (32 - bits);
  });
}
