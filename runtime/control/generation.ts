// The workers of one program, with what the main thread does for them. A reload starts the next
// generation beside this one; this one then stops accepting, lets its clients go on with the other,
// finishes what is under way and ends.

import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { releaseLocks } from "../data/rate-limiter.ts";
import type { Addon } from "../native.ts";
import type { BalanceMemory, GroupMemory } from "./balance-memory.ts";
import { addonPathOf, type Bundle, type Description, startThread } from "./bundle.ts";
import type { CountStore, GenerationCounts } from "./counts.ts";
import { HealthChecks } from "./health-check.ts";
import type { ArenaPages } from "./huge-pages.ts";
import type { Listeners } from "./listeners.ts";
import type { LogChannels } from "./log-channel.ts";
import type {
  FromWorker,
  ServerAddresses,
  ToWorker,
  WorkerStart,
  WorkerStatistics,
} from "./messages.ts";
import type { Owners } from "./owners.ts";
import { RequestLines } from "./request-line.ts";
import { type KnownNames, Resolver } from "./resolver.ts";
import { StartError } from "./start-error.ts";
import type { TlsKeys } from "./tls-keys.ts";

/** A worker that dies at once is not restarted faster than this. */
const RESTART_DELAY_MS = 100;
/** How long a reload waits for a worker to say that it accepts nothing more. */
const RETIRE_WAIT_MS = 10_000;
/** At the drain limit, between asking connections to end and ending their threads. */
const CUT_OFF_MS = 500;

/** What all generations have in common. */
export interface Household {
  readonly addon: Addon;
  readonly logger: Logger;
  readonly channels: LogChannels;
  readonly counts: CountStore;
  /** Room of each worker's log ring, which stays when the worker ends. */
  readonly logRecordsMax: number;
  readonly cpus: readonly number[];
  /** ENGINE_*, of every worker. */
  readonly engine: number;
  readonly workerCount: number;
  readonly owners: Owners;
  readonly balanceMemory: BalanceMemory;
  readonly connectionCounts: Int32Array;
  /** The table of rate limits; null until a route has one. */
  rateWords: Int32Array | null;
  /** Workers that died. */
  restarts: number;
  /** Client connections that a worker of `from`, by its index, lets go of. */
  readonly onHandover: (from: Generation, index: number, fds: readonly number[]) => void;
  readonly onStatistics: (index: number, statistics: WorkerStatistics) => void;
  /** A generation that was to end has no worker any more. */
  readonly onGone: (generation: Generation) => void;
}

/** What makes one generation another than the last. */
export interface GenerationParts {
  readonly bundle: Bundle;
  readonly description: Description;
  readonly listeners: Listeners;
  readonly tls: TlsKeys;
}

interface WorkerSlot {
  readonly index: number;
  readonly owner: number;
  worker: Worker | null;
  wakeFd: number;
  arena: ArenaPages | null;
}

export class Generation {
  readonly parts: GenerationParts;
  readonly balance: readonly GroupMemory[];
  /** What its workers count; null: nobody asks for metrics. */
  readonly counts: GenerationCounts | null;
  private readonly house: Household;
  private readonly slots: readonly WorkerSlot[];
  private readonly resolver: Resolver;
  private readonly healthChecks: HealthChecks;
  /** How its requests are printed in the log. */
  private readonly requestLines: RequestLines;
  /** Workers that have not answered the last ping. */
  private readonly pinged = new Set<WorkerSlot>();
  private accepting = false;
  /** Workers that end are not started again. */
  private ending = false;
  private gone = false;
  private limit: NodeJS.Timeout | undefined;
  /** Workers that still accept while this generation retires, and what to do when none does. */
  private readonly unretired = new Set<WorkerSlot>();
  private onRetired: () => void = () => {};
  /** Workers whose listeners close when they accept no more, because the server ends. */
  private readonly listening = new Set<WorkerSlot>();
  /** Clients of an earlier generation that wait for a worker which is being restarted. */
  private waiting: readonly number[] = [];

  /** Throws a `StartError` when earlier generations leave no room for one more. */
  constructor(house: Household, parts: GenerationParts, names?: KnownNames) {
    const { facts } = parts.description;
    const owners = house.owners.take(house.workerCount);
    if (owners === undefined) throw new StartError(house.owners.whyNone(house.workerCount));
    this.house = house;
    this.parts = parts;
    this.slots = owners.map((owner, index) => {
      return { index, owner, worker: null, wakeFd: -1, arena: null };
    });
    this.requestLines = new RequestLines(facts);
    this.balance = house.balanceMemory.groupsOf(facts);
    this.counts = facts.server.admin === undefined ? null : house.counts.open(facts);
    this.healthChecks = new HealthChecks((text) => house.logger.info(text));
    const tell = (group: number, server: number, addresses: ServerAddresses) =>
      this.broadcast({ type: "addresses", group, server, addresses });
    this.resolver = new Resolver(facts, house.logger, tell, names);
  }

  get servingCount(): number {
    return this.slots.filter(({ wakeFd }) => wakeFd >= 0).length;
  }

