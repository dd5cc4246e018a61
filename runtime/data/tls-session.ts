// What a TLS connection holds beside its socket: OpenSSL's half by a handle, and the records on
// their way in and out. Pooled like connections.

import { TLS_IN_KERNEL } from "../../native/abi.ts";
import { BUFFER_NONE } from "./buffers.ts";

/** Not done: neither side's content may pass yet. */
export const TLS_SHAKING = 0;
export const TLS_ESTABLISHED = 1;
/** The peer's close_notify has come; ours may still go out. */
export const TLS_INPUT_ENDED = 2;
/** Broken by the peer: nothing may be read or sent any more. */
export const TLS_BROKEN = 3;

/** What follows when all records have gone. */
export const END_NOT = 0;
/** FIN: the peer may still send. */
export const END_OUTPUT = 1;
export const END_CLOSE = 2;

// How far a connection has gone to the kernel.
export const KERNEL_NONE = 0;
/** Its socket is ready for it. */
export const KERNEL_ATTACHED = 1;
/** The handshake is done, and some of it still has to go out. */
export const KERNEL_WAITING = 2;
/** The kernel seals; input is still opened in user space. */
export const KERNEL_OUTPUT = 3;
/** The same for good: it has not taken the input. */
export const KERNEL_OUTPUT_ONLY = 4;
export const KERNEL_BOTH = 5;

/** Key updates, tickets and the like that a peer may send; one more for each so much content. */
const MESSAGES_MAX = 32;
const MESSAGE_BYTES = 1 << 20;

export class TlsSession {
  /** The connection's handle in native code; -1 when the session is in the pool. */
  handle = -1;
  state = TLS_SHAKING;
  ending = END_NOT;
  kernel = KERNEL_NONE;
  /** Ours is out, the peer's has come: reads on until its FIN. */
  lingering = false;
  /** The kernel's close_notify is on its way. */
  notifying = false;
  /** How often the peer has said user_canceled to the kernel. */
  cancels = 0;

  /** Records received and not opened yet: `bytes[inStart, inEnd)` of `inBuffer`. */
  inBuffer = BUFFER_NONE;
  inStart = 0;
  inEnd = 0;
  /** The peer has said something. */
  heard = false;
  /** Bytes of an incomplete record that OpenSSL keeps. */
  heldBytes = 0;
  /** OpenSSL has content left for which there was no room, or an end that is not told yet. */
  hasMore = false;
  /** Content goes behind the connection's input, not into a buffer of its own. */
  appends = false;
  /** In the list of those that go on without the kernel. */
  deferred = false;

  /** Records on their way to the peer, and the content in them; the kernel reads them. */
  outBuffer = BUFFER_NONE;
  outStart = 0;
  outEnd = 0;
  outContentBytes = 0;
  /** Some of the content sealed last has gone, though it is not booked before all of it has. */
  outCut = false;
  /** Records that are to follow them: handshake messages and alerts. */
  nextBuffer = BUFFER_NONE;
  nextEnd = 0;
  /** The handshake waits until there is room for its records. */
  wantsOutput = false;
  /** In the list of those that found no buffer to seal into. */
  unsent = false;

  /** Content sent since the connection was last quiet, and the tick of the last of it. */
  burstBytes = 0;
  burstTick = 0;
  /** Content received. */
  receivedBytes = 0;
  /** Tickets that came to the kernel. */
  tickets = 0;

  /** Bytes that have come and not been opened: no less than their content. */
  get bytesHere(): number {
    return this.inEnd - this.inStart + this.heldBytes;
  }

  /** Whether all that is left of it is what native code or the kernel knows. */
  get isQuiet(): boolean {
    return (
      this.state === TLS_ESTABLISHED &&
      this.ending === END_NOT &&
      (this.kernel === KERNEL_NONE || this.kernel === KERNEL_BOTH) &&
      this.outBuffer === BUFFER_NONE &&
      this.nextBuffer === BUFFER_NONE &&
      !this.unsent &&
      !this.holdsInput
    );
  }

  /** Whether records have come whose content has not been handed on, or a part of one. */
  get holdsInput(): boolean {
    return this.inBuffer !== BUFFER_NONE || this.heldBytes > 0 || this.hasMore || this.deferred;
  }

  /** What one that is quiet consists of: a handle of OpenSSL's, or TLS_IN_KERNEL. */
  get whereabouts(): number {
    return this.kernel === KERNEL_BOTH ? TLS_IN_KERNEL : this.handle;
  }

  /** Whether a peer that has sent so many messages says too much beside its content. */
  isTalkative(messages: number): boolean {
    return messages > MESSAGES_MAX + this.receivedBytes / MESSAGE_BYTES;
  }

  reset(): void {
    this.handle = -1;
    this.state = TLS_SHAKING;
    this.ending = END_NOT;
    this.kernel = KERNEL_NONE;
    this.lingering = false;
    this.notifying = false;
    this.cancels = 0;
    this.inBuffer = BUFFER_NONE;
    this.inStart = 0;
    this.inEnd = 0;
    this.heard = false;
    this.heldBytes = 0;
    this.hasMore = false;
    this.appends = false;
    this.deferred = false;
    this.outBuffer = BUFFER_NONE;
    this.outStart = 0;
    this.outEnd = 0;
    this.outContentBytes = 0;
    this.outCut = false;
    this.nextBuffer = BUFFER_NONE;
    this.nextEnd = 0;
    this.wantsOutput = false;
    this.unsent = false;
    this.burstBytes = 0;
    this.burstTick = 0;
    this.receivedBytes = 0;
    this.tickets = 0;
  }
}
