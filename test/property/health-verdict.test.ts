// Thresholds of health checks, beside a count over the whole history.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthVerdict } from "zproxy/runtime/control/health-check.ts";
import { ServerState, serverStateBytes } from "zproxy/runtime/data/server-state.ts";
import { withRandom } from "../lib/random.ts";

/** Whether a server is healthy after these results, read from their end. */
function expectedAfter(results: readonly boolean[], down: number, up: number): boolean {
  let healthy = true;
  for (let at = 1; at <= results.length; at++) {
    const needed = healthy ? down : up;
    const last = results.slice(Math.max(0, at - needed), at);
    if (last.length === needed && last.every((result) => result !== healthy)) healthy = !healthy;
  }
  return healthy;
}

test("only an unbroken row of results changes the state", async () => {
  await withRandom((random) => {
    for (let round = 0; round < 300; round++) {
      const [down, up] = [1 + random.below(4), 1 + random.below(4)];
      const words = new Int32Array(serverStateBytes(1) / Int32Array.BYTES_PER_ELEMENT);
      const state = new ServerState(words);
      const verdict = new HealthVerdict({ unhealthyThreshold: down, healthyThreshold: up }, state);
      const results: boolean[] = [];
      for (let index = 0; index < 40; index++) {
        const before = state.healthy;
        results.push(random.below(2) === 0);
        const changed = verdict.take(results.at(-1) === true);
        assert.equal(state.healthy, expectedAfter(results, down, up), `${results} ${down} ${up}`);
        assert.equal(changed, state.healthy !== before);
      }
    }
  });
});
