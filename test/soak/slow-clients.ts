// Slow clients for as long as one likes, with figures.
//
//   node test/run.mjs --run test/soak/slow-clients.ts [CLIENTS] [SECONDS]

import { runSlowClients } from "../lib/slow-clients.ts";

const clients = Number(process.argv[2] ?? 2000);
const seconds = Number(process.argv[3] ?? 25);
const { grownKib, buffersInUse, answered } = await runSlowClients(clients, seconds);
console.log(`${clients} slow clients for ${seconds} s: ${(grownKib / 1024).toFixed(1)} MiB more,`);
console.log(`${buffersInUse} buffers held at most, ${answered} normal requests answered`);
