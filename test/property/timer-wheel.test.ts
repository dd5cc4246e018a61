// The timer wheel beside a plain list of deadlines: random sets, clears and removals, short turns
// and long sleeps. Nothing fires early, late or twice, and nothing is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TICK_MS, TimerWheel } from "zproxy/runtime/data/timer-wheel.ts";
import { type Random, withRandom } from "../lib/random.ts";

const SLOTS = 40;
const TURNS = 30_000;
/**
 * In real time: a tick because clocks are coarse, another because a turn ends between two ticks.
 */
const LATE_MS_MAX = 2 * TICK_MS;
const DELAYS_MS = [
  0, 1, 127, 128, 129, 1000, 5000, 30_000, 60_000, 65_000, 65_536, 70_000, 200_000,
];

/** The wheel and, beside it, when each slot must fire. */
class WatchedWheel {
  readonly wheel = new TimerWheel(SLOTS);
  readonly due = new Map<number, number>();
  nowMs = 0;
  fired = 0;
  /** The time of the turn before: what was due by then must be gone. */
  private turnedMs = 0;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  set(slot: number, ms: number): void {
    this.wheel.set(slot, ms);
    this.due.set(slot, this.nowMs + ms);
  }

  clear(slot: number): void {
    if (this.random.below(2) === 0) this.wheel.clear(slot);
    else this.wheel.remove(slot);
    this.due.delete(slot);
  }

  onTimer(slot: number): void {
    const due = this.due.get(slot);
    assert.ok(due !== undefined, `slot ${slot} fires without a deadline`);
    assert.ok(due <= this.nowMs, `slot ${slot} fires ${due - this.nowMs} ms early`);
    assert.ok(due + LATE_MS_MAX > this.turnedMs, `slot ${slot} was due before the last turn`);
    this.due.delete(slot);
    this.fired++;
    // As in the server: a handler sets its own timer again, or touches that of another slot.
    const action = this.random.below(4);
    if (action === 0) this.set(slot, this.random.pick(DELAYS_MS));
    else if (action === 1) this.set(this.random.below(SLOTS), this.random.pick(DELAYS_MS));
    else if (action === 2) this.clear(this.random.below(SLOTS));
  }

  /** One turn: time passes, connections are served, then timers fire. */
  turn(elapsedMs: number): void {
    this.nowMs += elapsedMs;
    this.wheel.elapse(elapsedMs);
    for (let count = this.random.below(4); count > 0; count--) this.serve();
    this.wheel.fire(this);
    for (const [slot, due] of this.due) {
      assert.ok(due + LATE_MS_MAX > this.nowMs, `slot ${slot} is ${this.nowMs - due} ms late`);
    }
    assert.equal(this.wheel.active, this.due.size);
    this.turnedMs = this.nowMs;
  }

  private serve(): void {
    const slot = this.random.below(SLOTS);
    if (this.random.below(4) === 0) this.clear(slot);
    else this.set(slot, this.random.pick(DELAYS_MS));
  }
}

function elapsed(random: Random): number {
  switch (random.below(20)) {
    case 0:
      return random.between(1000, 60_000);
    case 1:
      return random.below(200) === 0 ? 10_000_000 : 0;
    default:
      return random.below(2 * TICK_MS);
  }
}

test("every deadline fires in time, whatever happens around it", async () => {
  await withRandom((random) => {
    const watched = new WatchedWheel(random);
    for (let turn = 0; turn < TURNS; turn++) watched.turn(elapsed(random));
    assert.ok(watched.fired > TURNS / 4, `${watched.fired}`);
    assert.equal(watched.wheel.tick, Math.floor(watched.nowMs / TICK_MS));
  });
});

test("the longest timeout that a configuration can ask for fires, and not before", () => {
  const wheel = new TimerWheel(1);
  const ms = 2_147_483_000;
  const fired: number[] = [];
  const sink = { onTimer: (slot: number) => fired.push(slot) };
  wheel.set(0, ms);
  wheel.elapse(ms - 1);
  wheel.fire(sink);
  assert.deepEqual(fired, []);
  wheel.elapse(1 + 2 * TICK_MS);
  wheel.fire(sink);
  assert.deepEqual(fired, [0]);
  assert.equal(wheel.active, 0);
});

test("slots that share a bucket all fire, though handlers take some of them out", () => {
  const wheel = new TimerWheel(8);
  const fired: number[] = [];
  for (let slot = 0; slot < 8; slot++) wheel.set(slot, 1000);
  const onTimer = (slot: number): void => {
    fired.push(slot);
    wheel.remove(slot ^ 1);
  };
  wheel.elapse(1000 + 2 * TICK_MS);
  wheel.fire({ onTimer });
  assert.deepEqual(new Set(fired.map((slot) => slot >> 1)), new Set([0, 1, 2, 3]));
  assert.equal(fired.length, 4);
});
