// The runtime's own buffer pool with an eye on it: what is free is poisoned, so that bytes used
// after their buffer was given back are wrong bytes; giving one back twice is a Violation.

import type { BufferCounts } from "zproxy/runtime/data/buffers.ts";
import { BUFFER_NONE, Buffers } from "zproxy/runtime/data/buffers.ts";
import type { Mapping } from "zproxy/runtime/native.ts";
import { Violation } from "./faults.ts";

const POISON = 0xdd;

export class CheckedBuffers extends Buffers {
  /** Set while a buffer that has been in use is free. */
  private readonly isFree: Uint8Array;

  constructor(
    arena: Mapping,
    counts: BufferCounts,
    rings: readonly Mapping[],
    ringEntries: number,
  ) {
    super(arena, counts, rings, ringEntries);
    this.isFree = new Uint8Array(counts.small + counts.multishot + counts.large);
  }

  override free(id: number): void {
    if (id !== BUFFER_NONE) {
      if (this.isFree[id] === 1) throw new Violation(`buffer ${id} is given back twice`);
      this.isFree[id] = 1;
      this.bytes.fill(POISON, this.start(id), this.limit(id));
    }
    super.free(id);
  }

  /** The base class takes some before there is anything to note. */
  protected override take(group: number): number {
    const id = super.take(group);
    if (id !== BUFFER_NONE && this.isFree !== undefined) this.isFree[id] = 0;
    return id;
  }
}
