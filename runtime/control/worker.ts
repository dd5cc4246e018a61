// A worker thread: builds the data path from the compiled program, then runs its loop until it is
// told to drain. Whatever this file does happens once, before the first request.

import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { ENGINE_IO_URING } from "../../native/abi.ts";
import type { Program } from "../data/api.ts";
import { arenaBytes, Buffers, GROUPS } from "../data/buffers.ts";
import { ConnectionTable } from "../data/connection.ts";
import { ConnectionLimit } from "../data/connection-limit.ts";
import { EventLoop } from "../data/event-loop.ts";
import { adopt } from "../data/handover.ts";
import { KIND_NOTICE, KIND_WARNING } from "../data/log-record.ts";
import { LogRingWriter } from "../data/log-ring.ts";
import { WorkerMetrics } from "../data/metrics.ts";
import { RateLimiter } from "../data/rate-limiter.ts";
import { Ring } from "../data/ring.ts";
import { Route } from "../data/route.ts";
import type { TlsParts } from "../data/tls.ts";
import * as upstream from "../data/upstream.ts";
import { addressRoom, Server, UpstreamGroup, type WriteSockaddr } from "../data/upstream-server.ts";
import { type Addon, loadAddon, type Mapping, type RingMemory } from "../native.ts";
import type { GroupMemory } from "./balance-memory.ts";
import { memoryBytes, openRoots, placeMemoryFiles, readMemoryFiles } from "./file-loader.ts";
import type { ArenaPages } from "./huge-pages.ts";
import type { FromWorker, ServerAddresses, ToWorker, WorkerStart } from "./messages.ts";
import { writeSentence } from "./worker-log.ts";
import {
  ADDRESSES_MAX,
  BUFFER_COUNTS,
  BUFFER_RING_ENTRIES,
  CONNECTIONS_MAX,
  CQ_ENTRIES,
  SQ_ENTRIES,
} from "./worker-sizes.ts";

/** Runs in a thread of its own until the main thread ends it. */
export function runWorker(program: Program, start: WorkerStart): void {
  new WorkerThread(program, start).run();
}

class WorkerThread {
  private readonly addon: Addon;
  private readonly groups: readonly UpstreamGroup[];
  private readonly loop: EventLoop;
  private readonly wakeFd: number;
  private readonly buffers: Buffers;
  private readonly arena: ArenaPages;

  constructor(program: Program, start: WorkerStart) {
    const addon = loadAddon(start.addonPath);
    this.addon = addon;
    const pinned = addon.pinThread(start.cpu);
    this.groups = makeGroups(program, start.balance);
    const routes = program.routes.map((settings, at) => new Route(settings, this.groups, at));
    if (FILE_ROUTES) openRoots(program, routes, addon, start.owner);
    const memoryFiles = FILE_ROUTES ? readMemoryFiles(program) : [];
    const hosts = program.upstreams.flatMap(({ servers }) => servers.map(({ host }) => host));
    const sockaddrBytes = hosts.reduce((sum, host) => sum + addressRoom(addressesMax(host)), 0);

    const ring = addon.ringOpen(start.owner, SQ_ENTRIES, CQ_ENTRIES, start.engine);
    const memory = expect(ring, "ringOpen");
    const { handle } = memory;
    const fileBytes = FILE_ROUTES ? memoryBytes(memoryFiles) : 0;
    const bytes = arenaBytes(BUFFER_COUNTS, sockaddrBytes + fileBytes);
    const hugePages = program.server.hugePages === true;
    const arena = expect(addon.map(start.owner, bytes, hugePages), "mmap");
    this.arena = { pages: arena.pages, bytes };
    const bufferRing = (group: number): Mapping =>
      expect(addon.ringBuffers(handle, group, BUFFER_RING_ENTRIES), "io_uring_register");
    const rings = GROUPS.map(bufferRing);
    this.buffers = new Buffers(arena, BUFFER_COUNTS, rings, BUFFER_RING_ENTRIES);
    this.placeAddresses(hosts);
    const filesAt = this.buffers.extraBase + sockaddrBytes;
    const files = FILE_ROUTES
      ? placeMemoryFiles(memoryFiles, routes, this.buffers.bytes, filesAt)
      : null;
    this.wakeFd = addon.eventfd(start.owner);
    const log = new LogRingWriter(start.logMemory, start.logRecordsMax, sayFilling);
    this.loop = new EventLoop({
      owner: start.owner,
      ring: ringOver(memory, addon, start.engine === ENGINE_IO_URING),
      buffers: this.buffers,
      table: new ConnectionTable(CONNECTIONS_MAX, limitOf(program, start)),
      slotCountMax: CONNECTIONS_MAX,
      calls: addon,
      owners: addon.owners(),
      clock: addon.ringClock(handle),
      listeners: start.listeners,
      wakeFd: this.wakeFd,
      routes,
      files,
      tls: tlsParts(program, start, this.groups, addon),
      matchRoute: program.matchRoute,
      isTrustedProxy: program.server.isTrustedProxy ?? null,
      rateLimiter:
        RATE_LIMITS && start.rateWords ? new RateLimiter(start.rateWords, start.owner) : null,
      idPrefix: randomBytes(4).toString("hex"),
      accessLog: program.server.logging.accessLog ? log : undefined,
      metrics: start.metricsMemory ? new WorkerMetrics(start.metricsMemory) : undefined,
      onWake: () => this.onWake(),
      waits: true,
      onHandover: (fds) => say({ type: "handover", fds }),
      onRetired: () => say({ type: "retired" }),
      onWarning: (text) => {
        writeSentence(log, KIND_WARNING, `worker ${start.index}: ${text}`);
        sayFilling();
      },
      onNotice: (text) => writeSentence(log, KIND_NOTICE, `worker ${start.index}: ${text}`),
    });
    if (pinned < 0) this.loop.onWarning(unpinned(start.cpu, -pinned));
    start.addresses.forEach((servers, group) => {
      servers.forEach((addresses, server) => {
        this.setAddresses(group, server, addresses);
      });
    });
  }

