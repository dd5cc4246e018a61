// "Did you mean": finds the known name that a misspelt one was probably meant to be.

/** As long as this, a name that starts like another one is near to it, as "warning" to "warn". */
const PREFIX_LENGTH_MIN = 4;

/**
 * The name among `known` nearest to `name`, or undefined when none is near enough: a third of the
 * letters may differ, and letter case does not count.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  // Of a single letter nothing is left when it differs.
  const tolerated = name.length < 2 ? 0 : Math.max(1, Math.floor(name.length / 3));
  let bestDistance = tolerated + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? [...known].find((candidate) => startsLike(name, candidate));
}

function startsLike(a: string, b: string): boolean {
  if (Math.min(a.length, b.length) < PREFIX_LENGTH_MIN) return false;
  return a.startsWith(b) || b.startsWith(a);
}

/**
 * Damerau-Levenshtein distance (neighbours may be swapped, no letter is edited twice), or `limit`
 * when it is at least that.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return Math.min(last[b.length] ?? limit, limit);
}
