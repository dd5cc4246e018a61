// The order in which servers take turns: smooth weighted round robin, worked out once at start.
// Each turn adds every server's weight to its credit; the largest credit has the turn and pays the
// sum of all weights, so that turns of a heavy server are spread over the round.

/** Longer rounds are shortened by rounding the weights, which keeps shares within a few percent. */
const TURNS_MAX = 4096;

/** Indexes of servers, each as often as its weight says; never empty. `weights`: from 1 on. */
export function turnsOf(weights: readonly number[]): Int32Array {
  const reduced = reduce(weights);
  const total = reduced.reduce((sum, weight) => sum + weight, 0);
  const credits = new Float64Array(reduced.length);
  const turns = new Int32Array(total);
  for (let turn = 0; turn < total; turn++) {
    let best = 0;
    for (let index = 0; index < reduced.length; index++) {
      credits[index]! += reduced[index]!;
      if (credits[index]! > credits[best]!) best = index;
    }
    credits[best]! -= total;
    turns[turn] = best;
  }
  return turns;
}

function reduce(weights: readonly number[]): number[] {
  if (weights.every((weight) => weight === weights[0])) return weights.map(() => 1);
  const divisor = weights.reduce(greatestCommonDivisor);
  const total = weights.reduce((sum, weight) => sum + weight, 0) / divisor;
  if (total <= TURNS_MAX) return weights.map((weight) => weight / divisor);
  return weights.map((weight) => Math.max(1, Math.round((weight / divisor / total) * TURNS_MAX)));
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}
