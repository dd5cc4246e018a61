// The simulated kernel: descriptors and operations behind the ring's memory, in virtual time. What
// an operation does is done the moment its completion is posted, as in a ring with DEFER_TASKRUN;
// when that is, in what order, and how much it moves is the seed's choice.

import { EMFILE, IORING_OP_CLOSE } from "zproxy/native/abi.ts";
import type { Random } from "../lib/random.ts";
import { tryNow } from "./completions.ts";
import {
  type Descriptor,
  EventFile,
  type Listener,
  type Operation,
  type SocketFile,
} from "./descriptors.ts";
import type { Disk } from "./disk.ts";
import { chance, type Faults, Violation } from "./faults.ts";
import type { SharedMemory } from "./ring-memory.ts";
import type { Schedule } from "./schedule.ts";
import { take } from "./submissions.ts";
import type { Wire } from "./wire.ts";

/** How a connect ends: the connection, or -errno; null: never. */
export type ConnectOutcome = Wire | number | null;

/** What the kernel asks its surroundings, and tells them. */
export interface Surroundings {
  /** A connect to a port of an address; the outcome is known to the server after `latency`. */
  connect(
    port: number,
    address: string,
  ): { readonly outcome: ConnectOutcome; readonly latency: number };
  /** A fault that can break any exchange has struck. */
  excuse(reason: string): void;
}

const FIRST_FD = 3;
/** How late an operation may be that could have completed before. */
export const LATE_US = 20_000;

export class Kernel {
  readonly memory: SharedMemory;
  readonly schedule: Schedule;
  readonly owners: Uint8Array;
  readonly disk: Disk;
  readonly faults: Faults;
  readonly random: Random;
  readonly fds: (Descriptor | null)[] = [];
  /** Files that are registered with the ring, by slot. */
  readonly fixedFiles: (SocketFile | null)[];
  readonly surroundings: Surroundings;
  readonly ownerMark: number;
  private readonly fdMax: number;
  private ready: Operation[] = [];
  /** Operations taken and not completed. */
  pending = 0;
  /** Connections by slot and generation that have been: none may come again. */
  readonly seen = new Set<number>();
  enters = 0;
  /** This call only makes room in the queue: the rest of what the runtime is doing comes later. */
  private flushing = false;
  /** Told of every completion, for the reader of a failure. */
  trace: ((line: string) => void) | null = null;

  constructor(
    memory: SharedMemory,
    schedule: Schedule,
    random: Random,
    faults: Faults,
    disk: Disk,
    surroundings: Surroundings,
    owner: number,
    fdMax: number,
    fixedFileCount: number,
  ) {
    this.memory = memory;
    this.schedule = schedule;
    this.random = random;
    this.faults = faults;
    this.disk = disk;
    this.surroundings = surroundings;
    this.ownerMark = owner + 1;
    this.fdMax = fdMax;
    this.fixedFiles = new Array<SocketFile | null>(fixedFileCount).fill(null);
    this.owners = new Uint8Array(fdMax);
    for (let fd = 0; fd < FIRST_FD; fd++) this.fds.push(new EventFile());
  }

  // ── Descriptors ───────────────────────────────────────────────────────────────────────────────

  /** Opens the lowest free descriptor, as Linux does; -EMFILE when there is none. */
  open(descriptor: Descriptor): number {
    let fd = FIRST_FD;
    while (fd < this.fds.length && this.fds[fd] !== null) fd++;
    if (fd >= this.fdMax) return -EMFILE;
    this.fds[fd] = descriptor;
    return fd;
  }

  /** Whether `socket` and accept find a descriptor. */
  get hasFreeFd(): boolean {
    return this.fds.includes(null) || this.fds.length < this.fdMax;
  }

  descriptorOf(fd: number, what: string): Descriptor {
    const descriptor = this.fds[fd];
    if (descriptor === undefined || descriptor === null)
      throw new Violation(`${what}: EBADF, descriptor ${fd} is not open`);
    return descriptor;
  }

  private socketFileOf(fd: number, what: string): SocketFile {
    const socket = this.descriptorOf(fd, what);
    if (socket.kind !== "socket") throw new Violation(`${what}: descriptor ${fd} is no socket`);
    return socket;
  }

  /** A socket of the worker's own. */
  socketOf(fd: number, what: string): SocketFile {
    const socket = this.socketFileOf(fd, what);
    // A close behind it in the queue has struck the descriptor out already.
    const isStruck = this.flushing || this.memory.isQueued(IORING_OP_CLOSE, fd);
    if (this.owners[fd] !== this.ownerMark && !isStruck)
      throw new Violation(`${what}: descriptor ${fd} is not entered in the owner table`);
    return socket;
  }

