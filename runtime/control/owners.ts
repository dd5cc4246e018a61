// Numbers of workers, over all generations: descriptors and shared counts are noted under them.

import { OWNER_MAX } from "../../native/abi.ts";

/** Generations that may live at once: the one that serves, and those that finish. */
const GENERATIONS_MAX = 4;

export class Owners {
  /** Numbers are below this. */
  readonly count: number;
  private readonly taken = new Set<number>();

  constructor(workerCount: number) {
    this.count = Math.min(workerCount * GENERATIONS_MAX, OWNER_MAX + 1);
  }

  hasRoom(count: number): boolean {
    return this.count - this.taken.size >= count;
  }

  /** The lowest numbers that are free; undefined: there are not enough. */
  take(count: number): number[] | undefined {
    const free = Array.from({ length: this.count }, (_, owner) => owner)
      .filter((owner) => !this.taken.has(owner))
      .slice(0, count);
    if (free.length < count) return undefined;
    for (const owner of free) this.taken.add(owner);
    return free;
  }

  /** Why so many can't be had. */
  whyNone(count: number): string {
    return count * 2 > this.count
      ? `${count} workers leave no room for the next ones beside them; that takes a restart`
      : "several earlier generations are still finishing; try again later";
  }

  giveBack(owner: number): void {
    this.taken.delete(owner);
  }
}
