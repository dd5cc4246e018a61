// performance.reuseport_balancing = "cbpf": the program that chooses the worker of a new connection
// by the client's address alone, so that a client always meets the same one. Its result is a place
// in the group of listening sockets, which are in worker order.

import {
  alu,
  bindWorkers,
  copyToX,
  type Instruction,
  jump,
  jumpIf,
  type Line,
  label,
  load,
  NETWORK_HEADER,
  resolve,
  returnA,
} from "./instruction.ts";
import { simulate } from "./simulate.ts";

/** Where the source address lies: RFC 791 section 3.1, RFC 8200 section 3. */
const IPV4_SOURCE = NETWORK_HEADER + 12;
const IPV6_SOURCE = NETWORK_HEADER + 8;

/** Odd, with bits all over: multiplying by it carries low bits up. */
const MULTIPLIER = 0x9e3779b1;

/** A = A xor A >> bits: brings high bits down, where the remainder sees them. */
function foldDown(bits: number): Line[] {
  return [copyToX, alu("rsh", bits), alu("xor", "x")];
}

/** Takes one more word of an address into the hash in A. */
function takeWord(offset: number): Line[] {
  return [alu("mul", MULTIPLIER), copyToX, load(4, offset), alu("xor", "x")];
}

const LINES: readonly Line[] = [
  load(1, NETWORK_HEADER),
  alu("rsh", 4),
  jumpIf("eq", 6, { yes: "ipv6", no: "ipv4" }),

  // ::ffff:0:0/96 holds IPv4 addresses, which are the same clients over IPv4.
  label("ipv6"),
  load(4, IPV6_SOURCE),
  jumpIf("eq", 0, { yes: "zero", no: "words" }),
  label("zero"),
  load(4, IPV6_SOURCE + 4),
  jumpIf("eq", 0, { yes: "zeros", no: "words" }),
  label("zeros"),
  load(4, IPV6_SOURCE + 8),
  jumpIf("eq", 0xffff, { yes: "mapped", no: "words" }),
  label("mapped"),
  load(4, IPV6_SOURCE + 12),
  jump("mix"),

  label("words"),
  load(4, IPV6_SOURCE),
  ...takeWord(IPV6_SOURCE + 4),
  ...takeWord(IPV6_SOURCE + 8),
  ...takeWord(IPV6_SOURCE + 12),
  jump("mix"),

  label("ipv4"),
  load(4, IPV4_SOURCE),

  label("mix"),
  ...foldDown(16),
  alu("mul", 0x7feb352d),
  ...foldDown(15),
  alu("mul", 0x846ca68b),
  ...foldDown(16),
  alu("mod", "workers"),
  returnA,
];

/** The program; its one open operand is the number of workers. */
export const reuseportProgram: readonly Instruction[] = resolve(LINES);

/** The smallest network header with a source address: four bytes of IPv4, or sixteen of IPv6. */
export function headerOf(source: Uint8Array): Uint8Array {
  const isIpv4 = source.length === 4;
  const header = new Uint8Array(isIpv4 ? 20 : 40);
  header[0] = isIpv4 ? 0x45 : 0x60;
  header.set(source, isIpv4 ? 12 : 8);
  return header;
}

/** The worker that a client with this address meets, of `workers`. */
export function workerOf(source: Uint8Array, workers: number): number {
  return simulate(bindWorkers(reuseportProgram, workers), headerOf(source));
}
