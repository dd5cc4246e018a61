// A long body in each direction, with the growth of the server's memory.
//
//   node test/run.mjs --run test/soak/long-body.ts [GIBIBYTES]

import { moveLongBody } from "../lib/long-body.ts";

const gibibytes = Number(process.argv[2] ?? 10);
for (const direction of ["down", "up"] as const) {
  const grown = await moveLongBody(direction, gibibytes * 2 ** 30);
  console.log(`${gibibytes} GiB ${direction}: ${(grown / 1024).toFixed(1)} MiB more at most`);
}
