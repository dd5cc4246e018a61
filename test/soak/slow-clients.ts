// Slow clients for as long as one likes, with figures.
//
//   node test/run.mjs --run test/soak/slow-clients.ts [CLIENTS] [SECONDS]

import { runSlowClients } from "../lib/slow-clients.ts";

const clients = Number(process.argv[2] ?? 2000);
const seconds = Number(process.argv[3] ?? 25);
const result = await runSlowClients(clients, seconds);
const { grownKib, buffersInUse, answered } = result;
console.log(`${clients} slow clients for ${seconds} s: ${(grownKib / 1024).toFixed(1)} MiB more,`);
console.log(`${buffersInUse} buffers held at most, ${answered} normal requests answered`);
for (const [name, times] of [
  ["without", result.timesBefore],
  ["with", result.timesMeanwhile],
] as const) {
  const [median, p99] = [0.5, 0.99].map((part) =>
    times[Math.floor(times.length * part)]!.toFixed(2),
  );
  console.log(`normal requests ${name} slow clients: ${median} ms at the median, ${p99} ms at p99`);
}