  get addresses(): readonly (readonly ServerAddresses[])[] {
    return this.resolver.addresses;
  }

  /** Upstream names, for the next generation to begin with. */
  get names(): KnownNames {
    return this.resolver.known;
  }

  get arenas(): ArenaPages[] {
    return this.slots.flatMap(({ arena }) => (arena === null ? [] : [arena]));
  }

  /** Whether clients can go on with `other` as they are. */
  hasTransportOf(other: Generation): boolean {
    const [mine, theirs] = [this, other].map((each) => each.parts.description.facts.server.tls);
    return (mine === undefined) === (theirs === undefined);
  }

  // ── Its beginning ─────────────────────────────────────────────────────────────────────────────

  /** Finds the upstreams' addresses and starts the workers. Rejects when one does not come up. */
  async start(): Promise<void> {
    await this.resolver.start();
    if (this.ending) return;
    await Promise.all(this.slots.map((slot) => this.startWorker(slot)));
  }

  /** Accepts connections, and checks the servers of groups that ask for it. */
  async serve(): Promise<void> {
    this.accepting = true;
    this.broadcast({ type: "accept" });
    for (const slot of this.slots) if (slot.worker === null) this.restart(slot);
    const { bundle, description, tls } = this.parts;
    const addressesOf = (group: number, server: number) => this.addresses[group]![server]!;
    const { facts } = description;
    await this.healthChecks.start(facts, this.balance, tls.trusts, addressesOf, bundle.path);
  }

  private startWorker(slot: WorkerSlot): Promise<void> {
    const { bundle } = this.parts;
    const worker = startThread(bundle, { start: this.startOf(slot) });
    slot.worker = worker;
    return new Promise((ready, fail) => {
      worker.on("message", (message: FromWorker) => {
        if (message.type === "ready") {
          this.onReady(slot, message.wakeFd, message.arena);
          ready();
        } else this.onMessage(slot, message);
      });
      worker.on("error", (error) => {
        this.house.logger.error(`worker ${slot.index} failed: ${error.stack ?? error.message}`);
      });
      worker.on("exit", () => {
        const early = slot.wakeFd < 0;
        this.onExit(slot);
        if (early) fail(new StartError(`worker ${slot.index} does not start`));
      });
    });
  }

  private startOf({ index, owner }: WorkerSlot): WorkerStart {
    const { house, parts } = this;
    return {
      addonPath: addonPathOf(parts.bundle.path),
      index,
      owner,
      engine: house.engine,
      cpu: house.cpus[index % house.cpus.length]!,
      logMemory: house.channels.memoryFor(owner, this.requestLines),
      logRecordsMax: house.logRecordsMax,
      metricsMemory: this.counts?.memoryFor(owner) ?? null,
      listeners: parts.listeners.ofWorkers[index]!,
      rateWords: house.rateWords,
      connectionCounts: house.connectionCounts,
      tls: parts.tls.contexts,
      balance: this.balance,
      addresses: this.resolver.addresses,
    };
  }

  private onReady(slot: WorkerSlot, wakeFd: number, arena: ArenaPages): void {
    slot.wakeFd = wakeFd;
    slot.arena = arena;
    // What was sent before there was an eventfd to signal, such as an early end.
    this.house.addon.eventfdSignal(wakeFd);
    if (this.accepting) this.send(slot, { type: "accept" });
    const { waiting } = this;
    this.waiting = [];
    if (waiting.length > 0) this.adopt(slot.index, waiting);
  }

  // ── Its workers ───────────────────────────────────────────────────────────────────────────────

  private onMessage(slot: WorkerSlot, message: FromWorker): void {
    switch (message.type) {
      case "handover":
        this.house.onHandover(this, slot.index, message.fds);
        return;
      case "retired":
        this.leaveAccepting(slot);
        this.closeListeners(slot);
        return;
      case "pong":
        this.pinged.delete(slot);
        return;
      case "log":
        this.house.channels.drain();
        return;
      case "statistics":
        this.house.onStatistics(slot.index, message.statistics);
        return;
    }
  }

  private onExit(slot: WorkerSlot): void {
    const { addon, rateWords, connectionCounts, balanceMemory, channels, logger } = this.house;
    this.pinged.delete(slot);
    slot.worker = null;
    slot.wakeFd = -1;
    channels.drain(); // what it still had to say comes before what is said of it
    const closed = addon.releaseOwner(slot.owner);
    if (rateWords !== null) releaseLocks(rateWords, slot.owner);
    Atomics.store(connectionCounts, slot.owner, 0);
    balanceMemory.clearWorker(slot.owner, this.balance);
    this.leaveAccepting(slot);
    this.closeListeners(slot);
    if (this.ending) this.leaveIfEmpty();
    if (!this.accepting) return; // whoever starts this generation decides what becomes of it
    this.house.restarts++;
    logger.error(`worker ${slot.index} has died (${closed} descriptors closed); restarting it`);
    setTimeout(() => this.restart(slot), RESTART_DELAY_MS);
  }

