// Sets of client addresses, as sorted ranges, and their differences.

import {
  type AddressRange,
  type AddressSet,
  EVERY_IPV4,
  EVERY_IPV6,
  parseRange,
  subtract,
} from "../2-check/values/address-range.ts";
import { parseCidr } from "../2-check/values/cidr.ts";
import type { AddressBlockIr, RouteIr } from "../ir/ir.ts";

/** The clients a route lets in: `denied_ips` wins, an empty `allowed_ips` is everybody. */
export function clientsOf({ allowedClients, deniedClients }: RouteIr): AddressSet {
  const allowed = allowedClients.length === 0 ? [EVERY_IPV4, EVERY_IPV6] : rangesOf(allowedClients);
  return subtract(allowed, rangesOf(deniedClients));
}

export function rangesOf(blocks: readonly Pick<AddressBlockIr, "text">[]): AddressSet {
  return blocks.map(({ text }) => parseRange(text)!);
}

export function has(set: AddressSet, { version, first }: AddressRange): boolean {
  return set.some((it) => it.version === version && it.first <= first && first <= it.last);
}

/** One address of the set, as text; undefined when it is empty. */
export function anyOf(set: AddressSet): string | undefined {
  const [range] = set;
  return range === undefined ? undefined : printAddress(range.version, range.first);
}

/** Of more blocks than this, the rest is counted. */
const BLOCKS_MAX = 6;

/** The set in blocks, such as `10.0.0.0/8, 192.0.2.1`. */
export function printSet(set: AddressSet): string {
  const blocks = set.flatMap(blocksOf);
  if (blocks.length === 2 && blocks[0] === "0.0.0.0/0" && blocks[1] === "::/0") return "everybody";
  const shown = blocks.slice(0, BLOCKS_MAX).join(", ");
  return blocks.length > BLOCKS_MAX ? `${shown} and ${blocks.length - BLOCKS_MAX} more` : shown;
}

/** The fewest blocks that make up a range. */
function blocksOf({ version, first, last }: AddressRange): string[] {
  const bitsMax = version === 4 ? 32 : 128;
  const blocks: string[] = [];
  for (let at = first; at <= last; ) {
    let bits = 0;
    // As large as the address is aligned, and as the range goes on.
    while (bits < bitsMax) {
      const size = 1n << BigInt(bits + 1);
      if (at % size !== 0n || at + size - 1n > last) break;
      bits++;
    }
    const text = printAddress(version, at);
    blocks.push(bits === 0 ? text : `${text}/${bitsMax - bits}`);
    at += 1n << BigInt(bits);
  }
  return blocks;
}

function printAddress(version: 4 | 6, address: bigint): string {
  if (version === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 0xffn).join(".");
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((address >> BigInt(112 - index * 16)) & 0xffffn).toString(16),
  );
  const block = parseCidr(groups.join(":"));
  return block.ok ? block.value.text : groups.join(":");
}
