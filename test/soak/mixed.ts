// Minutes of mixed load: memory and descriptors must stay flat, and no error may be logged.
//
//   node test/run.mjs --run test/soak/mixed.ts [MINUTES] [SEED]

import assert from "node:assert/strict";
import { runMixedLoad } from "../lib/mixed-load.ts";

const SAMPLES_A_MINUTE = 4;
/** What samples at the end may be above those of the second fifth: a collector is at work. */
const GROWTH_KIB_MAX = 24 * 1024;
const GROWTH_FILES_MAX = 64;

const minutes = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 32);
console.log(`${minutes} minutes of mixed load; replay: test/soak/mixed.ts ${minutes} ${seed}`);

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const count = Math.max(10, Math.round(minutes * SAMPLES_A_MINUTE));
const { done, samples } = await runMixedLoad(seed, minutes * 60, count, (sample) => {
  console.log(`${(sample.rssKib / 1024).toFixed(1)} MiB, ${sample.openFiles} descriptors`);
});
console.table(done);
const fifth = Math.floor(samples.length / 5);
const early = samples.slice(fifth, 2 * fifth);
const late = samples.slice(-fifth);
for (const [name, key, limit] of [
  ["resident KiB", "rssKib", GROWTH_KIB_MAX],
  ["descriptors", "openFiles", GROWTH_FILES_MAX],
] as const) {
  const before = mean(early.map((sample) => sample[key]));
  const after = mean(late.map((sample) => sample[key]));
  console.log(
    `${name}: ${before.toFixed(0)} after a fifth of the time, ${after.toFixed(0)} at the end`,
  );
  assert.ok(after - before < limit, `${name} grow`);
}
console.log("flat; nothing leaked, no error in the log");
