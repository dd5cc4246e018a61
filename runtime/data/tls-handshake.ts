// Handshakes of TLS, from the connect to the first content: both roles, and what becomes of those
// that fail.

import {
  ENOBUFS,
  TLS_DONE,
  TLS_HANDSHAKE,
  TLS_WANT_INPUT,
  TLS_WANT_OUTPUT,
} from "../../native/abi.ts";
import { BUFFER_NONE, GROUP_SMALL } from "./buffers.ts";
import * as client from "./client.ts";
import { type Connection, ROLE_CLIENT } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import { HandshakeFailures } from "./handshake-failures.ts";
import type { KernelTls } from "./ktls.ts";
import type { HandshakeFailure } from "./metrics.ts";
import type { TlsCalls, TlsLayer, TlsParts } from "./tls.ts";
import {
  KERNEL_NONE,
  KERNEL_WAITING,
  TLS_BROKEN,
  TLS_ESTABLISHED,
  TLS_SHAKING,
  type TlsSession,
} from "./tls-session.ts";
import type { TlsSteps } from "./tls-steps.ts";
import * as upstream from "./upstream.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
const KERNEL_REFUSED = "the kernel does not take it, and falling back is off";

export class TlsHandshakes {
  readonly failures: HandshakeFailures;
  private readonly loop: EventLoop;
  private readonly calls: TlsCalls;
  private readonly layer: TlsLayer;
  private readonly kernel: KernelTls;
  private readonly steps: TlsSteps;
  private readonly context: number;
  /** New connections are to go to the kernel. */
  private readonly usesKernel: boolean;

  constructor(
    loop: EventLoop,
    { calls, context, kernel: mode }: TlsParts,
    layer: TlsLayer,
    kernel: KernelTls,
    steps: TlsSteps,
  ) {
    this.failures = new HandshakeFailures(loop);
    this.loop = loop;
    this.calls = calls;
    this.layer = layer;
    this.kernel = kernel;
    this.steps = steps;
    this.context = context;
    this.usesKernel = mode !== "off";
  }

  /** Whether one is under way: its first request is about to come. */
  isUnderWay({ tls }: Connection): boolean {
    return tls !== null && tls.state === TLS_SHAKING;
  }

  /** A client has connected. */
  accept(connection: Connection): void {
    const handle = this.calls.tlsAccept(this.loop.owner, this.context);
    if (handle < 0) {
      this.failures.noteClient(connection, "resources", this.calls.tlsError());
      this.loop.sockets.close(connection);
      return;
    }
    const session = this.layer.attach(connection, handle);
    if (this.usesKernel && !this.kernel.attach(connection, session)) {
      this.fail(connection, "kernel", KERNEL_REFUSED);
      return;
    }
    this.loop.timers.set(connection.slot, HANDSHAKE_TIMEOUT_MS);
    this.loop.sockets.receive(connection, GROUP_SMALL, false);
  }

  /** A server has been connected to; it counts as connecting until the handshake is done. */
  connect(connection: Connection, peer: number): void {
    const handle = this.calls.tlsConnect(this.loop.owner, peer);
    if (handle < 0) {
      upstream.onHandshakeFailed(this.loop, connection, this.calls.tlsError());
      return;
    }
    const session = this.layer.attach(connection, handle);
    if (!this.usesKernel || this.kernel.attach(connection, session))
      this.shake(connection, session);
    else this.fail(connection, "kernel", KERNEL_REFUSED);
  }

  /** Goes on with what has come, or from the start. */
  shake(connection: Connection, session: TlsSession): void {
    session.wantsOutput = false;
    const result = this.steps.aside(session, TLS_HANDSHAKE, 0, 0);
    this.layer.flush(connection, session);
    if (result === TLS_WANT_INPUT) {
      if (!connection.receiving) this.layer.receiveRecords(connection, false);
    } else if (result === TLS_WANT_OUTPUT && connection.sending) {
      session.wantsOutput = true;
    } else if (result === TLS_DONE) {
      if (session.kernel === KERNEL_NONE) this.establish(connection, session);
      else {
        session.kernel = KERNEL_WAITING;
        if (!connection.sending) this.moveToKernel(connection, session);
      }
    } else if (result === -ENOBUFS) {
      this.fail(connection, "resources", "no buffer is left");
    } else {
      this.fail(connection, "protocol", this.calls.tlsError());
    }
  }

  private establish(connection: Connection, session: TlsSession): void {
    session.state = TLS_ESTABLISHED;
    this.failures.noteSuccess(connection);
    session.hasMore = session.inBuffer !== BUFFER_NONE;
    if (connection.role === ROLE_CLIENT) client.onEstablished(this.loop, connection);
    else if (PROXY_ROUTES) upstream.onEstablished(this.loop, connection);
  }

  /** All that the handshake has made is sent: the kernel can seal what follows. */
  moveToKernel(connection: Connection, session: TlsSession): void {
    if (this.kernel.moveOutput(connection, session)) this.establish(connection, session);
    else this.fail(connection, "kernel", KERNEL_REFUSED);
  }

  /** `cause`: of a client, but that "protocol" is told apart by the reason. */
  fail(connection: Connection, cause: HandshakeFailure, reason: string): void {
    const session = connection.tls!;
    session.state = TLS_BROKEN;
    if (connection.role === ROLE_CLIENT) {
      if (cause === "protocol") this.failures.noteReason(connection, reason);
      // A client that has said nothing at all only looked whether somebody is here.
      else if (cause !== "closed" || session.heard)
        this.failures.noteClient(connection, cause, reason);
      this.loop.sockets.close(connection);
    } else if (PROXY_ROUTES) upstream.onHandshakeFailed(this.loop, connection, reason);
  }
}