  run(): void {
    say({ type: "ready", wakeFd: this.wakeFd, arena: this.arena });
    this.loop.run();
  }

  private onWake(): void {
    for (;;) {
      const received = receiveMessageOnPort(parentPort!);
      if (received === undefined) return;
      this.onMessage(received.message as ToWorker);
    }
  }

  private onMessage(message: ToWorker): void {
    switch (message.type) {
      case "drain":
        this.loop.drain();
        return;
      case "accept":
        this.loop.accept();
        return;
      case "retire":
        this.loop.retire(message.handsOver);
        return;
      case "adopt":
        for (const fd of message.fds) adopt(this.loop, fd);
        return;
      case "addresses":
        this.setAddresses(message.group, message.server, message.addresses);
        return;
      case "statistics":
        this.sayStatistics();
        return;
      case "ping":
        say({ type: "pong" });
        return;
    }
  }

  private sayStatistics(): void {
    const { table, buffers, timers, tls } = this.loop;
    (globalThis as { gc?: () => void }).gc?.();
    say({
      type: "statistics",
      statistics: {
        connections: table.clientCount,
        upstreamConnections: table.upstreamCount,
        buffersInUse: buffers.inUse,
        slotsInUse: table.inUse,
        timers: timers.active,
        tlsSessions: tls?.sessionCount ?? 0,
        heapUsed: process.memoryUsage().heapUsed,
      },
    });
  }

  /** `hosts`: of all servers in order. */
  private placeAddresses(hosts: readonly string[]): void {
    let base = this.buffers.extraBase;
    for (const [index, server] of this.groups.flatMap(({ servers }) => servers).entries()) {
      const count = addressesMax(hosts[index]!);
      server.placeAddresses(base, count);
      base += addressRoom(count);
    }
  }

  private setAddresses(group: number, index: number, literals: ServerAddresses): void {
    const { addon, buffers, loop } = this;
    const server = this.groups[group]!.servers[index]!;
    const write: WriteSockaddr = (offset, literal, port) =>
      addon.writeSockaddr(buffers.bytes, offset, literal, port);
    if (PROXY_ROUTES) upstream.setAddresses(loop, server, literals, write);
  }
}

function addressesMax(host: string): number {
  return isIP(host) === 0 ? ADDRESSES_MAX : 1;
}

function makeGroups(program: Program, balance: readonly GroupMemory[]): UpstreamGroup[] {
  return program.upstreams.map((settings, index) => {
    const memory = balance[index]!;
    const servers = settings.servers.map((server, at) => new Server(server, memory.servers[at]!));
    return new UpstreamGroup(settings, servers, memory.cursor);
  });
}

/** Makes servers with https known to native code. */
function tlsParts(
  { upstreams }: Program,
  { owner, tls }: WorkerStart,
  groups: readonly UpstreamGroup[],
  addon: Addon,
): TlsParts | null {
  if (tls === null) return null;
  for (const [index, { servers }] of upstreams.entries()) {
    for (const [at, server] of servers.entries()) {
      if (!server.tls) continue;
      const peer = addon.tlsPeer(owner, tls.upstreams[index]!, server.host);
      if (peer < 0) throw new Error(`no TLS with ${server.host}: errno ${-peer}`);
      groups[index]!.servers[at]!.tlsPeer = peer;
    }
  }
  return { calls: addon, context: tls.server, kernel: tls.kernel, told: tls.told };
}

function unpinned(cpu: number, errno: number): string {
  return `can't stay on CPU ${cpu} (errno ${errno}), and runs where the kernel likes`;
}

function limitOf({ server }: Program, { connectionCounts, owner }: WorkerStart) {
  if (server.maxConcurrentConnections === 0) return null;
  return new ConnectionLimit(connectionCounts, owner, server.maxConcurrentConnections);
}

function ringOver(memory: RingMemory, addon: Addon, multishot: boolean): Ring {
  const { handle } = memory;
  return new Ring(
    memory,
    (toSubmit, minComplete, timeoutMs) => addon.ringEnter(handle, toSubmit, minComplete, timeoutMs),
    Math.max(0, addon.ringFixedFiles(handle, CONNECTIONS_MAX)),
    multishot,
  );
}

function expect<T extends object>(value: T | number, what: string): T {
  if (typeof value === "number") throw new Error(`${what} failed with errno ${-value}`);
  return value;
}

function say(message: FromWorker): void {
  parentPort!.postMessage(message);
}

/** Has the log read before its time. */
function sayFilling(): void {
  say({ type: "log" });
}
