// The program that chooses workers: what it computes, what the verifier refuses, and that the
// machine which simulates it agrees with arithmetic written down a second time. How the kernel runs
// it is seen in test/e2e/reuseport.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  alu,
  bindWorkers,
  copyToX,
  jump,
  jumpIf,
  label,
  load,
  NETWORK_HEADER,
  resolve,
  returnA,
} from "zproxy/compiler/bpf/instruction.ts";
import { reuseportProgram, workerOf } from "zproxy/compiler/bpf/reuseport.ts";
import { simulate } from "zproxy/compiler/bpf/simulate.ts";
import { verify } from "zproxy/compiler/bpf/verify.ts";
import { attachProgram } from "zproxy/runtime/control/listeners.ts";
import type { Addon } from "zproxy/runtime/native.ts";
import { type Random, withRandom } from "../lib/random.ts";

const WORKERS_MAX = 255;

/** The hash once more, in big integers. */
function expectedWorker(source: Uint8Array, workers: number): number {
  const mask = 0xffffffffn;
  const words = [];
  for (let at = 0; at < source.length; at += 4) {
    words.push(BigInt(new DataView(source.buffer, source.byteOffset).getUint32(at)));
  }
  const mapped = words.length === 4 && words[0] === 0n && words[1] === 0n && words[2] === 0xffffn;
  let hash = words[0]!;
  if (mapped) hash = words[3]!;
  else for (const word of words.slice(1)) hash = ((hash * 0x9e3779b1n) & mask) ^ word;
  hash ^= hash >> 16n;
  hash = (hash * 0x7feb352dn) & mask;
  hash ^= hash >> 15n;
  hash = (hash * 0x846ca68bn) & mask;
  hash ^= hash >> 16n;
  return Number(hash % BigInt(workers));
}

function randomSource(random: Random): Uint8Array {
  const kind = random.below(4);
  if (kind === 0) return Uint8Array.from(random.bytes(4));
  const source = Uint8Array.from(random.bytes(16));
  // Prefixes of zeros lead into every branch.
  if (kind === 1) source.fill(0, 0, 4 * (1 + random.below(3)));
  if (kind === 2) source.set([...Array(10).fill(0), 0xff, 0xff]);
  return source;
}

test("the program does what its arithmetic says, for any client and number of workers", async () => {
  await withRandom((random) => {
    for (let round = 0; round < 20_000; round++) {
      const source = randomSource(random);
      const workers = 1 + random.below(WORKERS_MAX);
      assert.equal(workerOf(source, workers), expectedWorker(source, workers), `${[...source]}`);
    }
  });
});

test("an IPv4-mapped address is the same client as the IPv4 one", async () => {
  await withRandom((random) => {
    for (let round = 0; round < 2000; round++) {
      const ipv4 = Uint8Array.from(random.bytes(4));
      const mapped = Uint8Array.from([...Array(10).fill(0), 0xff, 0xff, ...ipv4]);
      assert.equal(workerOf(mapped, 16), workerOf(ipv4, 16));
    }
  });
});

test("every number of workers gives a program that the verifier takes", () => {
  for (let workers = 1; workers <= WORKERS_MAX; workers++) {
    assert.deepEqual(verify(bindWorkers(reuseportProgram, workers)), []);
  }
  assert.match(verify(bindWorkers(reuseportProgram, 0)).join(), /division by 0/);
});

test("the verifier refuses what the kernel refuses, or what would always end with 0", () => {
  const header = load(4, NETWORK_HEADER + 12);
  const cases = [
    ["nothing at all", [], /0 instructions/],
    ["no return", [header], /does not return/],
    ["a load from the payload", [load(4, 0), returnA], /payload/],
    ["a load before the header", [load(4, NETWORK_HEADER - 4), returnA], /before the header/],
    ["a wide shift", [header, alu("rsh", 32), returnA], /shift by 32/],
    ["division by 0", [header, alu("mod", 0), returnA], /division by 0/],
    ["too long", [...Array(4096).fill(header), returnA], /4097 instructions/],
  ] as const;
  for (const [what, lines, expected] of cases) {
    assert.match(verify(bindWorkers(resolve(lines), 4)).join(), expected, what);
  }
  const [first, last] = bindWorkers(resolve([header, returnA]), 4);
  const broken = [
    [{ ...first!, code: 0xff }, /unknown code/],
    [{ ...first!, operand: -1 }, /unsigned 32-bit/],
    [{ ...first!, code: 0x05, operand: 1 }, /past the end/],
    [{ ...first!, code: 0x15, ifTrue: 1 }, /past the end/],
    [{ ...first!, code: 0x15, ifFalse: 256 }, /255/],
  ] as const;
  for (const [numbers, expected] of broken) assert.match(verify([numbers, last!]).join(), expected);
});

test("a broken program never leaves the simulated machine's bounds once it is verified", async () => {
  await withRandom((random) => {
    const header = new Uint8Array(20).fill(0x45);
    let taken = 0;
    for (let round = 0; round < 5000; round++) {
      const program = bindWorkers(reuseportProgram, 4).map((it) => ({ ...it }));
      const victim = random.pick(program);
      const field = random.pick(["code", "ifTrue", "ifFalse", "operand"] as const);
      victim[field] = random.pick([0, 1, 5, 6, 0x15, 255, 0xfff00000, random.below(256)]);
      if (verify(program).length > 0) continue;
      taken++;
      const result = simulate(program, header);
      assert.ok(Number.isInteger(result) && result >= 0 && result <= 0xffffffff, `${result}`);
    }
    assert.ok(taken > 100, `${taken} programs ran`);
  });
});

test("labels must be there, once, and ahead", () => {
  const missing = () => resolve([jump("nowhere"), returnA]);
  assert.throws(missing, /no label is called nowhere/);
  assert.throws(() => resolve([label("a"), label("a"), returnA]), /two labels/);
  assert.throws(() => resolve([label("a"), copyToX, jump("a")]), /behind/);
  const skipping = resolve([
    jumpIf("eq", 1, { yes: "b", no: "a" }),
    label("a"),
    copyToX,
    label("b"),
    returnA,
  ]);
  assert.deepEqual(
    skipping.map(({ ifTrue, ifFalse }) => [ifTrue, ifFalse]),
    [
      [1, 0],
      [0, 0],
      [0, 0],
    ],
  );
});

test("a load outside the packet ends with 0, as in the kernel", () => {
  const program = bindWorkers(resolve([load(4, NETWORK_HEADER + 18), alu("or", 1), returnA]), 1);
  assert.equal(simulate(program, new Uint8Array(20).fill(0xff)), 0);
  assert.equal(simulate(program, new Uint8Array(22).fill(0xff)), 0xffffffff);
});

test("a kernel that refuses the program is a reason to say, not an error", () => {
  const addon = (result: number) => ({ attachFilter: () => result }) as unknown as Addon;
  const listeners = { ofWorkers: [[3], [4]], urls: [], shared: false };
  const program = (workers: number) => [[0x16, 0, 0, workers]] as const;
  assert.equal(attachProgram(program, listeners, addon(0)), "");
  assert.match(attachProgram(program, listeners, addon(-92)), /errno 92; Linux 4\.6/);
});