  /** A socket that is registered with the ring; null: none is, as registering it has failed. */
  fixedSocketOf(index: number, what: string): SocketFile | null {
    const socket = this.fixedFiles[index];
    if (socket === undefined) throw new Violation(`${what}: file ${index} is beyond the table`);
    if (socket?.closed === true) throw new Violation(`${what}: its descriptor is closed`);
    return socket;
  }

  /** Puts a socket into the table of files, or takes out what is there. */
  setFixedFile(index: number, socket: SocketFile | null, what: string): void {
    if (index >= this.fixedFiles.length)
      throw new Violation(`${what}: file ${index} is beyond the table`);
    const before = this.fixedFiles[index] ?? null;
    if (before !== null && socket !== null)
      throw new Violation(`${what}: file ${index} is registered already`);
    this.fixedFiles[index] = socket;
    if (socket !== null) socket.registered = true;
    if (before === null) return;
    before.registered = false;
    this.releaseIfUnused(before);
  }

  /**
   * A client goes on elsewhere, where it is only told that nothing more comes: a reset would take
   * away what is still on its way to it.
   */
  giveAway(fd: number): void {
    const { wire, waiting, registered } = this.socketFileOf(fd, "handed over");
    if (waiting.length > 0 || registered)
      throw new Violation(`descriptor ${fd} is handed over with something under way`);
    this.fds[fd] = null;
    if (wire === null) return;
    wire.onServerChange = () => {};
    wire.sendFin();
  }

  closeFd(fd: number, what: string): void {
    const descriptor = this.descriptorOf(fd, what);
    this.fds[fd] = null;
    if (descriptor.kind !== "socket") return;
    descriptor.closed = true;
    this.releaseIfUnused(descriptor);
  }

  /** A socket says FIN or RST when nothing refers to it any more. */
  releaseIfUnused(socket: SocketFile): void {
    if (!socket.closed || socket.registered || socket.wire === null) return;
    if (socket.waiting.length > 0) return;
    const { wire } = socket;
    socket.wire = null;
    wire.onServerChange = () => {};
    wire.closeServer();
  }

  /** A connection of a client has reached the listener. */
  arrive(listener: Listener, wire: Wire): void {
    listener.backlog.push(wire);
    if (listener.accept !== null) this.wake(listener.accept);
  }

  signal(event: EventFile): void {
    event.count++;
    if (event.read !== null) this.wake(event.read);
  }

  // ── enter ─────────────────────────────────────────────────────────────────────────────────────

  enter(toSubmit: number, minComplete: number, timeoutMs: number): number {
    const { memory, schedule, faults, random } = this;
    this.enters++;
    this.flushing = minComplete === 0;
    memory.takeProvided();
    memory.flushBacklog();
    if (toSubmit !== memory.unsubmitted)
      throw new Violation(`submits ${toSubmit} of ${memory.unsubmitted} SQEs`);
    const cut = toSubmit > 1 && chance(random, faults.cutSubmission);
    const count = cut ? random.between(1, toSubmit - 1) : toSubmit;
    for (let index = 0; index < count; index++) take(this, memory.takeSqe());
    if (cut) return count;
    const until = schedule.now + timeoutMs * 1000;
    this.complete();
    while (memory.completions < minComplete) {
      if (chance(random, faults.wakeUp)) break;
      if (schedule.next > until) {
        schedule.now = until;
        break;
      }
      schedule.step();
      // What happens at the same moment is seen together.
      while (schedule.next <= schedule.now) schedule.step();
      this.complete();
    }
    schedule.now += random.below(30); // the turn's own time
    return count;
  }

  /** Lets operations complete that can: all, or with `reorder` some, in any order. */
  private complete(): void {
    const { random, faults } = this;
    for (let rounds = 0; this.ready.length > 0 && rounds < 64; rounds++) {
      const batch = this.ready;
      this.ready = [];
      const mixed = faults.reorder > 0 && chance(random, faults.reorder);
      const count = mixed ? random.between(1, batch.length) : batch.length;
      for (let index = 0; index < count; index++) {
        const at = mixed ? random.below(batch.length) : 0;
        const [operation] = batch.splice(at, 1);
        operation!.queued = false;
        if (!operation!.done && !operation!.cancelled) tryNow(this, operation!);
      }
      this.ready.push(...batch);
      if (mixed) return;
    }
  }

  /** Queues an operation that may be able to complete now. */
  wake(operation: Operation): void {
    if (operation.queued || operation.done) return;
    operation.queued = true;
    if (chance(this.random, this.faults.late)) {
      this.schedule.after(this.random.below(LATE_US), () => this.ready.push(operation));
    } else {
      this.ready.push(operation);
    }
  }

  finish(operation: Operation, result: number, flags = 0): void {
    const { sqe, hold, what } = operation;
    this.trace?.(`${what}: ${result}`);
    if (hold !== null) this.memory.release(hold, what);
    operation.done = true;
    this.pending--;
    this.memory.post(sqe.slot, sqe.opGeneration, result, flags);
  }
}
