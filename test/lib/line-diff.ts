// How many lines two texts differ in, for budgets of churn.

/** Lines added plus lines removed by a shortest edit from one text to the other. */
export function changedLines(before: string, after: string): number {
  const old = before.split("\n");
  const fresh = after.split("\n");
  return old.length + fresh.length - 2 * commonLines(old, fresh);
}

/** The length of the longest common subsequence. */
function commonLines(a: readonly string[], b: readonly string[]): number {
  let row = new Uint32Array(b.length + 1);
  for (const line of a) {
    const next = new Uint32Array(b.length + 1);
    for (const [at, other] of b.entries()) {
      next[at + 1] =
        line === other
          ? (row[at] as number) + 1
          : Math.max(row[at + 1] as number, next[at] as number);
    }
    row = next;
  }
  return row[b.length] as number;
}
