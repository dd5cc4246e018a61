// Client addresses said as plainly as possible, over strings and big integers: what is an address,
// what lies in a block, and who is behind a chain of proxies.

import type { Random } from "./random.ts";

/** Both versions in one number space: IPv4 is where its IPv4-mapped form is. */
const IPV4_BASE = 0xffff_0000_0000n;

/** The address as a number of 128 bits, or undefined for a text that is none. */
export function referenceAddress(text: string): bigint | undefined {
  const ipv4 = referenceIpv4(text);
  return ipv4 === undefined ? referenceIpv6(text) : IPV4_BASE + ipv4;
}

function referenceIpv4(text: string): bigint | undefined {
  const octet = "(0|[1-9][0-9]{0,2})";
  const match = new RegExp(`^${octet}[.]${octet}[.]${octet}[.]${octet}$`).exec(text);
  const octets = match?.slice(1).map(Number);
  if (octets === undefined || octets.some((value) => value > 255)) return undefined;
  return octets.reduce((sum, value) => sum * 256n + BigInt(value), 0n);
}

function referenceIpv6(text: string): bigint | undefined {
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const groups = sides.map((side) => (side === "" ? [] : side.split(":")));
  const last = groups.at(-1)!;
  const tail = referenceIpv4(last.at(-1) ?? "");
  if (tail !== undefined) {
    last.splice(-1, 1, (tail >> 16n).toString(16), (tail & 0xffffn).toString(16));
  }
  const [left = [], right] = groups;
  const missing = 8 - groups.flat().length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...left, ...Array.from({ length: missing }, () => "0"), ...(right ?? [])];
  if (all.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return all.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

export function isIpv4(address: bigint): boolean {
  return address >> 32n === IPV4_BASE >> 32n;
}

/** Whether a block, as the configuration writes it, holds the address. */
export function blockHolds(block: string, address: bigint): boolean {
  const [text, bits] = block.split("/") as [string, string | undefined];
  const first = referenceAddress(text)!;
  const wholeBits = text.includes(":") ? 128 : 32;
  const shift = BigInt(bits === undefined ? 0 : wholeBits - Number(bits));
  // All of IPv6 (::/0) holds no IPv4 address, mapped or not.
  if (isIpv4(first) !== isIpv4(address)) return false;
  return first >> shift === address >> shift;
}

/** Whether rules of a route let the address through: deny before allow. */
export function referenceAllows(
  denied: readonly string[],
  allowed: readonly string[],
  address: bigint,
): boolean {
  if (denied.some((block) => blockHolds(block, address))) return false;
  return allowed.length === 0 || allowed.some((block) => blockHolds(block, address));
}

/**
 * The client of a request: the peer, or the right-most address of the X-Forwarded-For values that
 * is not a trusted proxy's, read as far as trusted proxies vouch for it.
 */
export function referenceClient(
  peer: bigint,
  forwardedFor: readonly string[],
  trusted: readonly string[],
): bigint {
  const isTrusted = (address: bigint) => trusted.some((block) => blockHolds(block, address));
  const hops = forwardedFor
    .flatMap((value) => value.split(","))
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "")
    .map(referenceAddress);
  let client = peer;
  while (isTrusted(client)) {
    const hop = hops.pop();
    if (hop === undefined) break;
    client = hop;
  }
  return client;
}

/** A few networks that addresses come from, so that they often lie in each other's blocks. */
const BASES = ["10.0.0.0", "10.1.2.3", "192.168.255.254", "255.255.255.255", "0.0.0.0"].concat([
  "2001:db8::",
  "2001:db8:0:1::ff",
  "fe80::1:2:3:4",
  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "::",
]);

/** An address near the others, in one of its spellings. */
export function randomAddress(random: Random): string {
  const base = referenceAddress(random.pick(BASES))!;
  const bits = isIpv4(base) ? 32 : 128;
  const flips = Array.from({ length: random.below(3) }, () => 1n << BigInt(random.below(bits)));
  return spellAddress(
    flips.reduce((address, bit) => address ^ bit, base),
    random,
  );
}

/** A block around such an address, without bits behind its prefix. */
export function randomBlock(random: Random): string {
  const address = referenceAddress(randomAddress(random))!;
  const wholeBits = isIpv4(address) ? 32 : 128;
  const bits = random.pick([wholeBits, wholeBits, random.below(wholeBits + 1)]);
  const shift = BigInt(wholeBits - bits);
  const whole = (address >> shift) << shift;
  if (wholeBits === 32) {
    const mapped = random.below(4) === 0;
    const first = IPV4_BASE | (whole & 0xffff_ffffn);
    return mapped ? `${groupsOf(first)}/${96 + bits}` : `${dotted(first)}/${bits}`;
  }
  return bits === 128 ? groupsOf(whole) : `${groupsOf(whole)}/${bits}`;
}

function spellAddress(address: bigint, random: Random): string {
  const kind = random.below(4);
  if (isIpv4(address) && kind > 0) return dotted(address);
  const groups = groupsOf(address);
  if (kind === 1) return groups.toUpperCase();
  if (kind === 2) return groups.replace(/(?:^|:)0:0(?::0)*(?::|$)/, "::");
  return kind === 3 ? groups : `${groups.split(":").slice(0, 6).join(":")}:${dotted(address)}`;
}

function dotted(address: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 255n).join(".");
}

/** An address's shortest form (RFC 5952): of the longest runs of zero groups the first left out. */
export function shortIpv6(address: bigint): string {
  const groups = groupsOf(address);
  for (let length = 8; length >= 2; length--) {
    const run = new RegExp(`(?:^|:)0(?::0){${length - 1}}(?::|$)`);
    if (run.test(groups)) return groups.replace(run, "::");
  }
  return groups;
}

function groupsOf(address: bigint): string {
  const shifts = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n];
  return shifts.map((shift) => ((address >> shift) & 0xffffn).toString(16)).join(":");
}
