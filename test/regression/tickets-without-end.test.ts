// A server behind could keep a worker busy with session tickets, a record each, once the kernel had
// its connection: what OpenSSL reads is counted, and these it never saw.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Connection, ROLE_CLIENT, ROLE_UPSTREAM } from "../../runtime/data/connection.ts";
import {
  CONTROL_END,
  CONTROL_FAILURE,
  CONTROL_NOTHING,
  toldMemory,
} from "../../runtime/data/ktls.ts";
import { TlsSession } from "../../runtime/data/tls-session.ts";
import { kernelTls } from "../lib/kernel-tls.ts";
import { HANDSHAKE } from "../lib/tls-records.ts";

const NEW_SESSION_TICKET = 4;
const TICKETS_MAX = 32;
const ticket = (HANDSHAKE << 16) | (NEW_SESSION_TICKET << 8);

/** How many tickets pass before the connection is at an end. */
function ticketsBefore(end: number, role: number, receivedBytes: number): number {
  const kernel = kernelTls({ ktlsReadControl: () => ticket }, toldMemory());
  const connection = new Connection(0);
  const session = new TlsSession();
  connection.role = role;
  session.receivedBytes = receivedBytes;
  for (let count = 0; count < 1000; count++) {
    const said = kernel.readControl(connection, session);
    if (said === end) return count;
    assert.equal(said, CONTROL_NOTHING);
  }
  return Number.POSITIVE_INFINITY;
}

test("so many tickets pass, and more for those with content to show", () => {
  assert.equal(ticketsBefore(CONTROL_FAILURE, ROLE_UPSTREAM, 0), TICKETS_MAX);
  assert.equal(ticketsBefore(CONTROL_FAILURE, ROLE_UPSTREAM, 5 << 20), TICKETS_MAX + 5);
});

test("a client has none to give", () => {
  assert.equal(ticketsBefore(CONTROL_END, ROLE_CLIENT, 0), 0);
});
