// Addresses as the data path reads and compares them, beside strings and big integers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import { emit } from "zproxy/compiler/4-emit/emit.ts";
import type { ClientAddress } from "zproxy/runtime/data/api.ts";
import { IpAddress } from "zproxy/runtime/data/ip-address.ts";
import { loadProgram } from "../lib/generated-program.ts";
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
