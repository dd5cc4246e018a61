// Addresses as the data path reads and compares them, beside strings and big integers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import { lowerAddresses } from "zproxy/compiler/3-lower/lower-addresses.ts";
import type { OutFile } from "zproxy/compiler/4-emit/emit.ts";
import { emit } from "zproxy/compiler/4-emit/emit.ts";
import { AddressSet, type ClientAddress } from "zproxy/runtime/data/api.ts";
import { IpAddress } from "zproxy/runtime/data/ip-address.ts";
import { loadProgram } from "../lib/generated-program.ts";
import { changedLines } from "../lib/line-diff.ts";
import { type Random, withRandom } from "../lib/random.ts";
import {
  blockHolds,
  isIpv4,
  randomAddress,
  randomBlock,
  referenceAddress,
  referenceAllows,
} from "../lib/reference-address.ts";

const ADDRESSES = 20_000;
const CONFIGS = 30;
const CLIENTS = 300;

/** Reads a text from between bytes that would make it another address. */
function read(text: string, junk: string): IpAddress | undefined {
  const bytes = Buffer.from(`${junk}${text}${junk}`);
  const address = new IpAddress();
  return address.parse(bytes, junk.length, bytes.length - junk.length) ? address : undefined;
}

function numberOf(address: ClientAddress): bigint {
  const { word0, word1, word2, word3 } = address;
  const words = address.isIpv4 ? [0, 0, 0xffff, word3] : [word0, word1, word2, word3];
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
}

function mutatedAddress(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const piece = random.pick(["", ":", "::", ".", "0", "1", "256", "f", "g", "/8", "%eth0", " "]);
  return text.slice(0, at) + piece + text.slice(at + random.below(3));
}

test("an address is read as it is spelt, or not at all", () =>
  withRandom((random) => {
    let sound = 0;
    for (let round = 0; round < ADDRESSES; round++) {
      const whole = randomAddress(random);
      const text = random.below(2) === 0 ? whole : mutatedAddress(whole, random);
      const expected = referenceAddress(text);
      for (const junk of ["1", ":", "."]) {
        const found = read(text, junk);
        assert.equal(found && numberOf(found), expected, text);
        if (found && expected !== undefined) assert.equal(found.isIpv4, isIpv4(expected), text);
      }
      if (expected !== undefined) sound++;
    }
    assert.ok(sound > ADDRESSES / 2, `${sound}`);
  }));

test("words are signed, whatever the address", () => {
  const { word0, word1, word2, word3 } = read("ffff:ffff:8000::ffff:ffff", "")!;
  assert.deepEqual([word0, word1, word2, word3], [-1, -2147483648, 0, -1]);
  assert.equal(read("255.255.255.255", "")!.word3, -1);
});

function randomBlocks(random: Random): string[] {
  return Array.from({ length: random.below(7) }, () => randomBlock(random));
}

test("the compiled rules of a route decide like its lists", () =>
  withRandom(async (random) => {
    let refused = 0;
    for (let round = 0; round < CONFIGS; round++) {
      const [denied, allowed] = [randomBlocks(random), randomBlocks(random)];
      const security = { denied_ips: denied, allowed_ips: allowed };
      const route = { path: "/srv", security };
      const ir = lower({ server: { listen: "[::]:80" }, host_routes: { a: route } });
      const { allowsClient } = (await loadProgram(emit(ir))).routes[0]!;
      assert.equal(allowsClient === undefined, denied.length + allowed.length === 0);
      for (let client = 0; client < CLIENTS; client++) {
        const text = client % 2 === 0 ? randomAddress(random) : edgeOf(random, security);
        const address = referenceAddress(text)!;
        const expected = referenceAllows(denied, allowed, address);
        const context = `${text}\n${JSON.stringify(security)}`;
        assert.equal(allowsClient?.(read(text, "")!) ?? true, expected, context);
        if (!expected) refused++;
      }
    }
    assert.ok(refused > CLIENTS, `${refused}`);
  }));

/** The first address of a listed block: the one that a wrong shift would miss. */
function edgeOf(random: Random, { denied_ips, allowed_ips }: Record<string, string[]>): string {
  const blocks = [...denied_ips!, ...allowed_ips!];
  return blocks.length === 0 ? randomAddress(random) : random.pick(blocks).split("/")[0]!;
}

test("a set of addresses decides like the lists it is made of", () =>
  withRandom((random) => {
    let refused = 0;
    for (let round = 0; round < CONFIGS * 4; round++) {
      // The compiler writes IPv4-mapped blocks as what they are.
      const plain = () => randomBlocks(random).map((block) => lowerAddresses([block])[0]!.text);
      const security = { denied_ips: plain(), allowed_ips: plain() };
      const { denied_ips: denied, allowed_ips: allowed } = security;
      const set = new AddressSet([...denied.map((block) => `not ${block}`), ...allowed]);
      for (let client = 0; client < CLIENTS / 3; client++) {
        const text = client % 2 === 0 ? randomAddress(random) : edgeOf(random, security);
        const expected = referenceAllows(denied, allowed, referenceAddress(text)!);
        assert.equal(set.has(read(text, "")!), expected, `${text}\n${JSON.stringify(security)}`);
        if (!expected) refused++;
      }
    }
    assert.ok(refused > CLIENTS, `${refused}`);
  }));

