// The limit on client connections over all workers, in memory they share: each worker counts its
// own in a word of its own, so that the main thread can give back the share of one that died.

export class ConnectionLimit {
  private readonly counts: Int32Array;
  private readonly owner: number;
  private readonly countMax: number;

  /** `counts` has a word for each worker and is shared by all; `owner` is this worker's index. */
  constructor(counts: Int32Array, owner: number, countMax: number) {
    this.counts = counts;
    this.owner = owner;
    this.countMax = countMax;
  }

  /**
   * Counts one connection more. False, and not counted: that would be too many. Two workers that
   * reach the limit at the same time may both see it passed, but never both pass it: each has
   * counted itself before it looks.
   */
  take(): boolean {
    const { counts } = this;
    Atomics.add(counts, this.owner, 1);
    let sum = 0;
    for (let worker = 0; worker < counts.length; worker++) sum += Atomics.load(counts, worker);
    if (sum <= this.countMax) return true;
    this.release();
    return false;
  }

  release(): void {
    Atomics.sub(this.counts, this.owner, 1);
  }
}
