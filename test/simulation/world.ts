// The unmodified runtime on a simulated kernel: what runtime/control/worker.ts does at start, with
// the kernel's part played by kernel.ts. `run` is a worker's whole life, and ends with the proof
// that nothing is left of it.

import {
  CLOCK_MONOTONIC_MS,
  CLOCK_MONOTONIC_US,
  CLOCK_REALTIME_MILLIS,
  CLOCK_REALTIME_SECS,
  CLOCK_WORDS,
} from "zproxy/native/abi.ts";
import { BalanceMemory } from "zproxy/runtime/control/balance-memory.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { arenaBytes, type BufferCounts } from "zproxy/runtime/data/buffers.ts";
import { ByteMap } from "zproxy/runtime/data/byte-map.ts";
import {
  ConnectionTable,
  REQUEST_BODY,
  RESPONSE_BODY,
  ROLE_CLIENT,
} from "zproxy/runtime/data/connection.ts";
import { ConnectionLimit } from "zproxy/runtime/data/connection-limit.ts";
import { EventLoop } from "zproxy/runtime/data/event-loop.ts";
import { READY_BYTES_MAX } from "zproxy/runtime/data/file-entry.ts";
import { FileStore } from "zproxy/runtime/data/file-store.ts";
import { MULTISHOT_ARMED } from "zproxy/runtime/data/multishot.ts";
import type { RateLimiter } from "zproxy/runtime/data/rate-limiter.ts";
import { Ring } from "zproxy/runtime/data/ring.ts";
import { Route } from "zproxy/runtime/data/route.ts";
import { TICK_MS } from "zproxy/runtime/data/timer-wheel.ts";
import * as upstream from "zproxy/runtime/data/upstream.ts";
import { addressRoom, Server, UpstreamGroup } from "zproxy/runtime/data/upstream-server.ts";
import type { Random } from "../lib/random.ts";
import { CheckedBuffers } from "./checked-buffers.ts";
import { EventFile, Listener, OpenFolder } from "./descriptors.ts";
import { directCalls } from "./direct-calls.ts";
import { Disk } from "./disk.ts";
import { type Faults, Violation } from "./faults.ts";
import { Kernel, type Surroundings } from "./kernel.ts";
import { ObservedRequests } from "./observed-requests.ts";
import { SharedMemory } from "./ring-memory.ts";
import { Schedule } from "./schedule.ts";

const OWNER = 0;
const SOCKADDR_IN_BYTES = 16;
/** More than a run has in all, so that a connect may take as long as it likes. */
const ADDRESSES_MAX = 64;
/** Turns that the last connections may take to close behind `EventLoop.run`. */
const CLOSING_TURNS_MAX = 4000;
/** A client may hold its input, a request, a file and its send queue; an upstream less. */
const BUFFERS_PER_SLOT_MAX = 6;
export const MTIME_SECS = 1_700_000_000;
export const MTIME_NANOS = 7;

