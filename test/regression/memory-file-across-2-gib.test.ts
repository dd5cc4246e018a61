// Where memory files take more than two gibibytes, one of them lies across the offset at which a
// word becomes negative. A send of its first part was taken for all of it: the rest was left out,
// and the next answer stood where the client expected it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { arenaBytes, BUFFER_NONE, Buffers, GROUPS } from "../../runtime/data/buffers.ts";
import { ConnectionTable, ROLE_CLIENT } from "../../runtime/data/connection.ts";
import { Ring } from "../../runtime/data/ring.ts";
import { Sockets } from "../../runtime/data/sockets.ts";
import { TimerWheel } from "../../runtime/data/timer-wheel.ts";
import { addon, ENGINE, succeedMemory, withOwner } from "../native/test-ring.ts";

const OWNER = 7;
const COUNTS = { small: 8, large: 2, multishot: 0 };
const RING_ENTRIES = 8;
const BOUNDARY = 2 ** 31;

test("a segment across 2 GiB goes when all of it has gone", () => {
  withOwner(OWNER, () => {
    const memory = succeedMemory(addon.ringOpen(OWNER, 16, 64, ENGINE));
    const ring = new Ring(memory, () => 0);
    const provided = (group: number) =>
      succeedMemory(addon.ringBuffers(memory.handle, group, RING_ENTRIES));
    const mapping = succeedMemory(addon.map(OWNER, arenaBytes(COUNTS, BOUNDARY), false));
    const buffers = new Buffers(mapping, COUNTS, GROUPS.map(provided), RING_ENTRIES);
    const table = new ConnectionTable(1);
    const timers = new TimerWheel(1);
    const sockets = new Sockets(ring, buffers, timers, table, 1, addon.owners(), () => {});
    const connection = table.take(ROLE_CLIENT);
    assert.ok(connection !== null);
    sockets.queue(connection, BUFFER_NONE, BOUNDARY - 1000, BOUNDARY + 1000);
    assert.equal(sockets.segmentBytes(connection, 0), 2000);
    for (const left of [1500, 1000, 500]) {
      assert.equal(sockets.onSent(connection, 500), false);
      assert.equal(sockets.segmentBytes(connection, 0), left);
    }
    assert.equal(sockets.onSent(connection, 500), true);
  });
});
