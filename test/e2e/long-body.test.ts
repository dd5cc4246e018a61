// Memory stays flat while a long body streams through; test/soak/long-body.ts does it with 10 GiB.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DIRECTIONS, GROWN_KIB_MAX, moveLongBody } from "../lib/long-body.ts";

const BYTES = 128 << 20;

for (const direction of DIRECTIONS) {
  test(`${BYTES >> 20} MiB ${direction}`, async () => {
    const grown = await moveLongBody(direction, BYTES);
    assert.ok(grown < GROWN_KIB_MAX, `${grown} KiB`);
  });
}
