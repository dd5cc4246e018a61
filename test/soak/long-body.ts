// A long body in each direction: the server's memory must stay flat.
//
//   node test/run.mjs --run test/soak/long-body.ts [GIBIBYTES]

import assert from "node:assert/strict";
import { DIRECTIONS, GROWN_KIB_MAX, moveLongBody } from "../lib/long-body.ts";

const gibibytes = Number(process.argv[2] ?? 10);
for (const direction of DIRECTIONS) {
  const grownKib = await moveLongBody(direction, gibibytes * 2 ** 30);
  const text = `${gibibytes} GiB ${direction}: ${(grownKib / 1024).toFixed(1)} MiB more at most`;
  console.log(text);
  assert.ok(grownKib < GROWN_KIB_MAX, text);
}
