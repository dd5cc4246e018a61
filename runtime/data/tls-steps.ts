// Steps of a TLS session: the call into native code, whose arguments and results are words. A step
// takes records from the arena and leaves records there.

import {
  ENOBUFS,
  TLS_HANDSHAKE,
  TLS_OPEN,
  TLS_WORD_HANDLE,
  TLS_WORD_INPUT,
  TLS_WORD_INPUT_BYTES,
  TLS_WORD_OP,
  TLS_WORD_OUTPUT,
  TLS_WORD_OUTPUT_BYTES,
  TLS_WORD_PLAIN,
  TLS_WORD_PLAIN_BYTES,
  TLS_WORDS,
} from "../../native/abi.ts";
import { BUFFER_NONE, type Buffers } from "./buffers.ts";
import type { TlsSession } from "./tls-session.ts";

export interface StepCalls {
  /** See runtime/native.ts. */
  tlsStep(
    owner: number,
    memory: Uint8Array,
    memoryOffset: number,
    words: Uint32Array,
    wordsOffset: number,
  ): number;
}

export class TlsSteps {
  /** TLS_WORD_*: what the last step came to. */
  readonly words = new Uint32Array(TLS_WORDS);
  private readonly owner: number;
  private readonly buffers: Buffers;
  private readonly calls: StepCalls;

  constructor(owner: number, buffers: Buffers, calls: StepCalls) {
    this.owner = owner;
    this.buffers = buffers;
    this.calls = calls;
  }

  /**
   * A step on the records received whose own records go aside, to follow those in flight. Opening
   * hardly ever makes any, so it does without a buffer when none is left: should it need one after
   * all, the result is TLS_WANT_OUTPUT with nothing aside, and it can be tried again.
   */
  aside(session: TlsSession, op: number, plainStart: number, plainBytes: number): number {
    const { buffers, words } = this;
    let room = 0;
    if (session.nextBuffer === BUFFER_NONE) {
      session.nextBuffer = buffers.takeSmall();
      if (session.nextBuffer !== BUFFER_NONE) session.nextEnd = buffers.start(session.nextBuffer);
      else if (op !== TLS_OPEN) return -ENOBUFS;
    }
    if (session.nextBuffer !== BUFFER_NONE)
      room = buffers.limit(session.nextBuffer) - session.nextEnd;
    const result = this.run(session, op, plainStart, plainBytes, session.nextEnd, room);
    session.inStart += words[TLS_WORD_INPUT_BYTES]!;
    if (session.inStart === session.inEnd) {
      buffers.free(session.inBuffer);
      session.inBuffer = BUFFER_NONE;
    }
    if (session.nextBuffer === BUFFER_NONE) return result;
    session.nextEnd += words[TLS_WORD_OUTPUT_BYTES]!;
    if (session.nextEnd === buffers.start(session.nextBuffer)) {
      buffers.free(session.nextBuffer);
      session.nextBuffer = BUFFER_NONE;
    }
    return result;
  }

  /** A step whose records go to `outStart`. */
  run(
    session: TlsSession,
    op: number,
    plainStart: number,
    plainBytes: number,
    outStart: number,
    outBytes: number,
  ): number {
    const { words } = this;
    const takesInput = op === TLS_HANDSHAKE || op === TLS_OPEN;
    words[TLS_WORD_OP] = op;
    words[TLS_WORD_HANDLE] = session.handle;
    words[TLS_WORD_INPUT] = session.inStart;
    words[TLS_WORD_INPUT_BYTES] = takesInput ? session.inEnd - session.inStart : 0;
    words[TLS_WORD_OUTPUT] = outStart;
    words[TLS_WORD_OUTPUT_BYTES] = outBytes;
    words[TLS_WORD_PLAIN] = plainStart;
    words[TLS_WORD_PLAIN_BYTES] = plainBytes;
    return this.calls.tlsStep(this.owner, this.buffers.bytes, 0, words, 0);
  }
}