  /** One that does not come up is reported when it has ended, and is tried again. */
  private restart(slot: WorkerSlot): void {
    if (!this.ending) this.startWorker(slot).catch(() => {});
  }

  /** Gives clients of an earlier generation to a worker, or to another one if that is not there. */
  adopt(index: number, fds: readonly number[]): void {
    const { addon } = this.house;
    if (this.ending) {
      for (const fd of fds) addon.close(fd);
      return;
    }
    const slot = [this.slots[index]!, ...this.slots].find(({ wakeFd }) => wakeFd >= 0);
    // Those that wait are nobody's: the worker that let them go must not close them at its end.
    const mark = slot === undefined ? 0 : slot.owner + 1;
    const table = addon.owners();
    for (const fd of fds) table[fd] = mark;
    if (slot === undefined) this.waiting = [...this.waiting, ...fds];
    else this.send(slot, { type: "adopt", fds });
  }

  /** Whether every worker has answered the last ping; then asks again. */
  isAlive(): boolean {
    if (this.pinged.size > 0) return false;
    for (const slot of this.slots) {
      if (slot.wakeFd < 0) continue;
      this.pinged.add(slot);
      this.send(slot, { type: "ping" });
    }
    return true;
  }

  broadcast(message: ToWorker): void {
    for (const slot of this.slots) this.send(slot, message);
  }

  private send(slot: WorkerSlot, message: ToWorker): void {
    if (slot.worker === null) return;
    slot.worker.postMessage(message);
    if (slot.wakeFd >= 0) this.house.addon.eventfdSignal(slot.wakeFd);
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────

  /**
   * Ends after a reload: clients go on with the generation that is `next`, or end with their next
   * answer. Returns when no worker accepts any more. Called again for each generation that follows.
   */
  async retire(next: Generation): Promise<void> {
    const message = { type: "retire", handsOver: this.hasTransportOf(next) } as const;
    if (this.ending) {
      this.broadcast(message);
      return;
    }
    for (const slot of this.slots) if (slot.worker !== null) this.unretired.add(slot);
    const retired = new Promise<void>((done) => {
      this.onRetired = done;
      setTimeout(done, RETIRE_WAIT_MS).unref();
    });
    const { shutdownTimeoutSecs } = next.parts.description.facts.server;
    if (shutdownTimeoutSecs > 0)
      this.limit = setTimeout(() => this.cutOff(shutdownTimeoutSecs), shutdownTimeoutSecs * 1000);
    this.limit?.unref();
    this.end(message);
    if (this.unretired.size > 0) await retired;
  }

  private leaveAccepting(slot: WorkerSlot): void {
    if (this.unretired.delete(slot) && this.unretired.size === 0) this.onRetired();
  }

  private cutOff(limitSecs: number): void {
    const { logger } = this.house;
    logger.warn(`connections of an earlier generation are cut off after ${limitSecs} s`);
    this.broadcast({ type: "drain" });
    this.limit = setTimeout(() => this.terminate(), CUT_OFF_MS);
    this.limit.unref();
  }

  /** Whether it stays for as long as its clients do. */
  get isUnlimited(): boolean {
    return this.ending && this.limit === undefined;
  }

  /** Is cut off for a generation that needs its place. Returns when it has gone. */
  async makeWay(): Promise<void> {
    this.house.logger.warn(
      "connections of the oldest generation are cut off: the next one needs its place",
    );
    this.broadcast({ type: "drain" });
    await sleep(CUT_OFF_MS);
    await Promise.all(this.slots.map(({ worker }) => worker?.terminate()));
  }

  /** Ends with the server. */
  drain(): void {
    // A passed socket is the service manager's: connections that wait there are the next server's.
    if (this.accepting && !this.parts.listeners.shared)
      for (const slot of this.slots) this.listening.add(slot);
    this.end({ type: "drain" });
  }

  /** New clients are refused, and go elsewhere, instead of waiting for a worker that has left. */
  private closeListeners(slot: WorkerSlot): void {
    if (!this.listening.delete(slot)) return;
    for (const fd of this.parts.listeners.ofWorkers[slot.index]!) this.house.addon.close(fd);
  }

  /** Ends at once. */
  abandon(): void {
    this.end({ type: "drain" });
    this.terminate();
  }

  private terminate(): void {
    for (const { worker } of this.slots) void worker?.terminate();
  }

  private end(message: ToWorker): void {
    const { addon } = this.house;
    this.ending = true;
    this.accepting = false;
    this.resolver.stop();
    this.healthChecks.stop();
    for (const fd of this.waiting) addon.close(fd);
    this.waiting = [];
    this.broadcast(message);
    this.leaveIfEmpty();
  }

  private leaveIfEmpty(): void {
    if (this.gone || this.slots.some(({ worker }) => worker !== null)) return;
    this.gone = true;
    clearTimeout(this.limit);
    this.onRetired();
    for (const { owner } of this.slots) this.house.owners.giveBack(owner);
    if (this.counts !== null) this.house.counts.close(this.counts);
    this.house.onGone(this);
  }
}
