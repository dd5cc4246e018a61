// The runtime's rate limiter beside a slow one that follows the definition: each decision is held
// against it, and every refusal is kept for the client that is going to see it.

import type { ClientAddress } from "zproxy/runtime/data/api.ts";
import { RateLimiter, rateWords } from "zproxy/runtime/data/rate-limiter.ts";
import { Violation } from "./faults.ts";

const BUCKETS = 64;
const MINUTE_SECS = 60;
/** By then nothing of what has been counted is left. */
const WAIT_SECS_MAX = 2 * MINUTE_SECS;

export class CheckedRateLimiter extends RateLimiter {
  /** Passed requests by route, address and minute. */
  private readonly counts = new Map<string, number>();
  /** Of each address, what it was told to wait and has not been seen to be told. */
  private readonly refusals = new Map<string, number[]>();

  /** Of each address, what has passed and has not been seen to. */
  private readonly passed = new Map<string, number>();

  /** Requests that were told to wait. */
  refusalCount = 0;

  constructor(seed: number) {
    super(rateWords(BUCKETS, seed), 0);
  }

  override take(routeHash: number, client: ClientAddress, limit: number, secs: number): number {
    const address = textOf(client);
    const key = `${routeHash} ${address}`;
    let expected = 0;
    while (expected < WAIT_SECS_MAX && !this.admits(key, limit, secs + expected)) expected++;
    const wait = super.take(routeHash, client, limit, secs);
    if (wait !== expected)
      throw new Violation(`${address} is to wait for ${wait} s, and should for ${expected} s`);
    const place = `${key} ${Math.floor(secs / MINUTE_SECS)}`;
    if (wait === 0) {
      this.counts.set(place, (this.counts.get(place) ?? 0) + 1);
      this.passed.set(address, (this.passed.get(address) ?? 0) + 1);
    } else {
      this.refusalCount++;
      this.refusals.set(address, [...(this.refusals.get(address) ?? []), wait]);
    }
    return wait;
  }

  /** Whether a request of this client has passed; each passes once. */
  seePassed(address: string): boolean {
    const left = this.passed.get(address) ?? 0;
    this.passed.set(address, left - 1);
    return left > 0;
  }

  /** Whether a client was told to wait so long; it sees it once. */
  seeRefusal(address: string, wait: number): boolean {
    const waits = this.refusals.get(address) ?? [];
    const index = waits.indexOf(wait);
    if (index < 0) return false;
    waits.splice(index, 1);
    return true;
  }

  /** previous × (60 − s)/60 + current, the request itself counted. */
  private admits(key: string, limit: number, secs: number): boolean {
    const minute = Math.floor(secs / MINUTE_SECS);
    const previous = this.counts.get(`${key} ${minute - 1}`) ?? 0;
    const current = this.counts.get(`${key} ${minute}`) ?? 0;
    return (previous * (MINUTE_SECS - (secs % MINUTE_SECS))) / MINUTE_SECS + current + 1 <= limit;
  }
}

function textOf({ isIpv4, word3 }: ClientAddress): string {
  if (!isIpv4) throw new Violation("a client has an IPv6 address here");
  return [24, 16, 8, 0].map((shift) => (word3 >>> shift) & 0xff).join(".");
}
