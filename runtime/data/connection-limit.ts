// The limit on client connections over all workers, in memory they share: each worker counts its
// own in a word of its own, so that the main thread can give back the share of one that died.

/** Collisions in a row after which a connection is refused, though there may be room. */
const TRIES_MAX = 100;

export class ConnectionLimit {
  private readonly counts: Int32Array;
  private readonly owner: number;
  private readonly countMax: number;

  /** `counts` has a word for each worker and is shared by all; `owner` is this worker's number. */
  constructor(counts: Int32Array, owner: number, countMax: number) {
    this.counts = counts;
    this.owner = owner;
    this.countMax = countMax;
  }

  /**
   * Counts one connection more. False, and not counted: that would be too many. Workers that reach
   * the limit at the same time may all see it passed, but never pass it: each has counted itself
   * before it looks. Whoever is the last to take back its count sees the place that is left, and
   * tries again; so a place stays empty only when that goes on TRIES_MAX times.
   */
  take(): boolean {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      this.add();
      if (this.sum() <= this.countMax) return true;
      this.release();
      if (this.sum() >= this.countMax) return false;
    }
    return false;
  }

  /** Counts one more in any case. */
  add(): void {
    Atomics.add(this.counts, this.owner, 1);
  }

  private sum(): number {
    const { counts } = this;
    let sum = 0;
    for (let worker = 0; worker < counts.length; worker++) sum += Atomics.load(counts, worker);
    return sum;
  }

  release(): void {
    Atomics.sub(this.counts, this.owner, 1);
  }
}
