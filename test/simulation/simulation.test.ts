// A few hundred runs of the simulation, from a fresh seed on each time; `npm run simulate` makes
// more.

import { before, test } from "node:test";
import type { Program } from "zproxy/runtime/data/api.ts";
import { withRandom } from "../lib/random.ts";
import { loadSimulatedProgram, Run } from "./run.ts";

const SEEDS = 400;
let program: Program;

before(async () => {
  program = await loadSimulatedProgram();
});

test(`${SEEDS} simulated runs break no rule`, async () => {
  await withRandom((random) => {
    const from = random.seed >>> 1;
    for (let seed = from; seed < from + SEEDS; seed++) {
      try {
        new Run(program, seed).execute();
      } catch (error) {
        const replay = `npm run simulate -- --seeds 1 --from ${seed} --trace`;
        throw new Error(`seed ${seed}: ${(error as Error).message}\n${replay}`);
      }
    }
  });
});
