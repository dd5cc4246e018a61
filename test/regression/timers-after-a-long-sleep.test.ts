// After a worker had been stopped for a while, what had arrived meanwhile was served with the clock
// of before, and timers set while others fired counted from a tick long past: both then fired at
// once, and clients that had done nothing wrong were answered 408 or cut off.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TICK_MS, TimerWheel } from "zproxy/runtime/data/timer-wheel.ts";

const SLEEP_MS = 60_000;

test("a deadline set after a long sleep counts from its end", () => {
  const wheel = new TimerWheel(2);
  const fired: number[] = [];
  const onTimer = (slot: number): void => {
    fired.push(slot);
    if (slot === 0) wheel.set(1, 5_000);
  };
  wheel.set(0, 1_000);
  wheel.elapse(SLEEP_MS);
  wheel.fire({ onTimer });
  assert.deepEqual(fired, [0]);
  wheel.elapse(5_000 + 2 * TICK_MS);
  wheel.fire({ onTimer });
  assert.deepEqual(fired, [0, 1]);
});

test("a deadline that is moved while the sleep's work is done does not fire for the sleep", () => {
  const wheel = new TimerWheel(1);
  const fired: number[] = [];
  wheel.set(0, 1_000);
  wheel.elapse(SLEEP_MS);
  wheel.set(0, 1_000);
  wheel.fire({ onTimer: (slot) => fired.push(slot) });
  assert.deepEqual(fired, []);
});
