// When no buffer is left: receives wait their turn, and a body that waits keeps its time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { arenaBytes, Buffers, GROUPS } from "../../runtime/data/buffers.ts";
import * as client from "../../runtime/data/client.ts";
import {
  type Connection,
  ConnectionTable,
  REQUEST_BODY,
  ROLE_CLIENT,
} from "../../runtime/data/connection.ts";
import type { EventLoop } from "../../runtime/data/event-loop.ts";
import type { Ring } from "../../runtime/data/ring.ts";
import type { Route } from "../../runtime/data/route.ts";
import { Sockets } from "../../runtime/data/sockets.ts";
import { TimerWheel } from "../../runtime/data/timer-wheel.ts";
import type { Mapping } from "../../runtime/native.ts";
import { withRandom } from "../lib/random.ts";

const RING_ENTRIES = 8;
const SLOTS = 64;
/** The others are kept for upstreams. */
const CLIENTS = 56;
const COUNTS = { small: RING_ENTRIES, large: RING_ENTRIES, multishot: 0 };
/** IORING_CQE_F_BUFFER and the buffer's index above it. */
const BUFFER_SHIFT = 16;

function mapping(bytes: number): Mapping {
  return { buffer: new ArrayBuffer(bytes), addressLow: 0, addressHigh: 0 } as Mapping;
}

/** Sockets over a ring that only notes whose receive it is given. */
class Starvation {
  readonly received: number[] = [];
  readonly buffers: Buffers;
  readonly timers = new TimerWheel(SLOTS);
  readonly table = new ConnectionTable(SLOTS);
  readonly sockets: Sockets;

  constructor() {
    const rings = GROUPS.map(() => mapping(RING_ENTRIES * 16));
    this.buffers = new Buffers(mapping(arenaBytes(COUNTS, 0)), COUNTS, rings, RING_ENTRIES);
    const ring = { push: (...sqe: number[]) => this.received.push(sqe[7] as number) };
    this.sockets = new Sockets(
      ring as unknown as Ring,
      this.buffers,
      this.timers,
      this.table,
      SLOTS,
      new Uint8Array(SLOTS),
      () => {},
    );
  }

  take(): Connection {
    const connection = this.table.take(ROLE_CLIENT);
    assert.ok(connection !== null);
    this.sockets.open(connection, connection.slot);
    return connection;
  }
}

test("who has waited longest is given a buffer first", async () => {
  await withRandom((random) => {
    const starvation = new Starvation();
    const { sockets, buffers, received } = starvation;
    const waiting: number[] = [];
    const expected: number[] = [];
    for (let round = 0; round < 200; round++) {
      for (let count = random.below(6); count > 0 && starvation.table.inUse < CLIENTS; count--) {
        const connection = starvation.take();
        sockets.starve(connection);
        sockets.starve(connection);
        waiting.push(connection.slot);
      }
      // As many receives as there are buffers; the kernel takes some of them.
      const group = buffers.bodyGroup;
      expected.push(...waiting.splice(0, buffers.available(group)));
      sockets.feed();
      assert.deepEqual(received, expected);
      assert.equal(sockets.starving.length, waiting.length);
      for (let taken = random.below(3); taken > 0 && buffers.available(group) > 0; taken--) {
        const held = buffers.received(group, random.below(RING_ENTRIES) << BUFFER_SHIFT);
        assert.ok(held >= 0);
      }
      if (buffers.available(buffers.bodyGroup) === 0) break;
    }
    assert.ok(received.length > 0);
  });
});

test("a body that waits for a buffer of ours keeps its timer", () => {
  const { timers, table, sockets } = new Starvation();
  const connection = table.take(ROLE_CLIENT);
  assert.ok(connection !== null);
  connection.requestState = REQUEST_BODY;
  connection.route = { bodyTimeoutMs: 1000 } as Route;
  sockets.starve(connection);
  client.onTimer({ timers, table, sockets } as EventLoop, connection);
  assert.equal(connection.closing, false, "it is not the client that is late");
  assert.equal(timers.active, 1);
});
