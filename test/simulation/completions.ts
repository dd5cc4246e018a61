// How operations of the simulated kernel complete: as far as their descriptor allows, and as far as
// the seed does.

import {
  ECANCELED,
  ECONNABORTED,
  ECONNRESET,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  ENOTCONN,
  EPIPE,
  ETIMEDOUT,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IORING_CQE_F_SOCK_NONEMPTY,
  IORING_OP_ACCEPT,
  IORING_OP_CONNECT,
  IORING_OP_POLL_ADD,
  IORING_OP_READ,
  IORING_OP_RECV,
  IORING_OP_SEND,
  IORING_RECV_MULTISHOT,
  IOSQE_BUFFER_SELECT,
  POLLERR,
  POLLHUP,
  POLLOUT,
} from "zproxy/native/abi.ts";
import { type Operation, SocketFile } from "./descriptors.ts";
import { chance } from "./faults.ts";
import type { Kernel } from "./kernel.ts";
import { watch } from "./submissions.ts";
import type { Wire } from "./wire.ts";

const ACCEPT_ERRORS = [EMFILE, ENFILE, ECONNABORTED, ECANCELED];
const OPERATION_ERRORS = [ECANCELED, ENOMEM, ETIMEDOUT];

/** Completes the operation if that can be done; otherwise it goes on waiting. */
export function tryNow(kernel: Kernel, operation: Operation): void {
  switch (operation.sqe.opcode) {
    case IORING_OP_ACCEPT:
      return tryAccept(kernel, operation);
    case IORING_OP_READ:
      return tryRead(kernel, operation);
    case IORING_OP_RECV:
      return tryReceive(kernel, operation.socket!, operation);
    case IORING_OP_SEND:
      return trySend(kernel, operation.socket!, operation);
    case IORING_OP_POLL_ADD:
      return tryPoll(kernel, operation.socket!, operation);
    case IORING_OP_CONNECT:
      return endConnect(kernel, operation.socket!, operation);
  }
}

/** How many of `count` bytes are moved. */
function share(kernel: Kernel, count: number): number {
  const { random, faults } = kernel;
  if (count <= 1 || !chance(random, faults.short)) return count;
  return chance(random, 0.5) ? random.between(1, count) : random.between(1, Math.min(count, 8));
}

/** An error that nobody has caused, or 0. */
function strayError(kernel: Kernel): number {
  const { random, faults } = kernel;
  if (!chance(random, faults.operationFails)) return 0;
  kernel.surroundings.excuse("an operation fails");
  return -random.pick(OPERATION_ERRORS);
}

export function lacksBuffer(kernel: Kernel, { sqe }: Operation): boolean {
  if ((sqe.flags & IOSQE_BUFFER_SELECT) === 0) return false;
  if (!kernel.memory.hasProvided(sqe.bufferGroup)) return true;
  return chance(kernel.random, kernel.faults.noBuffer);
}

export function endReceive(
  kernel: Kernel,
  socket: SocketFile,
  operation: Operation,
  result: number,
  flags = 0,
): void {
  socket.receive = null;
  kernel.finish(operation, result, flags);
  kernel.releaseIfUnused(socket);
}

function tryReceive(kernel: Kernel, socket: SocketFile, operation: Operation): void {
  const { wire } = socket;
  if (wire === null) return endReceive(kernel, socket, operation, -ENOTCONN);
  if (wire.inboundBytes === 0) {
    const result = wire.resetPending ? -ECONNRESET : 0;
    if (result === 0 && !wire.inboundEnded && !wire.broken) return;
    wire.resetPending = false;
    return endReceive(kernel, socket, operation, result);
  }
  const error = strayError(kernel);
  if (error < 0) return endReceive(kernel, socket, operation, error);
  if (lacksBuffer(kernel, operation)) return endReceive(kernel, socket, operation, -ENOBUFS);
  receiveBytes(kernel, socket, operation, wire);
}