const MANY = 5_000;

/** Networks of a few large ones, as lists of clients are, and addresses in them. */
function denseBlock(random: Random): string {
  if (random.below(5) === 0) {
    const groups = [random.pick(["2001:db8", "2a01:4f8"]), ...[1, 2].map(() => random.below(99))];
    return random.below(2) === 0 ? `${groups.join(":")}::/64` : `${groups.join(":")}::1`;
  }
  const octets = [random.pick([10, 10, 172, 192, 203]), ...[1, 2].map(() => random.below(256))];
  return random.below(3) === 0
    ? `${octets.join(".")}.0/24`
    : `${octets.join(".")}.${random.below(256)}`;
}

/** The first bits of the blocks, by how many: an address is held when its own are among them. */
function referenceSet(blocks: readonly string[]): (address: bigint) => boolean {
  const byBits = new Map<number, Set<bigint>>();
  for (const block of blocks) {
    const [text = "", bits] = block.split("/");
    const unused = bits === undefined ? 0 : (text.includes(":") ? 128 : 32) - Number(bits);
    const prefixes = byBits.get(unused) ?? new Set();
    byBits.set(unused, prefixes.add(referenceAddress(text)! >> BigInt(unused)));
  }
  return (address) =>
    [...byBits].some(([unused, prefixes]) => prefixes.has(address >> BigInt(unused)));
}

function routeWith(denied: readonly string[], allowed: readonly string[]): OutFile[] {
  const security = { denied_ips: [...denied], allowed_ips: [...allowed] };
  const host_routes = { a: { path: "/srv", security } };
  return emit(lower({ server: { listen: "[::]:80" }, host_routes }));
}

test("rules of thousands of blocks decide like their lists", () =>
  withRandom(async (random) => {
    const allowed = Array.from({ length: MANY }, () => denseBlock(random));
    const denied = Array.from({ length: MANY / 5 }, () => denseBlock(random));
    const [isAllowed, isDenied] = [referenceSet(allowed), referenceSet(denied)];
    const { allowsClient } = (await loadProgram(routeWith(denied, allowed))).routes[0]!;
    const counts = { true: 0, false: 0 };
    for (let client = 0; client < MANY * 2; client++) {
      const block = client % 2 === 0 ? random.pick(allowed) : denseBlock(random);
      const address = referenceAddress(block.split("/")[0]!)! + BigInt(random.between(-1, 1));
      const text = textOf(address);
      const expected = isAllowed(address) && !isDenied(address);
      assert.equal(allowsClient!(read(text, "")!), expected, text);
      counts[`${expected}`]++;
    }
    assert.ok(counts.true > MANY / 5 && counts.false > MANY / 5, JSON.stringify(counts));
  }));

function textOf(address: bigint): string {
  const shifts = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n];
  return shifts.map((shift) => ((address >> shift) & 0xffffn).toString(16)).join(":");
}

test("a block more is a line more, and no other changes", () =>
  withRandom((random) => {
    const blocks = Array.from({ length: MANY }, () => denseBlock(random));
    const before = routeWith(["198.51.100.1"], blocks);
    for (const [denied, allowed] of [
      [["198.51.100.1"], [...blocks, `198.51.100.${random.below(256)}`]],
      [["198.51.100.1", `198.51.100.${random.between(2, 255)}`], blocks],
    ] as const) {
      const after = routeWith(denied, allowed);
      const lines = after.map(({ text }, at) => changedRoughly(before[at]!.text, text));
      assert.equal(
        lines.reduce((sum, count) => sum + count),
        1,
      );
    }
  }));

/** Changed lines between the lines that both texts begin and end with. */
function changedRoughly(before: string, after: string): number {
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  while (old.length > 0 && fresh.length > 0 && old[0] === fresh[0]) {
    old.shift();
    fresh.shift();
  }
  while (old.length > 0 && fresh.length > 0 && old.at(-1) === fresh.at(-1)) {
    old.pop();
    fresh.pop();
  }
  return changedLines(["", ...old].join("\n"), ["", ...fresh].join("\n"));
}

test("the reference knows what everybody knows", () => {
  const cases: [block: string, address: string, holds: boolean][] = [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.0.0.1", true],
    ["::ffff:10.0.0.0/104", "10.9.9.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "2001:db8::1", true],
    ["::/0", "127.0.0.1", false],
    ["2001:db8::/32", "2001:db8:ffff::", true],
    ["::1", "::1", true],
  ];
  for (const [block, address, holds] of cases) {
    assert.equal(blockHolds(block, referenceAddress(address)!), holds, `${block} ${address}`);
  }
});