export interface WorldSettings {
  readonly program: Program;
  readonly random: Random;
  readonly faults: Faults;
  readonly surroundings: Surroundings;
  readonly counts: BufferCounts;
  readonly bufferRingEntries: number;
  readonly sqEntries: number;
  readonly cqEntries: number;
  readonly slotCountMax: number;
  readonly fdMax: number;
  /** Connections below this slot can be registered with the ring. */
  readonly fixedFileCount: number;
  /** Receives may stay armed. */
  readonly multishot: boolean;
  readonly rateLimiter: RateLimiter | null;
  /** What is told about requests. */
  readonly observes: { readonly log: boolean; readonly metrics: boolean };
  /** max_concurrent_connections; 0 is none. */
  readonly connectionsMax: number;
  /** What the name of each upstream server resolves to at first. */
  readonly addresses: readonly string[];
  readonly realtimeSecs: number;
  /** Virtual time by which everything must be over. */
  readonly secondsMax: number;
  /** Content of the disk: path, with the root's before it, to bytes. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Arenas are used again: mapping a fresh one for each run would be most of its cost. */
const arenas = new Map<number, ArrayBuffer>();

function arenaOf(bytes: number): ArrayBuffer {
  const arena = arenas.get(bytes) ?? new ArrayBuffer(bytes);
  arenas.set(bytes, arena);
  return arena;
}

export class World {
  readonly schedule = new Schedule();
  readonly kernel: Kernel;
  readonly loop: EventLoop;
  readonly table: ConnectionTable;
  readonly buffers: CheckedBuffers;
  readonly listeners = [new Listener(), new Listener()] as const;
  readonly groups: readonly UpstreamGroup[];
  readonly warnings: string[] = [];
  readonly observed: ObservedRequests;
  private readonly settings: WorldSettings;
  private readonly memory: SharedMemory;
  private readonly clock = new Uint32Array(CLOCK_WORDS);
  private readonly wake = new EventFile();
  private readonly files: FileStore;
  private readonly connectionCounts = new Int32Array(1);
  /** Called on the loop when it has been woken up. */
  onWake: () => void = () => {};
  /** Clients that went on elsewhere. */
  handedOver = 0;

  constructor(settings: WorldSettings) {
    const { program, random, faults, counts, fdMax, surroundings, bufferRingEntries } = settings;
    this.settings = settings;
    const disk = new Disk();
    for (const [path, bytes] of settings.files) disk.add(path, bytes, MTIME_SECS);
    this.groups = makeGroups(program);
    const routes = program.routes.map((route, at) => new Route(route, this.groups, at));
    const serverCount = this.groups.reduce((sum, group) => sum + group.servers.length, 0);
    const sockaddrBytes = serverCount * addressRoom(ADDRESSES_MAX);
    const fileBytes = memoryFileBytes(program, disk);
    const arena = arenaOf(arenaBytes(counts, sockaddrBytes + fileBytes));
    const { sqEntries, cqEntries } = settings;
    this.memory = new SharedMemory(arena, sqEntries, cqEntries, bufferRingEntries);
    const { memory, schedule } = this;
    const { fixedFileCount, multishot } = settings;
    this.kernel = new Kernel(
      memory,
      schedule,
      random,
      faults,
      disk,
      surroundings,
      OWNER,
      fdMax,
      fixedFileCount,
    );
    const { kernel } = this;
    this.buffers = new CheckedBuffers(memory.arena, counts, memory.bufferRings, bufferRingEntries);
    this.files = this.openFiles(program, routes, this.buffers.extraBase + sockaddrBytes);
    const { connectionsMax } = settings;
    const limit = new ConnectionLimit(this.connectionCounts, OWNER, connectionsMax);
    this.table = new ConnectionTable(settings.slotCountMax, connectionsMax === 0 ? null : limit);
    this.observed = new ObservedRequests(program, settings.observes);
    this.tickClock();
    const wakeFd = kernel.open(this.wake);
    kernel.owners[wakeFd] = OWNER + 1;
    this.loop = new EventLoop({
      owner: OWNER,
      ring: new Ring(memory.ring, (...args) => this.enter(...args), fixedFileCount, multishot),
      buffers: this.buffers,
      table: this.table,
      slotCountMax: settings.slotCountMax,
      calls: directCalls(kernel),
      owners: kernel.owners,
      clock: this.clock,
      listeners: this.listeners.map((listener) => kernel.open(listener)),
      wakeFd,
      routes,
      files: this.files,
      matchRoute: program.matchRoute,
      isTrustedProxy: program.server.isTrustedProxy ?? null,
      tls: null,
      rateLimiter: settings.rateLimiter,
      idPrefix: "51a0b0c0",
      accessLog: this.observed.log,
      metrics: this.observed.metrics,
      onHandover: (fds) => this.takeOver(fds),
      onWake: () => this.onWake(),
      onWarning: (text) => this.warnings.push(text),
      onNotice: () => {},
    });
    for (const [index, server] of this.groups.flatMap(({ servers }) => servers).entries()) {
      server.placeAddresses(
        this.buffers.extraBase + index * addressRoom(ADDRESSES_MAX),
        ADDRESSES_MAX,
      );
      this.setAddresses(server, settings.addresses);
    }
  }

