// Slow clients for as long as one likes, with figures: what they cost in memory, and what it means
// for normal requests. On a machine that is busy with other things, their ratio says nothing.
//
//   node test/run.mjs --run test/soak/slow-clients.ts [CLIENTS] [SECONDS]

import assert from "node:assert/strict";
import { runSlowClients } from "../lib/slow-clients.ts";

/** A request may wait for the bytes of as many slow clients as move at the same moment. */
const FACTOR_MAX = 5;
const SECONDS_WITHOUT = 3;

const clients = Number(process.argv[2] ?? 2000);
const seconds = Number(process.argv[3] ?? 25);
const result = await runSlowClients(clients, seconds, SECONDS_WITHOUT);
const { grownKib, buffersInUse, answered, timesWithout, timesWith } = result;
console.log(`${clients} slow clients for ${seconds} s: ${(grownKib / 1024).toFixed(1)} MiB more,`);
console.log(`${buffersInUse} buffers held at most, ${answered} normal requests answered`);
for (const [name, part] of [
  ["the median", 0.5],
  ["p99", 0.99],
] as const) {
  const [without, beside] = [timesWithout, timesWith].map(
    (times) => times[Math.floor(times.length * part)]!,
  ) as [number, number];
  const text = `normal requests at ${name}: ${without.toFixed(2)} ms without slow clients, ${beside.toFixed(2)} ms with`;
  console.log(text);
  assert.ok(beside <= without * FACTOR_MAX, text);
}
