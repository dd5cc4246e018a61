// What the simulated kernel does with a submission: checks it as the kernel would, does at once
// what can be done at once, and lets the rest wait on its descriptor.

import {
  EAGAIN,
  EBADF,
  ECANCELED,
  EIO,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOENT,
  ENOMEM,
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
  IORING_RECVSEND_POLL_FIRST,
  IOSQE_BUFFER_SELECT,
  IOSQE_FIXED_FILE,
  USER_OP_RECEIVE,
} from "zproxy/native/abi.ts";
import { endReceive, lacksBuffer, tryNow } from "./completions.ts";
import {
  type Descriptor,
  OpenFile,
  OpenFolder,
  Operation,
  type SocketFile,
} from "./descriptors.ts";
import { chance, Violation } from "./faults.ts";
import { type Kernel, LATE_US } from "./kernel.ts";
import type { Sqe } from "./ring-memory.ts";
import { expectFields } from "./sqe-rules.ts";
import { Wire } from "./wire.ts";

const PATH_BYTES_MAX = 4096;

export function take(kernel: Kernel, sqe: Sqe): void {
  const what = expectFields(sqe);
  const operation = new Operation(sqe, what);
  kernel.pending++;
  switch (sqe.opcode) {
    case IORING_OP_RECV:
      return takeReceive(kernel, operation);
    case IORING_OP_SEND:
      return takeSend(kernel, operation);
    case IORING_OP_CONNECT:
      return takeConnect(kernel, operation);
    case IORING_OP_ACCEPT:
      return takeAccept(kernel, operation);
    case IORING_OP_CLOSE:
      return takeClose(kernel, operation);
    case IORING_OP_ASYNC_CANCEL:
      return takeCancel(kernel, operation);
    case IORING_OP_POLL_ADD:
      return takePoll(kernel, operation);
    case IORING_OP_READ:
      return takeRead(kernel, operation);
    case IORING_OP_OPENAT2:
      return takeOpen(kernel, operation);
    case IORING_OP_FILES_UPDATE:
      return takeFilesUpdate(kernel, operation);
  }
}

/**
 * The socket of an operation, which must be the connection's own. Null: the operation has failed,
 * as its file could not be registered.
 */
function socketFor(kernel: Kernel, operation: Operation): SocketFile | null {
  const { sqe, what } = operation;
  const isFixed = (sqe.flags & IOSQE_FIXED_FILE) !== 0;
  const socket = isFixed ? kernel.fixedSocketOf(sqe.fd, what) : kernel.socketOf(sqe.fd, what);
  operation.socket = socket;
  if (socket === null) {
    if (kernel.faults.operationFails === 0) throw new Violation(`${what}: EBADF`);
    kernel.finish(operation, -EBADF);
    return null;
  }
  const generation = sqe.opGeneration & 0xffffff;
  if (socket.slot < 0) {
    const key = sqe.slot * 0x1000000 + generation;
    if (kernel.seen.has(key)) throw new Violation(`${what}: this generation has been`);
    kernel.seen.add(key);
    socket.slot = sqe.slot;
    socket.generation = generation;
    const { wire } = socket;
    if (wire !== null) watch(kernel, socket, wire);
  } else if (socket.slot !== sqe.slot || socket.generation !== generation) {
    throw new Violation(`${what}: the socket is slot ${socket.slot}'s`);
  }
  return socket;
}

/** Makes the socket's operations look again whenever something happens on the wire. */
export function watch(kernel: Kernel, socket: SocketFile, wire: Wire): void {
  wire.onServerChange = () => {
    for (const operation of socket.waiting) kernel.wake(operation);
  };
}

function takeReceive(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const socket = socketFor(kernel, operation);
  if (socket === null) return;
  if (socket.receive !== null) throw new Violation(`${what}: a receive is under way`);
  socket.receive = operation;
  if ((sqe.flags & IOSQE_BUFFER_SELECT) === 0)
    operation.hold = kernel.memory.holdForWriting(sqe.addr, sqe.len, what);
  const pollFirst = (sqe.ioprio & IORING_RECVSEND_POLL_FIRST) !== 0;
  if (pollFirst || chance(kernel.random, kernel.faults.late)) kernel.wake(operation);
  else if (lacksBuffer(kernel, operation)) endReceive(kernel, socket, operation, -ENOBUFS);
  else tryNow(kernel, operation);
}

