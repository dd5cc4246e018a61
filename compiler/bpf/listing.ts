// The program as a reviewer reads it: one instruction a line, and how evenly it spreads clients
// over workers when it is simulated.

import { bindWorkers, type Instruction } from "./instruction.ts";
import { headerOf } from "./reuseport.ts";
import { simulate } from "./simulate.ts";

const WORKER_COUNTS = [2, 4, 8, 16];

/** Clients whose spread is shown; consecutive addresses are what a weak hash spreads worst. */
const SAMPLES: readonly { readonly name: string; readonly address: (n: number) => number[] }[] = [
  { name: "10.0.0.0/20", address: (n) => [10, 0, n >> 8, n & 255] },
  { name: "every .1 of 10.0.0.0/12", address: (n) => [10, n >> 8, n & 255, 1] },
  { name: "2001:db8::/116", address: (n) => ipv6(0, n) },
  { name: "::1 of 4096 /64 networks", address: (n) => ipv6(n, 1) },
];
const SAMPLE_ADDRESSES = 4096;

/** 2001:db8:0:`network`::`host`. */
function ipv6(network: number, host: number): number[] {
  const zeros = Array.from({ length: 6 }, () => 0);
  const split = (value: number): number[] => [value >> 8, value & 255];
  return [0x20, 1, 0x0d, 0xb8, 0, 0, ...split(network), ...zeros, ...split(host)];
}

/** The listing of a program, for people. */
export function printListing(program: readonly Instruction[]): string {
  const width = Math.max(...program.flatMap(({ labels }) => labels.map(({ length }) => length)));
  const lines = program.flatMap(({ labels, text }) => {
    const before = labels.slice(0, -1).map((name) => `${name}:`);
    const last = labels.at(-1);
    const head = last === undefined ? "" : `${last}:`;
    return [...before, `${head.padEnd(width + 2)}${text}`];
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** A table of the least and the most loaded worker, in per cent of an even share. */
export function printSpread(program: readonly Instruction[]): string {
  const width = Math.max(...SAMPLES.map(({ name }) => name.length));
  const rows = SAMPLES.map(({ name, address }) => {
    const headers = Array.from({ length: SAMPLE_ADDRESSES }, (_, n) =>
      headerOf(Uint8Array.from(address(n))),
    );
    const cells = WORKER_COUNTS.map((workers) => spreadOf(program, headers, workers));
    return [name.padEnd(width), ...cells];
  });
  const head = ["".padEnd(width), ...WORKER_COUNTS.map((count) => `${count} workers`.padStart(10))];
  return [head, ...rows].map((cells) => `${cells.join("  ")}\n`).join("");
}

function spreadOf(
  program: readonly Instruction[],
  headers: readonly Uint8Array[],
  workers: number,
): string {
  const bound = bindWorkers(program, workers);
  const counts = Array.from({ length: workers }, () => 0);
  for (const header of headers) counts[simulate(bound, header)]!++;
  const [least, most] = [Math.min(...counts), Math.max(...counts)].map((count) =>
    Math.round((count * workers * 100) / headers.length),
  );
  return `${least}-${most} %`.padStart(10);
}
