// What all threads know of an upstream server: whether checks find it healthy, and how many
// requests each worker has in flight to it. Shared memory without locks: a word has one writer.

/** The first word is not 0 while checks find the server unhealthy; the main thread writes it. */
const UNHEALTHY = 0;
/** A cache line for each writer, so that they do not slow each other down. */
const STRIDE_WORDS = 16;

/** Bytes of shared memory that the state of one server takes. */
export function serverStateBytes(workerCount: number): number {
  return (workerCount + 1) * STRIDE_WORDS * Int32Array.BYTES_PER_ELEMENT;
}

/** A view of the shared words; every thread makes its own. */
export class ServerState {
  private readonly words: Int32Array;
  private readonly workerCount: number;

  /** `words`: shared memory of `serverStateBytes(workerCount)`, zero at first. */
  constructor(words: Int32Array) {
    this.words = words;
    this.workerCount = words.length / STRIDE_WORDS - 1;
  }

  get healthy(): boolean {
    return Atomics.load(this.words, UNHEALTHY) === 0;
  }

  set healthy(healthy: boolean) {
    Atomics.store(this.words, UNHEALTHY, healthy ? 0 : 1);
  }

  /** Requests in flight, of all workers. */
  get inFlight(): number {
    const { words } = this;
    let count = 0;
    for (let worker = 1; worker <= this.workerCount; worker++)
      count += Atomics.load(words, worker * STRIDE_WORDS);
    return count;
  }

  /** Adds to the count of one worker; nobody else writes it. */
  addInFlight(worker: number, change: number): void {
    const at = (worker + 1) * STRIDE_WORDS;
    Atomics.store(this.words, at, this.words[at]! + change);
  }

  /** Takes back what a worker that died had in flight. */
  clearInFlight(worker: number): void {
    Atomics.store(this.words, (worker + 1) * STRIDE_WORDS, 0);
  }
}
