// A reload, on the side of the workers that go: their clients leave for workers of the next
// generation whenever nothing is under way on them, with their descriptors and, as it lives in
// native memory, with OpenSSL's half of their TLS. What a client is in the middle of ends here.

import { ENOENT } from "../../native/abi.ts";
import * as client from "./client.ts";
import * as clientInput from "./client-input.ts";
import { type Connection, REQUEST_DONE, ROLE_CLIENT } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";

export class Handover {
  private readonly loop: EventLoop;
  private readonly send: (fds: readonly number[]) => void;
  /** Clients are to leave. */
  private active = false;
  /** Those that leave as soon as the kernel has nothing of theirs under way. */
  private readonly leavers: Connection[] = [];
  private sweptTick = 0;

  /** `send` takes descriptors of a turn's clients to where they go on. */
  constructor(loop: EventLoop, send: (fds: readonly number[]) => void) {
    this.loop = loop;
    this.send = send;
  }

  start(): void {
    this.active = true;
    this.sweep();
  }

  /** Clients stay after all. */
  stop(): void {
    this.active = false;
  }

  /** Looks at every client, for what has become idle on another way than `takes` is asked on. */
  private sweep(): void {
    const { table, timers } = this.loop;
    this.sweptTick = timers.tick;
    for (const connection of table.list)
      if (connection.role === ROLE_CLIENT) this.takes(connection);
  }

  /** Whether a client must not receive: it leaves, or will when its answer has gone. */
  holds(connection: Connection): boolean {
    if (!this.active) return false;
    if (connection.requestState === REQUEST_DONE || connection.sending) return true;
    return this.takes(connection);
  }

  /** Whether a client leaves, in a turn or two. */
  takes(connection: Connection): boolean {
    if (!this.active || !this.mayLeave(connection)) return false;
    if (!connection.leaving) {
      connection.leaving = true;
      this.leavers.push(connection);
    }
    // The request it waits for may come at this moment; it is answered here then.
    if (connection.receiving && connection.pendingOps === 1) this.loop.sockets.cancel(connection);
    return true;
  }

  private mayLeave(connection: Connection): boolean {
    if (!client.isIdle(connection) || connection.closeWhenSent || connection.inputEnded)
      return false;
    if (connection.linger || connection.starved || connection.tunnel) return false;
    return !TLS || connection.tls === null || connection.tls.isQuiet;
  }

  /** At the end of a turn. */
  run(): void {
    if (this.active && this.loop.timers.tick !== this.sweptTick) this.sweep();
    const { leavers } = this;
    if (leavers.length === 0) return;
    const fds: number[] = [];
    let stay = 0;
    for (const connection of leavers) {
      if (!connection.leaving) continue; // it has closed
      connection.leaving = this.mayLeave(connection);
      if (!connection.leaving) continue; // its next request has come
      if (connection.pendingOps > 0) leavers[stay++] = connection;
      else if (!this.active) {
        connection.leaving = false;
        clientInput.awaitInput(this.loop, connection);
      } else if (connection.ringFlags === 0) {
        const fd = this.letGo(connection);
        if (fd >= 0) fds.push(fd);
      } else {
        this.loop.sockets.unfix(connection);
        leavers[stay++] = connection;
      }
    }
    leavers.length = stay;
    if (fds.length > 0) this.send(fds);
  }

  /** The descriptor that another worker goes on with, or -1. */
  private letGo(connection: Connection): number {
    const { calls, owner, sockets } = this.loop;
    const { fd, tls } = connection;
    if (calls.letGo(owner, fd, TLS && tls !== null ? tls.whereabouts : -1) < 0) {
      sockets.close(connection);
      return -1;
    }
    if (TLS && tls !== null) tls.handle = -1; // the other worker's
    sockets.vacate(connection);
    return fd;
  }
}

/** Goes on with a client that a worker of an earlier generation has let go of. */
export function adopt(loop: EventLoop, fd: number): void {
  if (loop.draining) {
    loop.closeFile(fd); // it is idle, and a drain lets idle clients go
    return;
  }
  const connection = client.enter(loop, fd);
  if (connection === null) return;
  loop.table.adopt(connection);
  const tls = loop.calls.takeUp(loop.owner, fd);
  const isSecured = TLS && loop.acceptsTls;
  // There is no memory for its TLS; or it has none where it must, and would go on in plain text.
  if (isSecured ? tls < 0 : tls !== -ENOENT) {
    loop.sockets.close(connection);
    return;
  }
  if (isSecured) loop.tls!.adopt(connection, tls);
  clientInput.awaitInput(loop, connection);
}