  /** Lives until the loop has been drained or retired and everything is closed. */
  run(): void {
    this.loop.run();
    for (let turns = 0; this.table.inUse > 0; turns++) {
      if (turns === CLOSING_TURNS_MAX)
        throw new Violation(`${this.table.inUse} slots are never given back`);
      this.loop.turn(TICK_MS);
    }
    // What the kernel has taken and nobody waits for: cancellations, the wake-up's read.
    for (let turns = 0; turns < 4; turns++) this.loop.turn(TICK_MS);
    this.expectNothingLeft();
  }

  /** A worker of the next generation, which has no patience with idle clients. */
  private takeOver(fds: readonly number[]): void {
    for (const fd of fds) {
      this.kernel.owners[fd] = 0;
      this.kernel.giveAway(fd);
    }
    this.handedOver += fds.length;
  }

  /** As the main thread does: an eventfd is signalled, the loop calls `onWake`. */
  signal(): void {
    this.kernel.signal(this.wake);
  }

  private enter(toSubmit: number, minComplete: number, timeoutMs: number): number {
    if (this.schedule.now > this.settings.secondsMax * 1e6) throw new Violation("it never ends");
    const { buffers, table } = this;
    // What comes early lies in the group of armed receives.
    if (buffers.inUse > table.inUse * BUFFERS_PER_SLOT_MAX + this.settings.counts.multishot)
      throw new Violation(`${buffers.inUse} buffers in use by ${table.inUse} connections`);
    this.expectArmed();
    if (timeoutMs > 0 && this.loop.sockets.multishot.isDue)
      throw new Violation("it waits, with what somebody has asked for at hand");
    const result = this.kernel.enter(toSubmit, minComplete, timeoutMs);
    this.tickClock();
    return result;
  }

  /** Receives stay armed for short messages, and for those who keep up with them. */
  private expectArmed(): void {
    for (const connection of this.table.list) {
      const { slot, multishot, earlyCount, receiving, requestState, responseState } = connection;
      if (multishot !== MULTISHOT_ARMED || connection.closing) continue;
      if (earlyCount > 1)
        throw new Violation(`slot ${slot} is sent ${earlyCount} buffers ahead, and takes more`);
      const isClient = connection.role === ROLE_CLIENT;
      const inBody = isClient ? requestState === REQUEST_BODY : responseState === RESPONSE_BODY;
      if (receiving && inBody)
        throw new Violation(`slot ${slot} receives a body on an armed receive`);
    }
  }

  private tickClock(): void {
    const { now } = this.schedule;
    this.clock[CLOCK_MONOTONIC_MS] = Math.floor(now / 1000);
    this.clock[CLOCK_MONOTONIC_US] = now;
    this.clock[CLOCK_REALTIME_SECS] = this.settings.realtimeSecs + Math.floor(now / 1e6);
    this.clock[CLOCK_REALTIME_MILLIS] = Math.floor(now / 1000) % 1000;
  }

  /** What connections hold when all that is left of them is open and idle: nothing. */
  get idleProblem(): string {
    const { buffers, groups, memory } = this;
    if (buffers.inUse > 0) return `${buffers.inUse} buffers in use by idle connections`;
    // The wake-up's read waits for ever.
    if (memory.holdCount > 1) return `${memory.holdCount} ranges held by the kernel`;
    for (const { name, servers } of groups) {
      for (const { state } of servers)
        if (state.inFlight !== 0) return `${state.inFlight} requests in flight to ${name}`;
    }
    return "";
  }

