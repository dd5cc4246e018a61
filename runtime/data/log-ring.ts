// Log records on their way from a worker to the main thread: a ring of bytes in shared memory with
// one writer and one reader. The writer never waits; what finds no room is dropped and counted.
//
//   | written, records in, dropped | read, records out | record | record | … | skip | record
//
// A record starts with its length in bytes, a multiple of 8, and lies in one piece: where the end
// of the ring is too near, a skip mark sends the reader to its beginning. Positions are counts of
// bytes modulo 2^32. A record can be seen only when it is whole, so that a writer which dies in the
// middle leaves nothing half behind.

// Words of the head; each side writes a cache line of its own.
const WRITTEN = 0;
const RECORDS_IN = 1;
const DROPPED = 2;
const READ = 16;
const RECORDS_OUT = 17;
const HEAD_WORDS = 32;

/** Stands where a record's length would. */
const SKIP = -1;
const RECORD_ALIGN = 8;

/** Room for each of the records that a ring is to hold; long paths take more. */
const RECORD_BYTES_USUAL = 256;
const RING_BYTES_MIN = 1 << 16;
const RING_BYTES_MAX = 1 << 28;

/** Memory for a ring of `recordsMax` records. Pages are backed when they are first used. */
export function logRingMemory(recordsMax: number): SharedArrayBuffer {
  const wanted = Math.min(RING_BYTES_MAX, recordsMax * RECORD_BYTES_USUAL);
  let bytes = RING_BYTES_MIN;
  while (bytes < wanted) bytes *= 2;
  return new SharedArrayBuffer(HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT + bytes);
}

/** What both sides know of a ring. */
class LogRing {
  readonly words: Int32Array;
  /** The same memory, for doubles: those of a record are aligned to 8 bytes. */
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
  protected readonly capacity: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.doubles = new Float64Array(memory);
    this.bytes = new Uint8Array(memory);
    this.capacity = memory.byteLength - HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT;
  }

  /** The word at which the record of a position starts. */
  protected wordOf(position: number): number {
    return HEAD_WORDS + ((position & (this.capacity - 1)) >> 2);
  }
}

export class LogRingWriter extends LogRing {
  private readonly recordsMax: number;
  private readonly onFilling: () => void;
  private written: number;
  private recordsIn: number;
  /** The reader's side as it was last looked at. */
  private read = 0;
  private recordsOut = 0;
  /** Where the reader stood when it was last told to hurry. */
  private hurriedAt = 0;
  private hurried = false;

  /** `onFilling` is called when a quarter is full, once until the reader has gone on. */
  constructor(memory: SharedArrayBuffer, recordsMax: number, onFilling: () => void) {
    super(memory);
    this.recordsMax = recordsMax;
    this.onFilling = onFilling;
    this.written = this.words[WRITTEN]!;
    this.recordsIn = this.words[RECORDS_IN]!;
    this.lookAtReader();
  }

  /**
   * The word to write a record of `length` bytes at, its first word the writer's too; -1: there is
   * no room, and the record counts as dropped. `length` is a multiple of RECORD_ALIGN.
   */
  reserve(length: number): number {
    const { capacity, words } = this;
    const left = capacity - (this.written & (capacity - 1));
    const skipped = length <= left ? 0 : left;
    if (!this.hasRoom(skipped + length)) {
      this.lookAtReader();
      if (!this.hasRoom(skipped + length)) {
        words[DROPPED] = (words[DROPPED]! + 1) | 0;
        return -1;
      }
    }
    if (skipped > 0) {
      words[this.wordOf(this.written)] = SKIP;
      this.written = (this.written + skipped) | 0;
    }
    return this.wordOf(this.written);
  }

  private hasRoom(bytes: number): boolean {
    return (
      ((this.written - this.read) | 0) + bytes <= this.capacity &&
      ((this.recordsIn - this.recordsOut) | 0) < this.recordsMax
    );
  }

  /** Lets the reader see the reserved record, whose first word is `length`. */
  publish(length: number): void {
    const { words } = this;
    this.written = (this.written + length) | 0;
    this.recordsIn = (this.recordsIn + 1) | 0;
    words[RECORDS_IN] = this.recordsIn; // the reader does not look; a writer that comes after does
    Atomics.store(words, WRITTEN, this.written);
    if (this.isFilling()) this.hurry();
  }

  private isFilling(): boolean {
    return (
      ((this.written - this.read) | 0) >= this.capacity >> 2 ||
      ((this.recordsIn - this.recordsOut) | 0) >= this.recordsMax >> 2
    );
  }

  private hurry(): void {
    this.lookAtReader();
    if (!this.isFilling() || (this.hurried && this.hurriedAt === this.read)) return;
    this.hurried = true;
    this.hurriedAt = this.read;
    this.onFilling();
  }

  private lookAtReader(): void {
    this.read = Atomics.load(this.words, READ);
    this.recordsOut = Atomics.load(this.words, RECORDS_OUT);
  }
}

export class LogRingReader extends LogRing {
  /** Records that found no room, of all times. */
  get dropped(): number {
    return this.words[DROPPED]! >>> 0;
  }

  /** The word at which the oldest record starts, or -1: there is none. */
  peek(): number {
    const { words } = this;
    const written = Atomics.load(words, WRITTEN);
    let read = words[READ]!;
    if (read === written) return -1;
    if (words[this.wordOf(read)] === SKIP) {
      read = (read + this.capacity - (read & (this.capacity - 1))) | 0;
      Atomics.store(words, READ, read);
    }
    return this.wordOf(read);
  }

  /** Gives the room of the oldest record back. */
  next(): void {
    const { words } = this;
    const read = words[READ]!;
    const length = words[this.wordOf(read)]!;
    Atomics.store(words, RECORDS_OUT, (words[RECORDS_OUT]! + 1) | 0);
    Atomics.store(words, READ, (read + length) | 0);
  }
}

/** The length of a record that holds `bytes`. */
export function recordLength(bytes: number): number {
  return (bytes + RECORD_ALIGN - 1) & -RECORD_ALIGN;
}
