// A map from byte strings to small integers that is filled at start and looked up with ranges of a
// buffer: no string is made for a lookup. Open addressing, linear probing, at most half full.

import { hashBytes } from "./hash.ts";

const EMPTY = -1;

export class ByteMap {
  private hashes: Int32Array;
  private values: Int32Array;
  private keys: (Uint8Array | null)[];
  private mask: number;
  size = 0;

  constructor() {
    this.mask = 15;
    this.hashes = new Int32Array(16);
    this.values = new Int32Array(16).fill(EMPTY);
    this.keys = new Array<Uint8Array | null>(16).fill(null);
  }

  /** Adds or replaces; `value` must be >= 0. */
  set(key: Uint8Array, value: number): void {
    if ((this.size + 1) * 2 > this.mask + 1) this.grow();
    const hash = hashBytes(key, 0, key.length, 0);
    let at = hash & this.mask;
    while (this.values[at] !== EMPTY && !this.isAt(at, hash, key, 0, key.length))
      at = (at + 1) & this.mask;
    if (this.values[at] === EMPTY) this.size++;
    this.hashes[at] = hash;
    this.keys[at] = key;
    this.values[at] = value;
  }

  /** The value of `bytes[start, end)`, or -1. */
  get(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, 0);
    let at = hash & this.mask;
    while (this.values[at] !== EMPTY) {
      if (this.isAt(at, hash, bytes, start, end)) return this.values[at]!;
      at = (at + 1) & this.mask;
    }
    return EMPTY;
  }

  private isAt(at: number, hash: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.hashes[at] !== hash) return false;
    const key = this.keys[at]!;
    const length = end - start;
    if (key.length !== length) return false;
    for (let index = 0; index < length; index++)
      if (key[index] !== bytes[start + index]) return false;
    return true;
  }

  private grow(): void {
    const { keys, values } = this;
    const slots = (this.mask + 1) * 2;
    this.mask = slots - 1;
    this.hashes = new Int32Array(slots);
    this.values = new Int32Array(slots).fill(EMPTY);
    this.keys = new Array<Uint8Array | null>(slots).fill(null);
    this.size = 0;
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at];
      if (key) this.set(key, values[at]!);
    }
  }
}
