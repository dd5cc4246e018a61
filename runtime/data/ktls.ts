// Kernel TLS: after the handshake a connection's keys go to the kernel, and its socket is one of
// content from then on. Output goes first, when all of the handshake has been sent; input as soon
// as what was received ends with a record and all of it has been read. In between, records that
// come are still opened in user space. What stays with us are alerts and handshake messages.

import {
  CMSGHDR_LENGTH_LOW,
  CMSGHDR_LEVEL,
  CMSGHDR_TYPE,
  CMSGHDR_WORDS,
  EAGAIN,
  ENOENT,
  ENOTCONN,
  EOPNOTSUPP,
  IORING_OP_SENDMSG,
  IOVEC_BASE_HIGH,
  IOVEC_BASE_LOW,
  IOVEC_LENGTH,
  IOVEC_WORDS,
  MSG_NOSIGNAL,
  MSGHDR_CONTROL_HIGH,
  MSGHDR_CONTROL_LENGTH,
  MSGHDR_CONTROL_LOW,
  MSGHDR_IOV_COUNT,
  MSGHDR_IOV_HIGH,
  MSGHDR_IOV_LOW,
  MSGHDR_WORDS,
  SOL_TLS,
  TLS_SET_RECORD_TYPE,
  USER_OP_SEND,
} from "../../native/abi.ts";
import { type Connection, ROLE_CLIENT, TRANSPORT_KERNEL } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import { count } from "./exchange-observer.ts";
import { COUNT_KTLS, COUNT_KTLS_FALLBACKS, KTLS_FALLBACKS, type KtlsFallback } from "./metrics.ts";
import {
  KERNEL_ATTACHED,
  KERNEL_BOTH,
  KERNEL_NONE,
  KERNEL_OUTPUT,
  KERNEL_OUTPUT_ONLY,
  type TlsSession,
} from "./tls-session.ts";

/** "preferred": what the kernel does not take stays in user space; "required": it is refused. */
export type KernelMode = "off" | "preferred" | "required";

/** The native calls of kernel TLS; see runtime/native.ts. */
export interface KernelCalls {
  tlsToKernel(owner: number, handle: number, fd: number, input: boolean): number;
  tlsInputRest(owner: number, handle: number): number;
  tlsFree(owner: number, handle: number): number;
  ktlsAttach(fd: number): number;
  ktlsReadControl(fd: number): number;
}

/** Where the alert's message lies in the arena: headers, then its only piece. */
const MESSAGE = 256;
const MESSAGE_PIECE = MESSAGE + 64;
const MESSAGE_CONTROL = MESSAGE + 96;
const MESSAGE_BYTES = MESSAGE + 128;

const RECORD_HEADER_BYTES = 5;
const CONTENT_TYPE_ALERT = 21;
const CONTENT_TYPE_HANDSHAKE = 22;
const ALERT_LEVEL_WARNING = 1;
const ALERT_CLOSE_NOTIFY = 0;
const ALERT_USER_CANCELED = 90;
/** How often a peer may say so before its close_notify; OpenSSL's limit. */
const CANCELS_MAX = 4;
const ALERT_BYTES = 2;
const NEW_SESSION_TICKET = 4;

// What a record that is not content says.
/** The peer is done; what it asked for can still be sent. */
export const CONTROL_END = 0;
export const CONTROL_FAILURE = 1;
/** Nothing: another ticket of a server, too late for OpenSSL to keep it, or user_canceled. */
export const CONTROL_NOTHING = 2;

/** More than there are numbers of errors. */
const ERRORS = 256;

/** Shared by all workers of a program: which errors any of them has told already. */
export function toldMemory(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(ERRORS));
}

export class KernelTls {
  private readonly loop: EventLoop;
  private readonly calls: KernelCalls;
  private readonly required: boolean;
  private readonly told: Uint8Array;

  constructor(loop: EventLoop, calls: KernelCalls, required: boolean, told: Uint8Array) {
    this.loop = loop;
    this.calls = calls;
    this.required = required;
    this.told = told;
    this.writeCloseNotify();
  }

  /** A socket has just been connected. False: the connection is to be refused. */
  attach(connection: Connection, session: TlsSession): boolean {
    const result = this.calls.ktlsAttach(connection.fd);
    session.kernel = result === 0 ? KERNEL_ATTACHED : KERNEL_NONE;
    if (result === 0) return true;
    this.noteFallback(result);
    return !this.required;
  }

  /**
   * Gives the kernel what will be sent; everything before it has gone. False: it does not take it,
   * and the connection is to be refused.
   */
  moveOutput(connection: Connection, session: TlsSession): boolean {
    const { owner } = this.loop;
    const result = this.calls.tlsToKernel(owner, session.handle, connection.fd, false);
    session.kernel = result === 0 ? KERNEL_OUTPUT : KERNEL_NONE;
    if (result === 0) {
      this.noteTaken(connection, 0);
      return true;
    }
    this.noteFallback(result);
    return !this.required;
  }

  /**
   * Gives the kernel what will be received, if what has been ends with a record: 0. Above 0: so
   * many bytes, and no more, are to be received first. Below: the kernel does not take it; it stays
   * in user space, or the connection is to be refused.
   */
  moveInput(connection: Connection, session: TlsSession): number {
    const { owner } = this.loop;
    const result = this.calls.tlsToKernel(owner, session.handle, connection.fd, true);
    if (result === -EAGAIN) {
      return this.calls.tlsInputRest(owner, session.handle) || RECORD_HEADER_BYTES;
    }
    if (result < 0) {
      this.noteFallback(result);
      if (!this.required) session.kernel = KERNEL_OUTPUT_ONLY;
      return result;
    }
    this.calls.tlsFree(owner, session.handle);
    session.handle = -1;
    session.kernel = KERNEL_BOTH;
    connection.transport = TRANSPORT_KERNEL;
    this.noteTaken(connection, 1);
    return 0;
  }

