// The connection limit beside a plain count, workers dying among the others.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionTable, ROLE_CLIENT } from "zproxy/runtime/data/connection.ts";
import { ConnectionLimit } from "zproxy/runtime/data/connection-limit.ts";
import { withRandom } from "../lib/random.ts";

const WORKERS = 3;
const STEPS = 20_000;

test("connections are admitted up to the limit, over all workers", () =>
  withRandom((random) => {
    const max = random.between(1, 12);
    const counts = new Int32Array(WORKERS);
    const tables = Array.from(counts, (_, owner) => {
      return new ConnectionTable(64, new ConnectionLimit(counts, owner, max));
    });
    const open = tables.map(() => [] as ReturnType<ConnectionTable["take"]>[]);
    let refused = 0;
    for (let step = 0; step < STEPS; step++) {
      const owner = random.below(WORKERS);
      const table = tables[owner]!;
      const mine = open[owner]!;
      if (random.below(2) === 0) {
        const connection = table.take(ROLE_CLIENT);
        if (connection === null) continue;
        const admitted = open.flat().filter((it) => it?.admitted).length;
        assert.equal(table.admit(connection), admitted < max);
        if (!connection.admitted) refused++;
        mine.push(connection);
      } else if (mine.length > 0) {
        table.release(mine.splice(random.below(mine.length), 1)[0]!);
      } else if (random.below(50) === 0) {
        const dead = random.below(WORKERS);
        counts[dead] = 0;
        tables[dead] = new ConnectionTable(64, new ConnectionLimit(counts, dead, max));
        open[dead] = [];
      }
    }
    assert.ok(refused > 0);
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      open.flat().filter((it) => it?.admitted).length,
    );
  }));

test("without a limit nothing is counted", () => {
  const table = new ConnectionTable(2);
  const connection = table.take(ROLE_CLIENT)!;
  assert.equal(table.admit(connection), true);
  assert.equal(connection.admitted, false);
  table.release(connection);
});
