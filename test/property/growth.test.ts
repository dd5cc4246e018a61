// What four times as much costs: about four times as much, where the square of it would cost
// sixteen times. Processor time is compared with processor time, so that a slow machine is no
// failure; and the best of some runs, since other work only makes a run slower.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { lowerAddresses } from "zproxy/compiler/3-lower/lower-addresses.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { unifiedDiff } from "zproxy/compiler/diff/text-diff.ts";
import { RouteTable } from "zproxy/runtime/data/route-table.ts";
import { type BigRoute, bigConfig, bigRoutes } from "../bench/big-config.ts";

const RUNS = 2;
/** Between 4 and 16; collecting garbage costs a little more when there is more of it. */
const RATIO_MAX = 9;

/** Processor milliseconds of the fastest run. */
function cost(work: () => void): number {
  const times = Array.from({ length: RUNS }, () => {
    const before = process.cpuUsage();
    work();
    const { user } = process.cpuUsage(before);
    return user / 1000;
  });
  return Math.min(...times);
}

/** `prepare` returns the work for a size, which is not part of it. */
function expectLinear(size: number, prepare: (size: number) => () => void): void {
  const [small, large] = [prepare(size), prepare(4 * size)];
  small();
  const [one, four] = [cost(small), cost(large)];
  assert.ok(one > 1, `${one} ms is too little to compare`);
  assert.ok(four / one < RATIO_MAX, `${size}: ${one} ms, four times as many: ${four} ms`);
}

function checked(text: string): void {
  const { diagnostics } = checkSource({ path: "config.toml", text });
  assert.ok(!diagnostics.some(({ severity }) => severity === "error"));
}

const HEAD = '[server]\nlisten = "0.0.0.0:80"\n';

function addresses(count: number, network: number): string[] {
  return Array.from({ length: count }, (_, at) => `${network}.${at >> 8}.${at & 0xff}.1`);
}

test("10,000 routes are checked and compiled in four times the time of 2,500", () => {
  expectLinear(50, (hosts) => {
    const text = bigConfig({ label: "", hosts, prefixes: 50 });
    return () => assert.ok(compile({ path: "config.toml", text }).files.length > 0);
  });
});

test("lists of addresses are checked in proportion to their length", () => {
  expectLinear(3000, (count) => {
    const [allowed, denied] = [addresses(count, 10), addresses(count, 11)];
    const lists = `allowed_ips = ${JSON.stringify(allowed)}\ndenied_ips = ${JSON.stringify(denied)}`;
    const text = `${HEAD}[host_routes."*"]\npath = "/srv"\n[host_routes."*".security]\n${lists}\n`;
    return () => checked(text);
  });
});

test("lists of addresses are lowered in proportion to their length", () => {
  expectLinear(3000, (count) => {
    const texts = addresses(count, 10);
    return () => assert.equal(lowerAddresses(texts).length, count);
  });
});

test("tests of routes are checked in proportion to their number", () => {
  expectLinear(250, (count) => {
    const each = (at: number): string => `[host_routes."a${at}"]
path = "/srv"
[[tests]]
request = "GET http://a${at}/"
expect = { route = 'host_routes.a${at}' }
`;
    const text = HEAD + Array.from({ length: count }, (_, at) => each(at)).join("");
    return () => checked(text);
  });
});

test("a request costs the same with 10,000 routes as with 100", () => {
  const LOOKUPS = 200_000;
  const lookups = (count: number) => {
    const routes = bigRoutes({ label: "", hosts: count / 50, prefixes: 50 });
    const table = new RouteTable(routes.map((it, route) => ({ ...it, route })));
    const asked = [3, 17, 41, 68, 99].map((at) => requestOf(routes[at]!));
    return () => {
      for (let round = 0; round < LOOKUPS; round++) {
        const { bytes, hostEnd } = asked[round % asked.length]!;
        table.match(bytes, 0, hostEnd, hostEnd, bytes.length);
      }
    };
  };
  const [few, many] = [lookups(100), lookups(10_000)];
  for (const warm of [few, many, few, many]) warm();
  // A hundred times as many; caches of the processor may miss a little more.
  const [one, hundred] = [cost(few), cost(many)];
  assert.ok(hundred / one < 5, `100 routes: ${one} ms, 10,000 routes: ${hundred} ms`);
});

function requestOf({ host, prefix }: BigRoute) {
  return { bytes: Buffer.from(`${host}${prefix}/below`), hostEnd: host.length };
}

test("two texts without a line in common need no memory for each edit and line", () => {
  const lines = (letter: string) =>
    Array.from({ length: 6000 }, (_, at) => `${letter}${at}\n`).join("");
  const before = process.resourceUsage().maxRSS;
  unifiedDiff("file", lines("a"), lines("b"));
  const grownMb = (process.resourceUsage().maxRSS - before) / 1024;
  assert.ok(grownMb < 150, `${grownMb} MB`);
});
