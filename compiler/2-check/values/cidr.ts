// An address or a block of addresses, as access lists hold them.

import { type IpAddress, parseIp, printIp } from "./ip-address.ts";
import { type Parsed, parsed, refused } from "./parsed.ts";

export interface CidrBlock {
  readonly version: 4 | 6;
  /** The first address of the block: four or sixteen bytes, all bits after `prefixBits` zero. */
  readonly bytes: readonly number[];
  /** 0 to 32, or 0 to 128; a single address has the largest. */
  readonly prefixBits: number;
  /** False when the text had bits set after the prefix length. */
  readonly exact: boolean;
  /** The block as it should be written. */
  readonly text: string;
}

/** Reads `a.b.c.d`, `a.b.c.d/n`, an IPv6 address, or one with `/n`. */
export function parseCidr(text: string): Parsed<CidrBlock> {
  const slash = text.indexOf("/");
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (!address.ok) return address;
  const bitsMax = address.value.version === 4 ? 32 : 128;
  if (slash < 0) return parsed(block(address.value, bitsMax, bitsMax));
  const length = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > bitsMax) {
    return refused(`the prefix length is a number from 0 to ${bitsMax}`);
  }
  return parsed(block(address.value, Number(length), bitsMax));
}

function block(address: IpAddress, prefixBits: number, bitsMax: number): CidrBlock {
  const bytes = address.bytes.map((byte, index) => byte & byteMask(prefixBits - index * 8));
  const exact = bytes.every((byte, index) => byte === address.bytes[index]);
  const text = printIp(bytes);
  return {
    version: address.version,
    bytes,
    prefixBits,
    exact,
    text: prefixBits === bitsMax ? text : `${text}/${prefixBits}`,
  };
}

/** The mask of a byte whose first `bits` bits are the prefix; below 0 is none, above 8 all. */
function byteMask(bits: number): number {
  if (bits >= 8) return 0xff;
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}
