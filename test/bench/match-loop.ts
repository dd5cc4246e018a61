// The loop around a generated matcher. It is bundled together with each matcher, so that V8 sees
// one call site with one callee, as it does in a server.

import type { MatchRoute } from "../../runtime/data/api.ts";

/** Requests as the matcher takes them: four offsets into `bytes` for each. */
export interface PackedRequests {
  readonly bytes: Uint8Array;
  readonly ranges: Int32Array;
}

/** Matches all requests `repeats` times; returns nanoseconds for one match. */
export function timeMatches(
  match: MatchRoute,
  { bytes, ranges }: PackedRequests,
  repeats: number,
): number {
  let sum = 0;
  const start = process.hrtime.bigint();
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let at = 0; at < ranges.length; at += 4) {
      sum += match(bytes, ranges[at], ranges[at + 1], ranges[at + 2], ranges[at + 3]);
    }
  }
  const nanos = Number(process.hrtime.bigint() - start);
  // Looking at the sum keeps an optimiser from dropping the calls.
  if (Number.isNaN(sum)) throw new Error("a route index is not a number");
  return nanos / repeats / (ranges.length / 4);
}