function receiveBytes(kernel: Kernel, socket: SocketFile, operation: Operation, wire: Wire): void {
  const { sqe, what } = operation;
  const { memory } = kernel;
  if (operation.hold !== null) {
    // Asserts that the memory is as it was left before the kernel writes to it.
    memory.release(operation.hold, what);
    operation.hold = null;
    const count = share(kernel, Math.min(sqe.len, wire.inboundBytes));
    wire.receive(memory.arenaBytes, sqe.addr, count);
    return endReceive(kernel, socket, operation, count, restFlag(wire));
  }
  const buffer = memory.selectBuffer(sqe.bufferGroup);
  const count = share(kernel, Math.min(buffer.bytes, wire.inboundBytes));
  wire.receive(memory.arenaBytes, buffer.start, count);
  const flags = IORING_CQE_F_BUFFER | (buffer.bid << IORING_CQE_BUFFER_SHIFT) | restFlag(wire);
  const staysArmed = (sqe.ioprio & IORING_RECV_MULTISHOT) !== 0;
  if (!staysArmed || chance(kernel.random, kernel.faults.receiveEnds)) {
    endReceive(kernel, socket, operation, count, flags);
    return;
  }
  kernel.trace?.(`${what}: ${count}, and goes on`);
  memory.post(sqe.slot, sqe.opGeneration, count, flags | IORING_CQE_F_MORE);
  kernel.wake(operation); // for what is left, or for the end
}

/** What a receive says of bytes, or a FIN, that it has left in the socket. */
function restFlag({ inboundBytes, inboundEnded }: Wire): number {
  return inboundBytes > 0 || inboundEnded ? IORING_CQE_F_SOCK_NONEMPTY : 0;
}

function endSend(kernel: Kernel, socket: SocketFile, operation: Operation, result: number): void {
  socket.send = null;
  kernel.finish(operation, result);
  kernel.releaseIfUnused(socket);
}

function trySend(kernel: Kernel, socket: SocketFile, operation: Operation): void {
  const { wire } = socket;
  if (wire === null) return endSend(kernel, socket, operation, -ENOTCONN);
  const gone = sendError(wire);
  if (gone < 0) return endSend(kernel, socket, operation, gone);
  const { room } = wire;
  if (room === 0) return;
  const error = strayError(kernel);
  if (error < 0) return endSend(kernel, socket, operation, error);
  const { copy } = operation.hold!;
  const count = share(kernel, Math.min(room, copy!.length));
  wire.transmit(copy!.subarray(0, count));
  endSend(kernel, socket, operation, count);
}

/** What a send fails with: a reset is told once. */
export function sendError(wire: Wire): number {
  if (wire.resetPending) {
    wire.resetPending = false;
    return -ECONNRESET;
  }
  return wire.broken || wire.finSent ? -EPIPE : 0;
}

function tryPoll(kernel: Kernel, socket: SocketFile, operation: Operation): void {
  const { wire } = socket;
  const gone = wire === null || wire.broken;
  if (!gone && wire.room === 0) return;
  socket.poll = null;
  kernel.finish(operation, gone ? POLLOUT | POLLERR | POLLHUP : POLLOUT);
  kernel.releaseIfUnused(socket);
}

function endConnect(kernel: Kernel, socket: SocketFile, operation: Operation): void {
  socket.connect = null;
  if (socket.wire !== null) watch(kernel, socket, socket.wire);
  kernel.finish(operation, operation.result);
  kernel.releaseIfUnused(socket);
}

function tryAccept(kernel: Kernel, operation: Operation): void {
  const { random, faults, memory } = kernel;
  const listener = operation.listener!;
  const { sqe } = operation;
  while (listener.backlog.length > 0) {
    const fails = chance(random, faults.acceptFails);
    if (fails || !kernel.hasFreeFd) {
      listener.accept = null;
      kernel.finish(operation, fails ? -random.pick(ACCEPT_ERRORS) : -EMFILE);
      return;
    }
    const fd = kernel.open(new SocketFile(listener.backlog.shift()!));
    if (chance(random, faults.acceptEnds)) {
      listener.accept = null;
      kernel.finish(operation, fd);
      return;
    }
    memory.post(sqe.slot, sqe.opGeneration, fd, IORING_CQE_F_MORE);
  }
}

/** The wake-up's eventfd, or a file. */
function tryRead(kernel: Kernel, operation: Operation): void {
  const { sqe, what, event, file } = operation;
  const { memory } = kernel;
  if (event !== null) {
    event.read = null;
    event.count = 0;
    kernel.finish(operation, 8);
    return;
  }
  const start = (sqe.offLow >>> 0) + sqe.offHigh * 2 ** 32;
  const count = Math.min(sqe.len, Math.max(0, file!.bytes.length - start));
  const error = strayError(kernel);
  const take = count === 0 ? 0 : share(kernel, count);
  memory.release(operation.hold!, what);
  operation.hold = null;
  if (error === 0) memory.arenaBytes.set(file!.bytes.subarray(start, start + take), sqe.addr);
  kernel.finish(operation, error < 0 ? error : take);
}
