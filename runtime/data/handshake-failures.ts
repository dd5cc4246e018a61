// TLS handshakes that came to nothing: counted by cause, and told in the log now and then. A server
// on the internet meets clients all day that speak no TLS, or go away; one line a minute for each
// cause says so, and the metrics say how many.

import { readPeerText } from "./client-address.ts";
import { type Connection, ROLE_CLIENT } from "./connection.ts";
import { ADDRESS_BYTES_MAX, type EventLoop } from "./event-loop.ts";
import { count } from "./exchange-observer.ts";
import {
  COUNT_HANDSHAKE_FAILURES,
  COUNT_HANDSHAKES,
  COUNT_UPSTREAM_HANDSHAKE_FAILURES,
  COUNT_UPSTREAM_HANDSHAKES,
  HANDSHAKE_FAILURES,
  type HandshakeFailure,
} from "./metrics.ts";
import { TICK_MS } from "./timer-wheel.ts";
import type { Server } from "./upstream-server.ts";

/** Between two lines about the same cause: a minute. About the same server: ten seconds. */
const CLIENT_SILENT_TICKS = Math.round(60_000 / TICK_MS);
const SERVER_SILENT_TICKS = Math.round(10_000 / TICK_MS);

/** What OpenSSL's reasons come to, the first that fits. */
const REASONS: readonly (readonly [RegExp, HandshakeFailure])[] = [
  [/http request|https proxy request/i, "plain_http"],
  [/alert/i, "alert"],
  [/unsupported protocol|inappropriate fallback|version too low/i, "version"],
  [/no application protocol/i, "alpn"],
  [/no (shared|suitable|ciphers)|sigalg|curve|key share/i, "nothing_in_common"],
];

export class HandshakeFailures {
  private readonly loop: EventLoop;
  private readonly counts = new Float64Array(HANDSHAKE_FAILURES.length);
  /** The ticks from which on to say something again. */
  private readonly silentUntil = new Int32Array(HANDSHAKE_FAILURES.length);

  constructor(loop: EventLoop) {
    this.loop = loop;
  }

  /** A handshake has been completed. */
  noteSuccess({ role }: Connection): void {
    count(this.loop, role === ROLE_CLIENT ? COUNT_HANDSHAKES : COUNT_UPSTREAM_HANDSHAKES);
  }

  /** A client's has failed, for a reason that OpenSSL gives. */
  noteReason(connection: Connection, reason: string): void {
    const row = REASONS.find(([pattern]) => pattern.test(reason));
    this.noteClient(connection, row === undefined ? "protocol" : row[1], reason);
  }

  noteClient(connection: Connection, cause: HandshakeFailure, reason: string): void {
    const { loop, counts, silentUntil } = this;
    const { tick } = loop.timers;
    const at = HANDSHAKE_FAILURES.indexOf(cause);
    count(loop, COUNT_HANDSHAKE_FAILURES + at);
    counts[at]!++;
    if (tick < silentUntil[at]!) return;
    silentUntil[at] = tick + CLIENT_SILENT_TICKS;
    const what = reason === "" ? cause : `${cause}: ${reason}`;
    loop.onNotice(
      `TLS handshake with client ${this.addressOf(connection)} failed (${what}); ` +
        `${counts[at]} of this kind so far`,
    );
  }

  noteServer(server: Server, reason: string): void {
    const { tick } = this.loop.timers;
    count(this.loop, COUNT_UPSTREAM_HANDSHAKE_FAILURES);
    if (tick < server.handshakeSilentUntil) return;
    server.handshakeSilentUntil = tick + SERVER_SILENT_TICKS;
    this.loop.onWarning(`TLS handshake with upstream ${server.authority} failed: ${reason}`);
  }

  private addressOf(connection: Connection): string {
    readPeerText(this.loop, connection);
    const start = connection.slot * ADDRESS_BYTES_MAX;
    const text = this.loop.addresses.subarray(start, start + connection.addressLength);
    return text.length === 0 ? "that has gone" : String.fromCharCode(...text);
  }
}
