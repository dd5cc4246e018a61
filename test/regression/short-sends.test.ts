// Sends asked the kernel to wait until all had gone (MSG_WAITALL). A client that took 64 KiB in
// more than 30 s, slowly but steadily, showed no progress and was cut off by the write timeout.

import assert from "node:assert/strict";
import { test } from "node:test";

import { arenaBytes, BUFFER_NONE, Buffers, GROUPS } from "../../runtime/data/buffers.ts";
import { ConnectionTable, ROLE_CLIENT } from "../../runtime/data/connection.ts";
import { Ring } from "../../runtime/data/ring.ts";
import { Sockets } from "../../runtime/data/sockets.ts";
import { TimerWheel } from "../../runtime/data/timer-wheel.ts";
import {
  Arena,
  addon,
  connectedPair,
  ENGINE,
  succeed,
  succeedMemory,
  TestRing,
  withOwner,
} from "../native/test-ring.ts";

const OWNER = 7;
/** More than the socket buffers of both sides take. */
const SEGMENT_BYTES = 24 * 1024 * 1024;
const COUNTS = { small: 8, large: 2, multishot: 0 };
const RING_ENTRIES = 8;
const TURN_MS = 25;
const TURNS = 200;

test("a send to a peer that does not read completes with what went out", () => {
  withOwner(OWNER, () => {
    const testRing = new TestRing(OWNER);
    const { server, listener } = connectedPair(testRing, new Arena(OWNER, 4096), OWNER);
    const memory = succeedMemory(addon.ringOpen(OWNER, 16, 64, ENGINE));
    const ring = new Ring(memory, (toSubmit, minComplete, timeoutMs) =>
      addon.ringEnter(memory.handle, toSubmit, minComplete, timeoutMs),
    );
    const provided = (group: number) =>
      succeedMemory(addon.ringBuffers(memory.handle, group, RING_ENTRIES));
    const mapping = succeedMemory(addon.map(OWNER, arenaBytes(COUNTS, SEGMENT_BYTES), false));
    const buffers = new Buffers(mapping, COUNTS, GROUPS.map(provided), RING_ENTRIES);
    const table = new ConnectionTable(1);
    const sockets = new Sockets(
      ring,
      buffers,
      new TimerWheel(1),
      table,
      1,
      addon.owners(),
      () => {},
    );
    const connection = table.take(ROLE_CLIENT);
    assert.ok(connection !== null);
    sockets.open(connection, server);
    const start = buffers.extraBase;
    sockets.queue(connection, BUFFER_NONE, start, start + SEGMENT_BYTES);
    sockets.send(connection);

    let sent = 0;
    const sink = {
      onCompletion(_slot: number, _opGeneration: number, result: number): void {
        sent = result;
      },
    };
    for (let turn = 0; turn < TURNS && sent === 0; turn++) {
      succeed(ring.submitAndWait(TURN_MS));
      ring.reap(sink);
    }
    assert.ok(sent > 0 && sent < SEGMENT_BYTES, `${sent} bytes went out`);
    assert.ok(addon.unacknowledged(server) > 0, "the peer's buffer does not hold all of them");
    assert.equal(sockets.onSent(connection, sent), false, "the rest is still to be sent");
    succeed(addon.close(listener));
  });
});