  /**
   * A receive met a record that is not content: CONTROL_*. New keys, which 6.1 can't be given, are
   * an end like close_notify.
   */
  readControl(connection: Connection, session: TlsSession): number {
    const control = this.calls.ktlsReadControl(connection.fd);
    if (control < 0) return CONTROL_FAILURE;
    const type = control >> 16;
    if (type === CONTENT_TYPE_ALERT) {
      const alert = control & 0xff;
      if (alert === ALERT_CLOSE_NOTIFY) return CONTROL_END;
      // RFC 8446 §6.1: no failure, close_notify is to follow.
      const isCancel = alert === ALERT_USER_CANCELED && ++session.cancels <= CANCELS_MAX;
      return isCancel ? CONTROL_NOTHING : CONTROL_FAILURE;
    }
    if (type !== CONTENT_TYPE_HANDSHAKE) return CONTROL_FAILURE;
    const isTicket = ((control >> 8) & 0xff) === NEW_SESSION_TICKET;
    if (!isTicket || connection.role === ROLE_CLIENT) return CONTROL_END;
    return session.isTalkative(++session.tickets) ? CONTROL_FAILURE : CONTROL_NOTHING;
  }

  /** Sends close_notify behind all else. */
  sendCloseNotify(connection: Connection, session: TlsSession): void {
    const { sockets, buffers } = this.loop;
    const { fd } = connection;
    connection.sending = true;
    session.notifying = true;
    const address = buffers.addressOf(MESSAGE);
    sockets.submit(connection, USER_OP_SEND, IORING_OP_SENDMSG, fd, address, 1, MSG_NOSIGNAL, 0);
  }

  /** One message does for all: the kernel only reads it. */
  private writeCloseNotify(): void {
    const { bytes, buffers } = this.loop;
    const words = (at: number, count: number) =>
      new Uint32Array(bytes.buffer, bytes.byteOffset + at, count);
    const controlBytes = CMSGHDR_WORDS * Uint32Array.BYTES_PER_ELEMENT + 1;
    const message = words(MESSAGE, MSGHDR_WORDS);
    message[MSGHDR_IOV_LOW] = buffers.addressOf(MESSAGE_PIECE);
    message[MSGHDR_IOV_HIGH] = buffers.addressHigh;
    message[MSGHDR_IOV_COUNT] = 1;
    message[MSGHDR_CONTROL_LOW] = buffers.addressOf(MESSAGE_CONTROL);
    message[MSGHDR_CONTROL_HIGH] = buffers.addressHigh;
    message[MSGHDR_CONTROL_LENGTH] = controlBytes;
    const piece = words(MESSAGE_PIECE, IOVEC_WORDS);
    piece[IOVEC_BASE_LOW] = buffers.addressOf(MESSAGE_BYTES);
    piece[IOVEC_BASE_HIGH] = buffers.addressHigh;
    piece[IOVEC_LENGTH] = ALERT_BYTES;
    const control = words(MESSAGE_CONTROL, CMSGHDR_WORDS);
    control[CMSGHDR_LENGTH_LOW] = controlBytes;
    control[CMSGHDR_LEVEL] = SOL_TLS;
    control[CMSGHDR_TYPE] = TLS_SET_RECORD_TYPE;
    bytes[MESSAGE_CONTROL + controlBytes - 1] = CONTENT_TYPE_ALERT;
    bytes[MESSAGE_BYTES] = ALERT_LEVEL_WARNING;
    bytes[MESSAGE_BYTES + 1] = ALERT_CLOSE_NOTIFY;
  }

  /** Counts a direction: 0 is output. */
  private noteTaken({ role }: Connection, direction: number): void {
    count(this.loop, COUNT_KTLS + (role === ROLE_CLIENT ? 0 : 2) + direction);
  }

  /** Counts a connection that the kernel has not taken; says each cause once, of all workers. */
  private noteFallback(error: number): void {
    count(this.loop, COUNT_KTLS_FALLBACKS + KTLS_FALLBACKS.indexOf(kindOf(-error)));
    if (Atomics.exchange(this.told, -error % ERRORS, 1) !== 0) return;
    const then = this.required ? "it is refused" : "it stays in user space";
    this.loop.onWarning(`kTLS: the kernel did not take a connection, ${then}: ${causeOf(-error)}`);
  }
}

function kindOf(errno: number): KtlsFallback {
  switch (errno) {
    case ENOENT:
      return "no_module";
    case EOPNOTSUPP:
      return "unsupported";
    case ENOTCONN:
      return "closed";
    default:
      return "error";
  }
}

function causeOf(errno: number): string {
  switch (errno) {
    case ENOENT:
      return 'it has no TLS. Load the module: "modprobe tls".';
    case EOPNOTSUPP:
      return (
        "it can't do what the peer wants (its cipher, its version, smaller records or new " +
        "keys). Nothing needs to be done when few peers are concerned."
      );
    case ENOTCONN:
      return "the peer has gone already. Nothing needs to be done.";
    default:
      return `errno ${errno}. A kernel from 6.1 on takes AES-GCM and ChaCha20-Poly1305.`;
  }
}
