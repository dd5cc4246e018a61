// The native calls that the data path makes beside `enter`, answered by the simulated kernel.

import {
  EAGAIN,
  EMFILE,
  ENFILE,
  ENOTCONN,
  FILE_STATUS_IS_DIRECTORY,
  FILE_STATUS_IS_REGULAR,
  FILE_STATUS_MTIME_NANOS,
  FILE_STATUS_MTIME_SECS,
  FILE_STATUS_SIZE,
  FILE_STATUS_WORDS,
} from "zproxy/native/abi.ts";
import type { DataCalls } from "zproxy/runtime/data/loop-parts.ts";
import { sendError } from "./completions.ts";
import { SocketFile } from "./descriptors.ts";
import { chance, Violation } from "./faults.ts";
import type { Kernel } from "./kernel.ts";
import { MTIME_NANOS } from "./world.ts";

/** sendfile(2) moves at most so much: what a pipe holds. */
const SENDFILE_BYTES = 65536;

export function directCalls(kernel: Kernel): DataCalls {
  return {
    socket: (owner) => openSocket(kernel, owner),
    peerAddress: (fd, memory, offset) => peerAddress(kernel, fd, memory, offset),
    fileStatus: (fd, words, offset) => fileStatus(kernel, fd, words, offset),
    shutdownWrite: (fd) => shutdownWrite(kernel, fd),
    unacknowledged: (fd) => kernel.socketOf(fd, "SIOCOUTQ").wire?.outboundBytes ?? -ENOTCONN,
    readable: (fd) => (kernel.socketOf(fd, "poll").wire?.hasInbound === false ? 0 : 1),
    sendfile: (socketFd, fileFd, offset, count) =>
      sendfile(kernel, socketFd, fileFd, offset, count),
    close: (fd) => close(kernel, fd),
    letGo: (_, fd) => letGo(kernel, fd),
    takeUp: () => {
      throw new Violation("there is no other worker to take a client over from");
    },
  };
}

function openSocket(kernel: Kernel, owner: number): number {
  const { random, faults } = kernel;
  const fails = chance(random, faults.socketFails);
  const fd = fails ? -random.pick([EMFILE, ENFILE]) : kernel.open(new SocketFile(null));
  if (fd < 0) kernel.surroundings.excuse("no descriptor for a socket");
  else kernel.owners[fd] = owner + 1;
  return fd;
}

function peerAddress(kernel: Kernel, fd: number, memory: Uint8Array, offset: number): number {
  const { wire } = kernel.socketOf(fd, "getpeername");
  if (wire === null || wire.broken) return -ENOTCONN;
  for (let at = 0; at < wire.address.length; at++)
    memory[offset + at] = wire.address.charCodeAt(at);
  return wire.address.length;
}

function fileStatus(kernel: Kernel, fd: number, words: Float64Array, offset: number): number {
  const descriptor = kernel.descriptorOf(fd, "fstat");
  if (descriptor.kind !== "file" && descriptor.kind !== "folder")
    throw new Violation(`fstat: descriptor ${fd} is a ${descriptor.kind}`);
  words.fill(0, offset, offset + FILE_STATUS_WORDS);
  words[offset + FILE_STATUS_IS_DIRECTORY] = descriptor.kind === "folder" ? 1 : 0;
  words[offset + FILE_STATUS_IS_REGULAR] = descriptor.kind === "file" ? 1 : 0;
  if (descriptor.kind === "file") {
    words[offset + FILE_STATUS_SIZE] = descriptor.file.bytes.length;
    words[offset + FILE_STATUS_MTIME_SECS] = descriptor.file.mtimeSecs;
    words[offset + FILE_STATUS_MTIME_NANOS] = MTIME_NANOS;
  }
  return 0;
}

function shutdownWrite(kernel: Kernel, fd: number): number {
  const { wire } = kernel.socketOf(fd, "shutdown");
  if (wire === null || wire.broken) return -ENOTCONN;
  wire.sendFin();
  return 0;
}

function sendfile(
  kernel: Kernel,
  socketFd: number,
  fileFd: number,
  offset: number,
  count: number,
): number {
  const { random, faults } = kernel;
  const { wire } = kernel.socketOf(socketFd, "sendfile");
  const source = kernel.descriptorOf(fileFd, "sendfile");
  if (source.kind !== "file") throw new Violation(`sendfile: descriptor ${fileFd} is no file`);
  if (wire === null) return -ENOTCONN;
  const gone = sendError(wire);
  if (gone < 0) return gone;
  if (wire.room === 0 || chance(random, faults.sendfileAgain)) return -EAGAIN;
  const { file } = source;
  if (chance(random, faults.fileShrinks) && offset < file.bytes.length) {
    file.bytes = file.bytes.subarray(0, offset);
    kernel.surroundings.excuse("a file shrinks");
  }
  const left = Math.max(0, file.bytes.length - offset);
  const most = Math.min(count, left, wire.room, SENDFILE_BYTES);
  const take = most > 1 && chance(random, faults.short) ? random.between(1, most) : most;
  if (take > 0) wire.transmit(file.bytes.subarray(offset, offset + take));
  return take;
}

function close(kernel: Kernel, fd: number): number {
  kernel.owners[fd] = 0;
  kernel.closeFd(fd, "close(2)");
  return 0;
}

/** Another worker may use it from now on. */
function letGo(kernel: Kernel, fd: number): number {
  const { waiting, registered } = kernel.socketOf(fd, "letGo");
  if (waiting.length > 0) throw new Violation("a client is handed over while it is waited for");
  if (registered) throw new Violation("a client is handed over and stays registered");
  return 0;
}
