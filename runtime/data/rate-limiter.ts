// Requests of each client on each route, counted in memory that all workers share: a table of fixed
// size, in which a new client takes the place that has been idle the longest. Keys hold a hash of
// the route's name and not its index, so that the counts outlive a new configuration.
//
//   | seed | a lock for each bucket | bucket: 8 entries of 8 words | bucket | …

import type { ClientAddress } from "./api.ts";
import { mixBits } from "./hash.ts";
import { admits, MINUTE_SECS, retryAfterSecs } from "./rate-window.ts";

const SEED_WORD = 0;
const LOCKS_WORD = 1;

const ENTRY_WORDS = 8;
const BUCKET_ENTRIES = 8;
const BUCKET_WORDS = ENTRY_WORDS * BUCKET_ENTRIES;

// Words of an entry.
const ROUTE = 0;
const NETWORK_HIGH = 1;
const NETWORK_LOW = 2;
/** FREE, IPV4 or IPV6. */
const FAMILY = 3;
const MINUTE = 4;
const CURRENT = 5;
const PREVIOUS = 6;
/** Second of the last look at this entry. */
const SEEN = 7;

const FREE = 0;
const IPV4 = 4;
const IPV6 = 6;

/** 65,536 entries, 2 MiB. */
export const RATE_BUCKETS = 8192;

const LOCK_SPINS = 200;
const LOCK_WAIT_MS = 1;

/** The shared memory of a limiter. `seed` makes places in it unpredictable for clients. */
export function rateWords(bucketCount: number, seed: number): Int32Array {
  const wordCount = LOCKS_WORD + bucketCount * (1 + BUCKET_WORDS);
  const words = new Int32Array(new SharedArrayBuffer(wordCount * Int32Array.BYTES_PER_ELEMENT));
  words[SEED_WORD] = seed;
  return words;
}

/** Opens the locks that a worker held when it died. */
export function releaseLocks(words: Int32Array, owner: number): void {
  const bucketCount = bucketCountOf(words);
  for (let bucket = 0; bucket < bucketCount; bucket++)
    Atomics.compareExchange(words, LOCKS_WORD + bucket, owner + 1, 0);
}

function bucketCountOf(words: Int32Array): number {
  return (words.length - LOCKS_WORD) / (1 + BUCKET_WORDS);
}

/** A worker's hold on the shared table. */
export class RateLimiter {
  private readonly words: Int32Array;
  private readonly bucketCount: number;
  private readonly entriesStart: number;
  private readonly lockMark: number;

  /** `words` come from `rateWords`; `owner` is the worker's number. */
  constructor(words: Int32Array, owner: number) {
    this.words = words;
    this.bucketCount = bucketCountOf(words);
    this.entriesStart = LOCKS_WORD + this.bucketCount;
    this.lockMark = owner + 1;
  }

  /**
   * Counts a request of `client` at the wall clock's second `secs` and returns 0, or returns the
   * seconds after which one would pass. What is refused is not counted. An IPv6 client is its /64.
   */
  take(routeHash: number, client: ClientAddress, limit: number, secs: number): number {
    const family = client.isIpv4 ? IPV4 : IPV6;
    const high = client.isIpv4 ? 0 : client.word0;
    const low = client.isIpv4 ? client.word3 : client.word1;
    const bucket = this.bucketOf(routeHash, high, low, family);
    const lock = LOCKS_WORD + bucket;
    this.lock(lock);
    const at = this.entryOf(bucket, routeHash, high, low, family, secs);
    const wait = this.count(at, limit, secs);
    Atomics.store(this.words, lock, 0);
    return wait;
  }

  private bucketOf(route: number, high: number, low: number, family: number): number {
    let hash = this.words[SEED_WORD]! ^ family;
    hash = mixBits(hash ^ route);
    hash = mixBits(hash ^ high);
    hash = mixBits(hash ^ low);
    return (hash >>> 0) % this.bucketCount;
  }

  /** Held for some dozen instructions; a holder that has lost its CPU is waited for asleep. */
  private lock(at: number): void {
    const { words, lockMark } = this;
    for (let spins = 0; ; spins++) {
      const holder = Atomics.compareExchange(words, at, 0, lockMark);
      if (holder === 0) return;
      if (spins >= LOCK_SPINS) Atomics.wait(words, at, holder, LOCK_WAIT_MS);
    }
  }

  /**
   * The key's entry: its own, or the one that was idle the longest, emptied. Of those seen in the
   * same second the one with the fewest requests goes, so that a crowd does not free a busy client.
   */
  private entryOf(
    bucket: number,
    route: number,
    high: number,
    low: number,
    family: number,
    secs: number,
  ): number {
    const { words } = this;
    const start = this.entriesStart + bucket * BUCKET_WORDS;
    let oldest = start;
    let oldestIdle = Number.NEGATIVE_INFINITY;
    for (let at = start; at < start + BUCKET_WORDS; at += ENTRY_WORDS) {
      const free = words[at + FAMILY] === FREE;
      if (
        !free &&
        words[at + ROUTE] === route &&
        words[at + NETWORK_LOW] === low &&
        words[at + NETWORK_HIGH] === high &&
        words[at + FAMILY] === family
      )
        return at;
      const idle = free ? Number.POSITIVE_INFINITY : (secs - words[at + SEEN]!) | 0;
      const fewer = words[at + CURRENT]! < words[oldest + CURRENT]!;
      if (idle > oldestIdle || (idle === oldestIdle && fewer)) {
        oldest = at;
        oldestIdle = idle;
      }
    }
    words[oldest + ROUTE] = route;
    words[oldest + NETWORK_HIGH] = high;
    words[oldest + NETWORK_LOW] = low;
    words[oldest + FAMILY] = family;
    words[oldest + MINUTE] = Math.floor(secs / MINUTE_SECS);
    words[oldest + CURRENT] = 0;
    words[oldest + PREVIOUS] = 0;
    return oldest;
  }

  private count(at: number, limit: number, secs: number): number {
    const { words } = this;
    const minute = Math.floor(secs / MINUTE_SECS);
    let second = secs - minute * MINUTE_SECS;
    const elapsed = minute - words[at + MINUTE]!;
    if (elapsed === -1) {
      second = 0; // another worker has read the clock just after the minute's end
    } else if (elapsed !== 0) {
      words[at + PREVIOUS] = elapsed === 1 ? words[at + CURRENT]! : 0;
      words[at + CURRENT] = 0;
      words[at + MINUTE] = minute;
    }
    words[at + SEEN] = secs | 0;
    const previous = words[at + PREVIOUS]!;
    const current = words[at + CURRENT]!;
    if (!admits(previous, current, limit, second))
      return retryAfterSecs(previous, current, limit, second);
    words[at + CURRENT] = current + 1;
    return 0;
  }
}
