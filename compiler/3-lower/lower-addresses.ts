// Lists of address blocks, brought into the order and form that generated code compares them in.

import assert from "node:assert/strict";
import { type CidrBlock, parseCidr } from "../2-check/values/cidr.ts";
import { blockHolds } from "../ir/address-block.ts";
import type { AddressBlockIr } from "../ir/ir.ts";

/** The bytes before an IPv4 address in its IPv4-mapped form (RFC 4291 section 2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const MAPPED_BITS = MAPPED.length * 8;

/** `texts` have passed the checks: each is an address or a block. */
export function lowerAddresses(texts: readonly string[] = []): AddressBlockIr[] {
  const kept: AddressBlockIr[] = [];
  for (const block of texts.map(lowerAddress).sort(compareBlocks)) {
    // Sorted, a block follows the one that holds it, or others that lie in the same one.
    const last = kept.at(-1);
    if (last === undefined || !holds(last, block)) kept.push(block);
  }
  return kept;
}

export function lowerAddress(text: string): AddressBlockIr {
  const block = parseCidr(text);
  assert(block.ok, `checked config has an address that is none: ${text}`);
  const { version, bytes, prefixBits } = block.value;
  if (version === 4 || !isMapped(block.value)) {
    return { version, words: wordsOf(bytes), prefixBits, text: block.value.text };
  }
  const ipv4 = bytes.slice(MAPPED.length).join(".");
  return lowerAddress(`${ipv4}/${prefixBits - MAPPED_BITS}`.replace(/\/32$/, ""));
}

function isMapped({ bytes, prefixBits }: CidrBlock): boolean {
  return prefixBits >= MAPPED_BITS && MAPPED.every((byte, index) => bytes[index] === byte);
}

function wordsOf(bytes: readonly number[]): number[] {
  const view = new DataView(Uint8Array.from(bytes).buffer);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4));
}

function compareBlocks(a: AddressBlockIr, b: AddressBlockIr): number {
  if (a.version !== b.version) return a.version - b.version;
  const at = a.words.findIndex((word, index) => word !== b.words[index]);
  return at < 0 ? a.prefixBits - b.prefixBits : a.words[at]! - b.words[at]!;
}

/** Whether every address of `inner` is in `outer`. */
function holds(outer: AddressBlockIr, inner: AddressBlockIr): boolean {
  return outer.prefixBits <= inner.prefixBits && blockHolds(outer, inner.words);
}
