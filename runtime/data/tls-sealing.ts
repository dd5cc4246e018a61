// From the send queue to records: how much of it goes into a record, and how many into a buffer.

import {
  TLS_DONE,
  TLS_RECORD_BYTES_MAX,
  TLS_SEAL,
  TLS_WORD_OUTPUT_BYTES,
  TLS_WORD_PLAIN_BYTES,
  TLS_WORD_RECORD_BYTES,
} from "../../native/abi.ts";
import type { Connection } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import type { TlsSession } from "./tls-session.ts";
import type { TlsSteps } from "./tls-steps.ts";

/** A record that fits a TCP segment, so that the first bytes can be used when the first arrives. */
const RECORD_BYTES_FIRST = 1400;
/** Content after which records are full: about the initial congestion window (RFC 6928). */
const BURST_BYTES = 14_000;
/** Ticks of silence after which a connection starts with short records again: about a second. */
const BURST_PAUSE_TICKS = 8;
/** What a step of sealing wants to have free beside the content of a record. */
const RECORD_GROWTH = 256;

/** Seals the queue into `outBuffer`, as much as that takes. */
export function sealQueue(
  loop: EventLoop,
  steps: TlsSteps,
  connection: Connection,
  session: TlsSession,
): void {
  for (let index = 0; index < connection.segmentCount; index++)
    if (!sealSegment(loop, steps, connection, session, index)) return;
}

/** Seals a segment. False: not all of it. */
function sealSegment(
  { buffers, sockets, timers }: EventLoop,
  steps: TlsSteps,
  connection: Connection,
  session: TlsSession,
  index: number,
): boolean {
  const { words } = steps;
  if (index === connection.segmentCount - 1) connection.segmentOpen = false;
  if (timers.tick - session.burstTick > BURST_PAUSE_TICKS) session.burstBytes = 0;
  session.burstTick = timers.tick;
  let start = sockets.segmentStart(connection, index);
  let left = sockets.segmentBytes(connection, index);
  const limit = buffers.limit(session.outBuffer);
  while (left > 0) {
    const short = BURST_BYTES - session.burstBytes;
    const most = short > 0 ? RECORD_BYTES_FIRST : TLS_RECORD_BYTES_MAX;
    const count = short > 0 ? Math.min(left, Math.ceil(short / most) * most) : left;
    const room = limit - session.outEnd;
    if (room <= RECORD_GROWTH) return false;
    words[TLS_WORD_RECORD_BYTES] = Math.min(most, room - RECORD_GROWTH);
    const result = steps.run(session, TLS_SEAL, start, count, session.outEnd, room);
    const sealed = words[TLS_WORD_PLAIN_BYTES]!;
    session.outEnd += words[TLS_WORD_OUTPUT_BYTES]!;
    session.outContentBytes += sealed;
    session.burstBytes += sealed;
    start += sealed;
    left -= sealed;
    if (result !== TLS_DONE) return false;
  }
  return true;
}
