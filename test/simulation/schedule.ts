// Virtual time: what is to happen, by when. Nothing in a simulation knows any other clock, so a run
// depends on its seed alone.

interface Entry {
  readonly time: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  /** Microseconds. */
  now = 0;
  private readonly heap: Entry[] = [];
  private order = 0;

  /** Runs `run` when `delay` microseconds have passed; what is due at one time runs in order. */
  after(delay: number, run: () => void): void {
    this.at(this.now + delay, run);
  }

  at(time: number, run: () => void): void {
    const { heap } = this;
    const entry: Entry = { time: Math.max(time, this.now), order: this.order++, run };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  /** When the next thing happens; infinity when nothing does. */
  get next(): number {
    return this.heap[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  /** Goes on to the next thing and lets it happen. */
  step(): void {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) this.sink(last);
    this.now = Math.max(this.now, first.time);
    first.run();
  }

  private sink(entry: Entry): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.time < right.time || (left.time === right.time && left.order < right.order);
}
