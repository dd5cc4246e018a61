// What descriptors stand for in the simulated kernel, and the operations that wait on them.

import type { SimulatedFile } from "./disk.ts";
import type { Hold, Sqe } from "./ring-memory.ts";
import type { Wire } from "./wire.ts";

/** One submission that the kernel has taken and not completed. */
export class Operation {
  readonly sqe: Sqe;
  readonly what: string;
  /** Memory that it reads or writes until it completes. */
  hold: Hold | null = null;
  /** It is in the list of those that can complete, or on its way there. */
  queued = false;
  done = false;
  /** It will complete with -ECANCELED and with nothing else. */
  cancelled = false;
  /** What a connect will end with. */
  result = 0;
  /** What it is about; its descriptor may have been closed since. */
  socket: SocketFile | null = null;
  listener: Listener | null = null;
  event: EventFile | null = null;
  file: SimulatedFile | null = null;

  constructor(sqe: Sqe, what: string) {
    this.sqe = sqe;
    this.what = what;
  }
}

export class Listener {
  readonly kind = "listener";
  /** Connections that nobody has accepted yet. */
  readonly backlog: Wire[] = [];
  accept: Operation | null = null;
}

export class SocketFile {
  readonly kind = "socket";
  wire: Wire | null;
  /** The connection that uses it: slot and generation of its first operation. */
  slot = -1;
  generation = -1;
  receive: Operation | null = null;
  send: Operation | null = null;
  poll: Operation | null = null;
  connect: Operation | null = null;
  /** It stands in the ring's table of files. */
  registered = false;
  /** Its descriptor is closed; it lives as long as an operation on it does. */
  closed = false;

  constructor(wire: Wire | null) {
    this.wire = wire;
  }

  /** Operations that wait for something. */
  get waiting(): Operation[] {
    const all = [this.receive, this.send, this.poll, this.connect];
    return all.filter((operation) => operation !== null);
  }

  forget(operation: Operation): void {
    if (this.receive === operation) this.receive = null;
    if (this.send === operation) this.send = null;
    if (this.poll === operation) this.poll = null;
    if (this.connect === operation) this.connect = null;
  }
}

export class OpenFile {
  readonly kind = "file";
  readonly file: SimulatedFile;

  constructor(file: SimulatedFile) {
    this.file = file;
  }
}

export class OpenFolder {
  readonly kind = "folder";
  /** Below which root, or "" when the folder was opened through one. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }
}

export class EventFile {
  readonly kind = "event";
  count = 0;
  read: Operation | null = null;
}

export type Descriptor = Listener | SocketFile | OpenFile | OpenFolder | EventFile;
