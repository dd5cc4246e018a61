// A short run of what test/soak/mixed.ts does for minutes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runMixedLoad } from "../lib/mixed-load.ts";
import { withRandom } from "../lib/random.ts";

const SECONDS = 6;
const SAMPLES = 12;
/** 24 clients, two descriptors each of them may need, files, and what the server has at rest. */
const OPEN_FILES_MAX = 24 * 3 + 120;

test("files, proxying, WebSocket, errors and aborts side by side", async () => {
  await withRandom(async (random) => {
    const { done, samples } = await runMixedLoad(random.next(), SECONDS, SAMPLES);
    assert.equal(Object.keys(done).length, 13, `every job was done: ${JSON.stringify(done)}`);
    const most = Math.max(...samples.map(({ openFiles }) => openFiles));
    assert.ok(most < OPEN_FILES_MAX, `${most} descriptors`);
  });
});
