// Seeded randomness: a random test that cannot be replayed proves nothing once it has failed.

import { randomInt } from "node:crypto";

/** A small fast generator (splitmix32). The same seed gives the same sequence on every machine. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** The next number, an unsigned 32-bit integer. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return this.next() % limit;
  }

  /** An integer in [min, max]. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** One of the items; the list must not be empty. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error("nothing to pick from");
    return items[this.below(items.length)] as T;
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let at = 0; at < words.length; at++) words[at] = this.next();
    return new Uint8Array(words.buffer, 0, length);
  }

  /** The bytes in pieces: many small ones, or few large ones. */
  cut(bytes: Uint8Array): Uint8Array[] {
    const most = Math.max(this.pick([10, 1000, 20_000, 300_000]), bytes.length / 500);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length)
      pieces.push(bytes.subarray(at, at + this.between(1, most)));
    return pieces;
  }
}

/** `SEED` of the environment (decimal or 0x…), else a fresh seed. */
function chooseSeed(): number {
  const text = process.env.SEED;
  if (text === undefined || text === "") return randomInt(2 ** 32);
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new Error(`SEED is not an integer: ${text}`);
  return seed >>> 0;
}

/** Runs a random test; when it fails, the error says how to replay exactly this run. */
export async function withRandom(body: (random: Random) => unknown): Promise<void> {
  const random = new Random(chooseSeed());
  try {
    await body(random);
  } catch (error) {
    // A new error: reporters print the stack, which holds the message of the time it was made.
    const message = error instanceof Error ? error.message : String(error);
    const replay = `replay: SEED=0x${random.seed.toString(16)}`;
    throw new Error(`${message}\n${replay}`, { cause: error });
  }
}
