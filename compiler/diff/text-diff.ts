// A unified diff of two texts, by Myers' algorithm: the shortest list of removed and added lines.

/** Lines around a change that stay. */
const CONTEXT_LINES = 3;
/** Texts that differ in more lines are shown as replaced. */
const EDITS_MAX = 4000;

type Edit = { readonly sign: " " | "-" | "+"; readonly line: string };

/** "" when the texts are the same. */
export function unifiedDiff(path: string, before: string, after: string): string {
  if (before === after) return "";
  const edits = editsBetween(linesOf(before), linesOf(after));
  const hunks = hunksOf(edits).map(printHunk).join("");
  return `--- ${path}\n+++ ${path}\n${hunks}`;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function editsBetween(before: readonly string[], after: readonly string[]): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const room = Math.min(before.length, after.length) - start;
  while (end < room && before.at(-1 - end) === after.at(-1 - end)) end++;
  const old = before.slice(start, before.length - end);
  const young = after.slice(start, after.length - end);
  const keep = (line: string): Edit => ({ sign: " ", line });
  return [
    ...before.slice(0, start).map(keep),
    ...shortestEdits(old, young),
    ...before.slice(before.length - end).map(keep),
  ];
}

/** The furthest old line on each diagonal, for every number of edits so far. */
function shortestEdits(old: readonly string[], young: readonly string[]): Edit[] {
  const trace: Map<number, number>[] = [];
  let furthest = new Map<number, number>([[1, 0]]);
  for (let edits = 0; edits <= Math.min(old.length + young.length, EDITS_MAX); edits++) {
    trace.push(furthest);
    const next = new Map(furthest);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const down = isDown(furthest, diagonal, edits);
      let at = down ? furthest.get(diagonal + 1)! : furthest.get(diagonal - 1)! + 1;
      while (at < old.length && old[at] !== undefined && old[at] === young[at - diagonal]) at++;
      next.set(diagonal, at);
      if (at >= old.length && at - diagonal >= young.length) return walkBack(trace, old, young);
    }
    furthest = next;
  }
  const removed = old.map((line): Edit => ({ sign: "-", line }));
  return [...removed, ...young.map((line): Edit => ({ sign: "+", line }))];
}

/** Whether the step onto a diagonal adds a line, and does not remove one. */
function isDown(furthest: ReadonlyMap<number, number>, diagonal: number, edits: number): boolean {
  if (diagonal === -edits) return true;
  if (diagonal === edits) return false;
  return (furthest.get(diagonal - 1) ?? -1) < (furthest.get(diagonal + 1) ?? -1);
}

function walkBack(
  trace: readonly ReadonlyMap<number, number>[],
  old: readonly string[],
  young: readonly string[],
): Edit[] {
  const edits: Edit[] = [];
  let at = old.length;
  let to = young.length;
  for (let count = trace.length - 1; count >= 0; count--) {
    const furthest = trace[count]!;
    const diagonal = at - to;
    const down = isDown(furthest, diagonal, count);
    const from = down ? diagonal + 1 : diagonal - 1;
    const startAt = count === 0 ? 0 : furthest.get(from)!;
    const startTo = count === 0 ? 0 : startAt - from;
    while (
      at > startAt + (down || count === 0 ? 0 : 1) &&
      to > startTo + (down && count > 0 ? 1 : 0)
    ) {
      edits.push({ sign: " ", line: old[--at]! });
      to--;
    }
    if (count === 0) break;
    if (down) edits.push({ sign: "+", line: young[--to]! });
    else edits.push({ sign: "-", line: old[--at]! });
  }
  return edits.reverse();
}

interface Hunk {
  readonly oldStart: number;
  readonly youngStart: number;
  readonly edits: Edit[];
}

function hunksOf(edits: readonly Edit[]): Hunk[] {
  const hunks: Hunk[] = [];
  let old = 1;
  let young = 1;
  let quiet = Number.POSITIVE_INFINITY;
  for (const [index, edit] of edits.entries()) {
    if (edit.sign === " ") quiet++;
    else {
      if (quiet > CONTEXT_LINES * 2) {
        const context = edits.slice(Math.max(0, index - CONTEXT_LINES), index);
        const kept = context.length;
        hunks.push({ oldStart: old - kept, youngStart: young - kept, edits: [...context] });
      } else hunks.at(-1)!.edits.push(...edits.slice(index - quiet, index));
      hunks.at(-1)!.edits.push(edit);
      quiet = 0;
    }
    if (edit.sign !== "+") old++;
    if (edit.sign !== "-") young++;
  }
  let last = -1;
  for (const [index, edit] of edits.entries()) if (edit.sign !== " ") last = index;
  hunks.at(-1)?.edits.push(...edits.slice(last + 1, last + 1 + CONTEXT_LINES));
  for (const hunk of hunks.slice(0, -1)) hunk.edits.push(...behind(edits, hunk));
  return hunks;
}

/** The lines behind a hunk that another one follows. */
function behind(edits: readonly Edit[], hunk: Hunk): Edit[] {
  const end = edits.indexOf(hunk.edits.at(-1)!) + 1;
  return edits.slice(end, end + CONTEXT_LINES);
}

function printHunk({ oldStart, youngStart, edits }: Hunk): string {
  const count = (sign: string): number => edits.filter((edit) => edit.sign !== sign).length;
  const lines = edits.map(({ sign, line }) => `${sign}${line}\n`).join("");
  return `@@ -${oldStart},${count("+")} +${youngStart},${count("-")} @@\n${lines}`;
}