function takeSend(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const socket = socketFor(kernel, operation);
  if (socket === null) return;
  if (socket.send !== null) throw new Violation(`${what}: a send is under way`);
  socket.send = operation;
  operation.hold = kernel.memory.holdForReading(sqe.addr, sqe.len, what);
  if (chance(kernel.random, kernel.faults.late)) kernel.wake(operation);
  else tryNow(kernel, operation);
}

function takePoll(kernel: Kernel, operation: Operation): void {
  const socket = socketFor(kernel, operation);
  if (socket === null) return;
  if (socket.poll !== null) throw new Violation(`${operation.what}: a poll is under way`);
  socket.poll = operation;
  kernel.wake(operation);
}

function takeConnect(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const socket = socketFor(kernel, operation);
  if (socket === null) return;
  if (socket.connect !== null || socket.wire !== null)
    throw new Violation(`${what}: EISCONN or EALREADY`);
  socket.connect = operation;
  operation.hold = kernel.memory.holdForReading(sqe.addr, sqe.offLow, what);
  const port = kernel.memory.arenaBytes.readUInt16BE(sqe.addr + 2);
  const address = kernel.memory.arenaBytes.subarray(sqe.addr + 4, sqe.addr + 8).join(".");
  const { outcome, latency } = kernel.surroundings.connect(port, address);
  if (outcome === null) return;
  operation.result = typeof outcome === "number" ? outcome : 0;
  kernel.schedule.after(latency, () => {
    if (operation.cancelled) {
      if (outcome instanceof Wire) outcome.closeServer();
      return;
    }
    if (outcome instanceof Wire) socket.wire = outcome;
    kernel.wake(operation);
  });
}

function takeAccept(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const listener = kernel.descriptorOf(sqe.fd, what);
  if (listener.kind !== "listener") throw new Violation(`${what}: no listener`);
  if (listener.accept !== null) throw new Violation(`${what}: an accept is under way`);
  operation.listener = listener;
  listener.accept = operation;
  kernel.wake(operation);
}

function takeClose(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const socket = kernel.descriptorOf(sqe.fd, what);
  if (socket.kind !== "socket") throw new Violation(`${what}: it is no socket`);
  if (kernel.owners[sqe.fd] !== 0) throw new Violation(`${what}: not struck out of the table`);
  if (socket.slot >= 0 && socket.slot !== sqe.slot)
    throw new Violation(`${what}: descriptor ${sqe.fd} is slot ${socket.slot}'s`);
  kernel.closeFd(sqe.fd, what);
  kernel.finish(operation, 0);
}

function takeCancel(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  if (sqe.fd < 0) {
    if (sqe.addrHigh >>> 24 === USER_OP_RECEIVE) cancelReceive(kernel, operation);
    else cancelAccept(kernel, operation);
    return;
  }
  // Struck out of the owner table already: the close stands behind it in the queue.
  const socket = kernel.descriptorOf(sqe.fd, what);
  if (socket.kind !== "socket" || socket.slot !== sqe.slot)
    throw new Violation(`${what}: not a socket of its own`);
  const { waiting } = socket;
  for (const other of waiting) cancelOn(kernel, socket, other);
  kernel.finish(operation, waiting.length === 0 ? -ENOENT : waiting.length);
}

function cancelOn(kernel: Kernel, socket: SocketFile, operation: Operation): void {
  // One that could complete may still do so; the end of another may take its time.
  if (operation.queued && chance(kernel.random, kernel.faults.reorder)) tryNow(kernel, operation);
  if (operation.done) return;
  socket.forget(operation);
  cancel(kernel, operation);
}

/** The receive with this user_data; nothing else of its socket. */
function cancelReceive(kernel: Kernel, operation: Operation): void {
  const { addrLow, addrHigh } = operation.sqe;
  for (const descriptor of kernel.fds) {
    if (descriptor?.kind !== "socket" || descriptor.receive === null) continue;
    const { receive } = descriptor;
    if (receive.sqe.slot !== addrLow || receive.sqe.opGeneration !== addrHigh) continue;
    cancelOn(kernel, descriptor, receive);
    kernel.finish(operation, 0);
    return;
  }
  kernel.finish(operation, -ENOENT);
}

