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

/** The numbers (from 1) of the lines that a shortest edit removes and adds. */
export function lineChanges(before: string, after: string): { removed: number[]; added: number[] } {
  const old = before.split("\n");
  const fresh = after.split("\n");
  // common[a][b]: common lines of what follows old[a] and fresh[b].
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(fresh.length + 1));
  for (let a = old.length - 1; a >= 0; a--) {
    for (let b = fresh.length - 1; b >= 0; b--) {
      common[a]![b] =
        old[a] === fresh[b]
          ? common[a + 1]![b + 1]! + 1
          : Math.max(common[a + 1]![b]!, common[a]![b + 1]!);
    }
  }
  const changes = { removed: [] as number[], added: [] as number[] };
  let [a, b] = [0, 0];
  while (a < old.length || b < fresh.length) {
    if (a < old.length && b < fresh.length && old[a] === fresh[b]) {
      a++;
      b++;
    } else if (b >= fresh.length || (a < old.length && common[a + 1]![b]! >= common[a]![b + 1]!)) {
      changes.removed.push(++a);
    } else changes.added.push(++b);
  }
  return changes;
}
