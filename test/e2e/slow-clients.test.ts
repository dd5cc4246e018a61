// Two thousand clients that give or take a byte a second: they hold the server to its bound of
// memory, and everybody else is served. test/soak/slow-clients.ts does it for as long as one likes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runSlowClients } from "../lib/slow-clients.ts";

const CLIENTS = 2000;
const SECONDS = 3;
/** Per client at most: one buffer of 4 KiB for its head, and two of its answer. */
const BUFFERS_MAX = CLIENTS * 3;
const GROWN_KIB_MAX = 160 * 1024;

test(`${CLIENTS} clients at a byte a second`, async () => {
  const { grownKib, buffersInUse, answered } = await runSlowClients(CLIENTS, SECONDS);
  assert.ok(answered > 0);
  assert.ok(buffersInUse > 0 && buffersInUse <= BUFFERS_MAX, `${buffersInUse} buffers`);
  assert.ok(grownKib < GROWN_KIB_MAX, `${grownKib} KiB`);
});
