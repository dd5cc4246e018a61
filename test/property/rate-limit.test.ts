// Rate limits beside a slow reference that remembers every request, under a simulated clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientAddress } from "zproxy/runtime/data/api.ts";
import { hashText } from "zproxy/runtime/data/hash.ts";
import { IpAddress } from "zproxy/runtime/data/ip-address.ts";
import { RateLimiter, rateWords, releaseLocks } from "zproxy/runtime/data/rate-limiter.ts";
import { admits, retryAfterSecs } from "zproxy/runtime/data/rate-window.ts";
import { type Random, withRandom } from "../lib/random.ts";

const START = 1_790_000_000;
const ROUTE = hashText('path_routes."*"."/"');

function address(text: string): ClientAddress {
  const parsed = new IpAddress();
  assert.ok(parsed.parse(Buffer.from(text), 0, text.length), text);
  return parsed;
}

/** Times of the requests that one client was granted on one route. */
class ReferenceClient {
  private readonly granted: number[] = [];

  /** Two buckets of a minute each, the older one counted by its share in the last sixty seconds. */
  admits(limit: number, secs: number): boolean {
    const minute = Math.floor(secs / 60);
    const inMinute = (wanted: number) =>
      this.granted.filter((at) => Math.floor(at / 60) === wanted).length;
    const share = inMinute(minute - 1) * (60 - (secs % 60));
    return share <= (limit - inMinute(minute) - 1) * 60;
  }

  grant(secs: number): void {
    this.granted.push(secs);
  }

  /** Seconds until a request would be granted, found by trying each. */
  wait(limit: number, secs: number): number {
    let later = secs;
    while (!this.admits(limit, later)) later++;
    return later - secs;
  }
}

/** The next moment: the same second, soon, or much later. */
function nextSecs(secs: number, random: Random): number {
  return secs + random.pick([0, 0, 0, 0, 1, 1, 2, 7, random.below(60), random.below(200)]);
}

test("requests are granted and put off like the reference says", () =>
  withRandom((random) => {
    const texts = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1"];
    let refusals = 0;
    for (let round = 0; round < 60; round++) {
      const words = rateWords(64, random.next());
      const limiters = [new RateLimiter(words, 0), new RateLimiter(words, 1)];
      const routes = [ROUTE, hashText("other")].map((hash) => ({
        hash,
        limit: random.pick([1, 2, 3, 10, 59, 60, 61]),
      }));
      const clients = new Map<string, ReferenceClient>();
      let secs = START + random.below(1000);
      for (let step = 0; step < 500; step++) {
        secs = nextSecs(secs, random);
        const text = random.pick(texts);
        const { hash, limit } = random.pick(routes);
        const key = `${hash} ${text}`;
        const reference = clients.get(key) ?? new ReferenceClient();
        clients.set(key, reference);
        const expected = reference.wait(limit, secs);
        const wait = random.pick(limiters).take(hash, address(text), limit, secs);
        assert.equal(wait, expected, `${key}, ${limit} a minute, second ${secs % 60}`);
        if (wait === 0) reference.grant(secs);
        else refusals++;
      }
    }
    assert.ok(refusals > 1000, `${refusals}`);
  }));

test("after the time to wait, and not before, one request passes", () =>
  withRandom((random) => {
    for (let round = 0; round < 50_000; round++) {
      const limit = random.between(1, 100);
      const [previous, current] = [random.below(limit + 1), random.below(limit + 1)];
      const second = random.below(60);
      if (admits(previous, current, limit, second)) continue;
      const wait = retryAfterSecs(previous, current, limit, second);
      const admitsLater = (later: number): boolean => {
        const minutes = Math.floor((second + later) / 60);
        const at = (second + later) % 60;
        if (minutes === 0) return admits(previous, current, limit, at);
        return admits(minutes === 1 ? current : 0, 0, limit, at);
      };
      const context = `${previous} ${current} of ${limit} at ${second}: ${wait}`;
      assert.ok(wait > 0 && admitsLater(wait) && !admitsLater(wait - 1), context);
    }
  }));

test("an IPv6 client is its /64, an IPv4 client itself", () => {
  const limiter = new RateLimiter(rateWords(8, 1), 0);
  assert.equal(limiter.take(ROUTE, address("2001:db8::1"), 1, START), 0);
  assert.ok(limiter.take(ROUTE, address("2001:db8::ffff:2"), 1, START) > 0);
  assert.equal(limiter.take(ROUTE, address("2001:db8:0:1::1"), 1, START), 0);
  assert.equal(limiter.take(ROUTE, address("10.0.0.1"), 1, START), 0);
  assert.ok(limiter.take(ROUTE, address("::ffff:10.0.0.1"), 1, START) > 0);
  assert.equal(limiter.take(ROUTE, address("10.0.0.2"), 1, START), 0);
  // The low word of this network is the number of the IPv4 address above.
  assert.equal(limiter.take(ROUTE, address("0:0:a00:1::"), 1, START), 0);
});

test("a full bucket gives up the client that was idle the longest", () => {
  const limiter = new RateLimiter(rateWords(1, 1), 0);
  const client = (index: number): ClientAddress => address(`10.0.0.${index}`);
  for (let index = 0; index < 8; index++) {
    assert.equal(limiter.take(ROUTE, client(index), 1, START + index), 0);
  }
  // A refused request keeps its client in the table.
  assert.ok(limiter.take(ROUTE, client(0), 1, START + 8) > 0);
  assert.equal(limiter.take(ROUTE, client(8), 1, START + 9), 0);
  for (const kept of [0, 2, 3, 4, 5, 6, 7, 8]) {
    assert.ok(limiter.take(ROUTE, client(kept), 1, START + 10) > 0, `client ${kept}`);
  }
  assert.equal(limiter.take(ROUTE, client(1), 1, START + 10), 0, "client 1 was forgotten");
});

test("a crowd of other clients does not free one that keeps coming", () =>
  withRandom((random) => {
    const limiter = new RateLimiter(rateWords(4, random.next()), 0);
    const known = address("192.0.2.1");
    let granted = 0;
    for (let step = 0; step < 2000; step++) {
      const secs = START + Math.floor(step / 100);
      if (limiter.take(ROUTE, known, 60, secs) === 0) granted++;
      limiter.take(ROUTE, address(`10.0.${random.below(256)}.${random.below(256)}`), 60, secs);
    }
    assert.equal(granted, 60);
  }));

test("clocks that differ by a turn at the end of a minute lose nothing", () => {
  const words = rateWords(8, 1);
  const [ahead, behind] = [new RateLimiter(words, 0), new RateLimiter(words, 1)];
  const minuteEnd = Math.ceil(START / 60) * 60;
  assert.equal(ahead.take(ROUTE, address("10.0.0.1"), 2, minuteEnd), 0);
  assert.equal(behind.take(ROUTE, address("10.0.0.1"), 2, minuteEnd - 1), 0);
  assert.ok(ahead.take(ROUTE, address("10.0.0.1"), 2, minuteEnd) > 0);
  assert.ok(behind.take(ROUTE, address("10.0.0.1"), 2, minuteEnd - 1) > 0);
});

test("locks of a worker that died are opened, others stay", () => {
  const words = rateWords(3, 1);
  words.set([6, 3, 6], 1);
  releaseLocks(words, 5);
  assert.deepEqual([...words.subarray(1, 4)], [0, 3, 0]);
});