  private expectNothingLeft(): void {
    const { table, loop, kernel, groups } = this;
    const problem = this.idleProblem;
    if (problem !== "") throw new Violation(problem);
    if (table.inUse + table.clientCount + table.upstreamCount !== 0)
      throw new Violation(`slots: ${table.inUse} ${table.clientCount} ${table.upstreamCount}`);
    if (this.connectionCounts[0] !== 0) throw new Violation("the limit counts a connection");
    if (loop.timers.active !== 0) throw new Violation(`${loop.timers.active} timers left`);
    if (loop.fileCache!.size !== 0) throw new Violation(`${loop.fileCache!.size} files are cached`);
    for (const { servers } of groups) {
      for (const { idleCount, idleTop } of servers)
        if (idleCount !== 0 || idleTop !== null) throw new Violation("a pool is not empty");
    }
    for (const [fd, descriptor] of kernel.fds.entries()) {
      if (descriptor?.kind === "socket" || descriptor?.kind === "file")
        throw new Violation(`descriptor ${fd} is left open: a ${descriptor.kind}`);
      const owned = kernel.owners[fd] !== 0;
      if (owned !== (descriptor === this.wake))
        throw new Violation(`descriptor ${fd} has the owner ${kernel.owners[fd]}`);
    }
    const fixed = kernel.fixedFiles.findIndex((file) => file !== null);
    if (fixed >= 0) throw new Violation(`file ${fixed} is left registered`);
    if (kernel.pending !== 1) throw new Violation(`${kernel.pending} operations are left`);
  }

  /** Opens the roots of file routes and fills the memory routes' part of the arena. */
  private openFiles(program: Program, routes: readonly Route[], start: number): FileStore {
    const types = new Map([
      ["txt", "text/plain; charset=utf-8"],
      ["bin", "application/x-simulated"],
    ]);
    const store = new FileStore(types, "BOUNDARY0123456789");
    const { disk } = this.kernel;
    let at = start;
    program.routes.forEach((settings, index) => {
      if (settings.kind !== "file") return;
      const route = routes[index]!;
      route.isDirectory = disk.folders.has(settings.path);
      if (settings.mode === "sendfile") {
        route.rootFd = this.kernel.open(new OpenFolder(route.isDirectory ? settings.path : ""));
        return;
      }
      route.memory = new ByteMap();
      for (const [path, { bytes }] of disk.files) {
        if (!path.startsWith(`${settings.path}/`)) continue;
        const key = Buffer.from(path.slice(settings.path.length + 1));
        const entry = store.addMemoryFile();
        const type = store.typeOf(key, 0, key.length);
        entry.describe(type, bytes.length, MTIME_SECS, MTIME_NANOS, this.settings.realtimeSecs);
        at = entry.place(this.buffers.bytes, at, bytes);
        route.memory.set(key, store.memory.length - 1);
      }
    });
    return store;
  }

  /** As a worker does when the main thread has resolved a name: called on the loop. */
  setAddresses(server: Server, literals: readonly string[]): void {
    const view = new DataView(this.buffers.bytes.buffer);
    upstream.setAddresses(this.loop, server, literals, (offset, literal, port) => {
      view.setUint16(offset, 2, true);
      view.setUint16(offset + 2, port);
      this.buffers.bytes.set(literal.split(".").map(Number), offset + 4);
      return SOCKADDR_IN_BYTES;
    });
  }
}

function makeGroups(program: Program): UpstreamGroup[] {
  const memory = new BalanceMemory(1).groupsOf(program);
  return program.upstreams.map((settings, index) => {
    const { servers, cursor } = memory[index]!;
    const made = settings.servers.map((server, at) => new Server(server, servers[at]!));
    return new UpstreamGroup(settings, made, cursor);
  });
}

function memoryFileBytes(program: Program, disk: Disk): number {
  let sum = 0;
  for (const route of program.routes) {
    if (route.kind !== "file" || route.mode !== "memory") continue;
    for (const [path, { bytes }] of disk.files)
      if (path.startsWith(`${route.path}/`)) sum += READY_BYTES_MAX + bytes.length;
  }
  return sum;
}
