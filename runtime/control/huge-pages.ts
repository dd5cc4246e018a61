// What `huge_pages_enabled` came to, in a sentence: the kernel gives what it has.

import { readFileSync } from "node:fs";
import { PAGES_HUGE, PAGES_TRANSPARENT } from "../../native/abi.ts";

export const HUGE_PAGE_BYTES = 2 << 20;

/** What a worker's buffers are on. */
export interface ArenaPages {
  /** PAGES_* of native/abi.ts. */
  readonly pages: number;
  readonly bytes: number;
}

/** One sentence for all workers, and whether it is a warning. */
export function describePages(workers: readonly ArenaPages[]): { text: string; warning: boolean } {
  const needed = workers.reduce((sum, { bytes }) => sum + Math.ceil(bytes / HUGE_PAGE_BYTES), 0);
  const reserve = `vm.nr_hugepages = ${needed} would reserve enough for all workers`;
  const huge = workers.filter(({ pages }) => pages === PAGES_HUGE).length;
  if (huge === workers.length)
    return { text: "buffers are on reserved huge pages", warning: false };
  const some = huge === 0 ? "" : `buffers of ${huge} worker(s) are on reserved huge pages, others `;
  const others = some === "" ? "buffers " : some;
  const transparent = workers.every(
    ({ pages }) => pages === PAGES_HUGE || pages === PAGES_TRANSPARENT,
  );
  if (transparent && !isSwitchedOff())
    return { text: `${others}are on transparent huge pages; ${reserve}`, warning: false };
  return { text: `${others}are on ordinary pages; ${reserve}`, warning: true };
}

/** Whether the kernel ignores the advice that it took. */
function isSwitchedOff(): boolean {
  try {
    return readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "latin1").includes(
      "[never]",
    );
  } catch {
    return true;
  }
}
