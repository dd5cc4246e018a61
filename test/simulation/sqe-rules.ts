// The fields that each operation must leave at zero, as the kernel's own prep functions see it: an
// SQE that breaks these rules is answered with -EINVAL by Linux, and is a Violation here.

import {
  IORING_ACCEPT_MULTISHOT,
  IORING_ASYNC_CANCEL_ALL,
  IORING_ASYNC_CANCEL_FD,
  IORING_OP_ACCEPT,
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_CLOSE,
  IORING_OP_CONNECT,
  IORING_OP_FILES_UPDATE,
  IORING_OP_OPENAT2,
  IORING_OP_POLL_ADD,
  IORING_OP_READ,
  IORING_OP_RECV,
  IORING_OP_SEND,
  IORING_RECV_MULTISHOT,
  IORING_RECVSEND_POLL_FIRST,
  IOSQE_BUFFER_SELECT,
  IOSQE_FIXED_FILE,
  MSG_MORE,
  MSG_NOSIGNAL,
  OPEN_HOW_BYTES,
  POLLOUT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCKADDR_IN_BYTES,
} from "zproxy/native/abi.ts";
import { GROUP_MULTISHOT, GROUPS } from "zproxy/runtime/data/buffers.ts";
import { Violation } from "./faults.ts";
import type { Sqe } from "./ring-memory.ts";

interface Rule {
  readonly name: string;
  /** Whether the SQE may be as it is. */
  readonly allows: (sqe: Sqe) => boolean;
}

const RULES: ReadonlyMap<number, Rule> = new Map([
  [IORING_OP_RECV, { name: "receive", allows: isReceive }],
  [IORING_OP_SEND, { name: "send", allows: isSend }],
  [IORING_OP_CONNECT, { name: "connect", allows: isConnect }],
  [IORING_OP_ACCEPT, { name: "accept", allows: isAccept }],
  [IORING_OP_CLOSE, { name: "close", allows: isClose }],
  [IORING_OP_ASYNC_CANCEL, { name: "cancel", allows: isCancel }],
  [IORING_OP_POLL_ADD, { name: "poll", allows: isPoll }],
  [IORING_OP_READ, { name: "read", allows: isRead }],
  [IORING_OP_OPENAT2, { name: "openat2", allows: isOpen }],
  [IORING_OP_FILES_UPDATE, { name: "files update", allows: isFilesUpdate }],
]);

/** Asserts that the kernel would take the SQE; returns what to call the operation. */
export function expectFields(sqe: Sqe): string {
  const rule = RULES.get(sqe.opcode);
  if (rule === undefined) throw new Violation(`unknown opcode ${sqe.opcode}`);
  const named = (sqe.flags & IOSQE_FIXED_FILE) === 0 ? "descriptor" : "file";
  const what = `${rule.name} of slot ${sqe.slot} on ${named} ${sqe.fd}`;
  if (!rule.allows(sqe)) throw new Violation(`${what}: EINVAL ${JSON.stringify(sqe)}`);
  return what;
}

function hasNoOffset({ offLow, offHigh }: Sqe): boolean {
  return offLow === 0 && offHigh === 0;
}

function hasNoAddress({ addrLow, addrHigh }: Sqe): boolean {
  return addrLow === 0 && addrHigh === 0;
}

function isReceive(sqe: Sqe): boolean {
  const known = IORING_RECVSEND_POLL_FIRST | IORING_RECV_MULTISHOT;
  if ((sqe.ioprio & ~known) !== 0 || sqe.opFlags !== 0 || !hasNoOffset(sqe)) return false;
  const flags = sqe.flags & ~IOSQE_FIXED_FILE;
  const isMultishot = (sqe.ioprio & IORING_RECV_MULTISHOT) !== 0;
  // A group of their own: what an armed receive takes, nobody else may be waiting for.
  if ((sqe.bufferGroup === GROUP_MULTISHOT) !== isMultishot) return false;
  if (flags === IOSQE_BUFFER_SELECT)
    return hasNoAddress(sqe) && sqe.len === 0 && GROUPS.some((it) => it === sqe.bufferGroup);
  return flags === 0 && sqe.addr >= 0 && sqe.len > 0 && sqe.bufferGroup === 0;
}

function isSend(sqe: Sqe): boolean {
  const { flags, ioprio, opFlags, bufferGroup } = sqe;
  const known = MSG_NOSIGNAL | MSG_MORE;
  if ((opFlags & MSG_NOSIGNAL) === 0 || (opFlags & ~known) !== 0) return false;
  const plain = (flags & ~IOSQE_FIXED_FILE) === 0 && ioprio === 0 && bufferGroup === 0;
  return plain && hasNoOffset(sqe) && sqe.len > 0;
}

function isConnect(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.len === 0 && sqe.opFlags === 0;
  return plain && sqe.bufferGroup === 0 && sqe.offHigh === 0 && sqe.offLow >= SOCKADDR_IN_BYTES;
}

function isAccept(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.len === 0 && sqe.bufferGroup === 0;
  const flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  return plain && sqe.ioprio === IORING_ACCEPT_MULTISHOT && sqe.opFlags === flags;
}

function isClose(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.len === 0 && sqe.opFlags === 0;
  return plain && sqe.bufferGroup === 0 && hasNoOffset(sqe) && hasNoAddress(sqe);
}

/** By descriptor and all of them, or the one with this user_data. */
function isCancel(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.len === 0 && hasNoOffset(sqe);
  if (!plain || sqe.bufferGroup !== 0) return false;
  if (sqe.fd < 0) return sqe.opFlags === 0;
  return sqe.opFlags === (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL) && hasNoAddress(sqe);
}

function isPoll(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.len === 0 && sqe.bufferGroup === 0;
  return plain && hasNoOffset(sqe) && hasNoAddress(sqe) && sqe.opFlags === POLLOUT;
}

function isRead(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.opFlags === 0;
  return plain && sqe.bufferGroup === 0 && sqe.addr >= 0 && sqe.len > 0 && sqe.offHigh >= 0;
}

function isOpen(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.opFlags === 0 && sqe.bufferGroup === 0;
  return plain && sqe.addr >= 0 && sqe.len === OPEN_HOW_BYTES && sqe.offHigh !== 0;
}

/** One word for each file, read when the submission is taken. */
function isFilesUpdate(sqe: Sqe): boolean {
  const plain = sqe.flags === 0 && sqe.ioprio === 0 && sqe.opFlags === 0 && sqe.bufferGroup === 0;
  return plain && sqe.fd === -1 && sqe.addr >= 0 && sqe.len === 1 && sqe.offHigh === 0;
}
