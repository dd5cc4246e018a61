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

/**
 * The furthest old line on each diagonal, for a number of edits: it is on every other one of them,
 * from `-edits` to `edits`. Rows of numbers alone, as there is one for each edit until the end.
 */
type Row = Int32Array;

function furthestOn(row: Row, diagonal: number): number {
  return row[(diagonal + row.length - 1) / 2]!;
}

function shortestEdits(old: readonly string[], young: readonly string[]): Edit[] {
  const rows: Row[] = [];
  for (let edits = 0; edits <= Math.min(old.length + young.length, EDITS_MAX); edits++) {
    const row = new Int32Array(edits + 1);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let at = startOn(diagonal, rows);
      while (at < old.length && old[at] !== undefined && old[at] === young[at - diagonal]) at++;
      row[(diagonal + edits) / 2] = at;
      if (at >= old.length && at - diagonal >= young.length) return walkBack(rows, old, young);
    }
    rows.push(row);
  }
  const removed = old.map((line): Edit => ({ sign: "-", line }));
  return [...removed, ...young.map((line): Edit => ({ sign: "+", line }))];
}

/** The old line where a diagonal is entered with one edit more than the rows have. */
function startOn(diagonal: number, rows: readonly Row[]): number {
  const row = rows.at(-1);
  if (row === undefined) return 0;
  const down = isDown(row, diagonal);
  return down ? furthestOn(row, diagonal + 1) : furthestOn(row, diagonal - 1) + 1;
}

/** Whether the step behind a row onto a diagonal adds a line, and does not remove one. */
function isDown(row: Row, diagonal: number): boolean {
  if (diagonal === -row.length) return true;
  if (diagonal === row.length) return false;
  return furthestOn(row, diagonal - 1) < furthestOn(row, diagonal + 1);
}

function walkBack(rows: readonly Row[], old: readonly string[], young: readonly string[]): Edit[] {
  const edits: Edit[] = [];
  let at = old.length;
  let to = young.length;
  const keep = (start: number): void => {
    for (; at > start; to--) edits.push({ sign: " ", line: old[--at]! });
  };
  for (const row of rows.toReversed()) {
    const diagonal = at - to;
    const down = isDown(row, diagonal);
    const from = furthestOn(row, down ? diagonal + 1 : diagonal - 1);
    keep(down ? from : from + 1);
    edits.push(down ? { sign: "+", line: young[--to]! } : { sign: "-", line: old[--at]! });
  }
  keep(0);
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
