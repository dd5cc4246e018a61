// `npm run simulate -- --seeds N [--from S]`: runs N seeds from S on, prints the first that breaks
// a rule and how to replay it, and how long it all took.

import { parseArgs } from "node:util";
import { loadSimulatedProgram, Run } from "./run.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    /** Goes on after a failure, and lists all of them. */
    all: { type: "boolean", default: false },
    /** Prints every completion and what the actors do. */
    trace: { type: "boolean", default: false },
  },
});

const count = Number(values.seeds);
const from = Number(values.from);
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(from) || from < 0) {
  console.error("usage: npm run simulate -- [--seeds N] [--from S] [--all]");
  process.exit(2);
}

const program = await loadSimulatedProgram();
const cpuBefore = process.cpuUsage();
let failures = 0;
let exchanges = 0;
let turns = 0;
let handedOver = 0;
for (let seed = from; seed < from + count; seed++) {
  try {
    const counts = new Run(program, seed, values.trace ? console.log : null).execute();
    exchanges += counts.exchanges;
    turns += counts.turns;
    handedOver += counts.handedOver;
  } catch (error) {
    failures++;
    console.log(`seed ${seed}: ${(error as Error).message}`);
    console.log(`replay: npm run simulate -- --seeds 1 --from ${seed}`);
    if (!values.all) break;
  }
}
const { user, system } = process.cpuUsage(cpuBefore);
const secs = (user + system) / 1e6;
console.log(
  `${count} seeds, ${exchanges} exchanges, ${turns} turns, ${handedOver} clients handed over, ${secs.toFixed(1)} s of CPU, ` +
    `${failures} violations`,
);
process.exitCode = failures === 0 ? 0 : 1;
