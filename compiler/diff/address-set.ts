// Sets of client addresses, as sorted ranges, and their differences.

import {
  type AddressRange,
  type AddressSet,
  EVERY_ADDRESS,
  parseRange,
  parseRanges,
  subtract,
} from "../2-check/values/address-range.ts";
import { printIp } from "../2-check/values/ip-address.ts";
import type { AddressBlockIr, RouteIr } from "../ir/ir.ts";

/** A client like any other, of a block that is kept for examples (RFC 5737). */
export const ANY_CLIENT = "192.0.2.1";
export const ANY_CLIENT_RANGE = parseRange(ANY_CLIENT)!;

/** The clients a route lets in: `denied_ips` wins, an empty `allowed_ips` is everybody. */
export function clientsOf({ allowedClients, deniedClients }: RouteIr): AddressSet {
  const allowed = allowedClients.length === 0 ? EVERY_ADDRESS : rangesOf(allowedClients);
  return subtract(allowed, rangesOf(deniedClients));
}

function rangesOf(blocks: readonly AddressBlockIr[]): AddressRange[] {
  return parseRanges(blocks.map(({ text }) => text));
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
  const bytes = Array.from({ length: version === 4 ? 4 : 16 }, (_, index) =>
    Number((address >> BigInt(8 * index)) & 0xffn),
  );
  return printIp(bytes.reverse());
}