function cancel(kernel: Kernel, operation: Operation): void {
  operation.cancelled = true;
  if (!chance(kernel.random, kernel.faults.late)) {
    kernel.finish(operation, -ECANCELED);
    return;
  }
  kernel.schedule.after(kernel.random.below(LATE_US), () => kernel.finish(operation, -ECANCELED));
}

function cancelAccept(kernel: Kernel, operation: Operation): void {
  const { addrLow, addrHigh } = operation.sqe;
  for (const descriptor of kernel.fds) {
    if (descriptor?.kind !== "listener" || descriptor.accept === null) continue;
    const { accept } = descriptor;
    if (accept.sqe.slot !== addrLow || accept.sqe.opGeneration !== addrHigh) continue;
    descriptor.accept = null;
    kernel.finish(accept, -ECANCELED);
    kernel.finish(operation, 0);
    return;
  }
  kernel.finish(operation, -ENOENT);
}

function takeRead(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const descriptor = kernel.descriptorOf(sqe.fd, what);
  operation.hold = kernel.memory.holdForWriting(sqe.addr, sqe.len, what);
  if (descriptor.kind === "event") {
    operation.event = descriptor;
    if (sqe.len !== 8 || descriptor.read !== null) throw new Violation(`${what}: eventfd`);
    descriptor.read = operation;
    if (descriptor.count > 0) kernel.wake(operation);
    return;
  }
  if (descriptor.kind !== "file") throw new Violation(`${what}: descriptor ${sqe.fd} is no file`);
  operation.file = descriptor.file;
  kernel.wake(operation);
}

function takeOpen(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const { memory, random, faults } = kernel;
  const root = kernel.descriptorOf(sqe.fd, what);
  if (root.kind !== "folder") throw new Violation(`${what}: ENOTDIR`);
  const bytes = memory.arenaBytes;
  const end = bytes.indexOf(0, sqe.addr);
  if (end < 0 || end - sqe.addr >= PATH_BYTES_MAX) throw new Violation(`${what}: endless path`);
  const path = bytes.toString("latin1", sqe.addr, end);
  operation.hold = memory.holdForReading(sqe.addr, end + 1 - sqe.addr, what);
  // A kernel thread opens it: always later, and no cancellation by descriptor finds it.
  kernel.schedule.after(random.below(random.pick([100, LATE_US, LATE_US * 10])), () => {
    let found: Descriptor | number;
    if (chance(random, faults.openAgain)) found = -EAGAIN;
    else if (chance(random, faults.openFails)) {
      found = -random.pick([EMFILE, ENFILE, EIO]);
      kernel.surroundings.excuse("openat2 fails");
    } else found = openPath(kernel, root, path);
    operation.result = typeof found === "number" ? found : kernel.open(found);
    if (operation.result === -EMFILE) kernel.surroundings.excuse("out of descriptors");
    kernel.finish(operation, operation.result);
  });
}

function openPath(kernel: Kernel, root: OpenFolder, path: string): Descriptor | number {
  const found = kernel.disk.find(root.root, path);
  if (typeof found === "number") return found;
  return found === "folder" ? new OpenFolder("") : new OpenFile(found);
}

/** Takes effect at once; its completion may take its time. */
function takeFilesUpdate(kernel: Kernel, operation: Operation): void {
  const { sqe, what } = operation;
  const { memory, random, faults } = kernel;
  memory.expectInside(sqe.addr, 4, what);
  const fd = memory.arenaBytes.readInt32LE(sqe.addr);
  const generation = sqe.opGeneration & 0xffffff;
  let result = 1;
  if (fd >= 0) {
    const socket = kernel.socketOf(fd, what);
    if (socket.slot !== sqe.slot || socket.generation !== generation)
      throw new Violation(`${what}: descriptor ${fd} is slot ${socket.slot}'s`);
    if (chance(random, faults.operationFails)) {
      result = -ENOMEM;
      kernel.surroundings.excuse("a file is not registered");
    } else kernel.setFixedFile(sqe.offLow, socket, what);
  } else {
    const before = kernel.fixedFiles[sqe.offLow] ?? null;
    if (before !== null && (before.slot !== sqe.slot || before.generation !== generation))
      throw new Violation(`${what}: the file is slot ${before.slot}'s`);
    kernel.setFixedFile(sqe.offLow, null, what);
  }
  if (!chance(random, faults.late)) kernel.finish(operation, result);
  else kernel.schedule.after(random.below(LATE_US), () => kernel.finish(operation, result));
}
