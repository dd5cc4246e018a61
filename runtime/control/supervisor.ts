// The main thread: binds the listeners, starts the workers and keeps them alive, takes signals. It
// serves no request itself.

import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { ABI_VERSION } from "../../native/abi.ts";
import type { Program } from "../data/api.ts";
import { RATE_BUCKETS, rateWords, releaseLocks } from "../data/rate-limiter.ts";
import { type Addon, loadAddon } from "../native.ts";
import { Admin, type AdminView } from "./admin.ts";
import { BalanceMemory, type GroupMemory } from "./balance-memory.ts";
import { chooseEngine } from "./engine.ts";
import { checkRoots } from "./file-loader.ts";
import { HealthChecks } from "./health-check.ts";
import { type ArenaPages, describePages } from "./huge-pages.ts";
import { attachProgram, openListeners } from "./listeners.ts";
import { openLog, type ServerLog } from "./logger.ts";
import type { FromWorker, ToWorker, WorkerStart, WorkerStatistics } from "./messages.ts";
import { dropPrivileges } from "./privileges.ts";
import { RequestLines } from "./request-line.ts";
import { Resolver } from "./resolver.ts";
import { passedDescriptors, ServiceManager } from "./service-manager.ts";
import { StartError } from "./start-error.ts";
import { buildTlsKeys, type TlsKeys } from "./tls-keys.ts";
import { changeTicketKeysRegularly } from "./tls-tickets.ts";
import { upstreamStatus } from "./upstream-status.ts";

/** A worker that dies at once is not restarted faster than this. */
const RESTART_DELAY_MS = 100;
/** How long the end waits for a log that does not keep up; and when it is to come at once. */
const LAST_RECORDS_MS = 2000;
const LAST_RECORDS_AT_ONCE_MS = 100;

interface WorkerSlot {
  readonly index: number;
  readonly listeners: readonly number[];
  worker: Worker | null;
  wakeFd: number;
  arena: ArenaPages | null;
  ended: boolean;
}

export class Supervisor {
  private readonly program: Program;
  private readonly bundlePath: string;
  private readonly log: ServerLog;
  private readonly logger: Logger;
  private addon!: Addon;
  /** ENGINE_*, of every worker. */
  private engine = -1;
  private resolver!: Resolver;
  private tlsKeys!: TlsKeys;
  private readonly slots: WorkerSlot[] = [];
  private cpus: number[] = [];
  private balanceMemory!: BalanceMemory;
  private balance: readonly GroupMemory[] = [];
  private readonly requestLines: RequestLines;
  private readonly admin: Admin | null;
  private readonly healthChecks: HealthChecks;
  private readonly rateWords: Int32Array | null;
  private connectionCounts: Int32Array | null = null;
  private stopping = false;
  private serviceManager!: ServiceManager;
  /** Workers that have not answered since the service manager was last told that all is well. */
  private readonly pinged = new Set<WorkerSlot>();
  private readonly statistics = new Map<number, WorkerStatistics>();

  constructor(program: Program, bundlePath: string) {
    this.program = program;
    this.bundlePath = bundlePath;
    try {
      this.log = openLog(program.server.logging);
    } catch (error) {
      exitWith([`can't open the log file: ${(error as Error).message}`]);
    }
    this.logger = this.log.logger;
    this.requestLines = new RequestLines(program);
    this.healthChecks = new HealthChecks((text) => this.logger.info(text));
    const wantsAdmin = program.server.admin !== undefined;
    this.admin = wantsAdmin ? new Admin(program, dirname(bundlePath), this.adminView()) : null;
    const limited = program.routes.some((route) => route.limits.rateLimitRequestsPerMin > 0);
    this.rateWords = limited ? rateWords(RATE_BUCKETS, randomBytes(4).readInt32LE()) : null;
  }

  /** Starts serving; returns when the first workers are ready. */
  async run(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      await this.log.finish(LAST_RECORDS_AT_ONCE_MS);
      exitWith(error.message.split("\n"));
    }
  }

  private async start(): Promise<void> {
    if (process.platform !== "linux")
      throw new StartError("the server needs Linux; compile and check work here");
    this.addon = this.openAddon();
    this.tlsKeys = buildTlsKeys(this.program, this.addon);
    const wrong = [...this.tlsKeys.problems, ...checkRoots(this.program)];
    if (wrong.length > 0) throw new StartError(wrong.join("\n"));
    for (const warning of this.tlsKeys.warnings) this.logger.warn(warning);
    changeTicketKeysRegularly(this.addon, (text) => this.logger.error(text));
    this.serviceManager = new ServiceManager(this.addon, process.env, process.pid);
    this.addon.raiseFileLimit();
    this.cpus = this.addon.allowedCpus();
    this.resolver = new Resolver(this.program, this.logger, (group, server, addresses) =>
      this.broadcast({ type: "addresses", group, server, addresses }),
    );
    await this.resolver.start();
    const urls = this.bind();
    const adminUrl = await this.admin?.listen();
    if (adminUrl !== undefined) this.logger.info(`metrics and probes are at ${adminUrl}`);
    this.dropPrivileges();
    this.engine = chooseEngine(this.program.server.io, this.addon, (text) =>
      this.logger.warn(text),
    );
    if (this.program.server.maxConcurrentConnections > 0) {
      const bytes = this.slots.length * Int32Array.BYTES_PER_ELEMENT;
      this.connectionCounts = new Int32Array(new SharedArrayBuffer(bytes));
    }
    this.balanceMemory = new BalanceMemory(this.slots.length);
    this.balance = this.balanceMemory.groupsOf(this.program);
    this.takeSignals();
    await Promise.all(this.slots.map((slot) => this.startWorker(slot)));
    if (this.stopping) return;
    for (const url of urls) process.stdout.write(`zproxy listening on ${url}\n`);
    if (this.program.server.hugePages === true) this.sayPages();
    this.logger.info(`zproxy started, ${this.slots.length} worker(s)`);
    this.serviceManager.ready(`${this.slots.length} worker(s)`);
    this.serviceManager.watch(() => this.isAlive());
    await this.healthChecks.start(this.program, this.balance, this.tlsKeys.trusts);
  }

  private adminView(): AdminView {
    return {
      upstreams: () =>
        this.balance.length === 0
          ? []
          : upstreamStatus(this.program, this.balance, this.resolver.addresses),
      logDropped: () => this.log.channels.dropped,
      workers: () => ({
        serving: this.slots.filter(({ wakeFd }) => wakeFd >= 0).length,
        wanted: this.slots.length,
      }),
      certificates: () => this.tlsKeys.certificates,
      isStopping: () => this.stopping,
    };
  }

  private get addonPath(): string {
    return join(dirname(this.bundlePath), "zproxy.node");
  }

  private openAddon(): Addon {
    const path = this.addonPath;
    let addon: Addon;
    try {
      addon = loadAddon(path);
    } catch (error) {
      const reason = (error as Error).message;
      throw new StartError(`can't load ${path}: ${reason}\nCompile the config again, on Linux.`);
    }
    if (addon.abiVersion !== ABI_VERSION)
      throw new StartError(`${path} belongs to another version; compile the config again`);
    return addon;
  }

  /** Binds the listeners and makes a slot for each worker. Returns the URLs. */
  private bind(): readonly string[] {
    const { server } = this.program;
    const count = server.threads === 0 ? this.cpus.length : server.threads;
    const passed = passedDescriptors(process.env, process.pid);
    const listeners = openListeners(server, count, passed, this.addon);
    for (const [index, fds] of listeners.ofWorkers.entries())
      this.slots.push({
        index,
        listeners: fds,
        worker: null,
        wakeFd: -1,
        arena: null,
        ended: false,
      });
    if (server.reuseportProgram !== undefined && count > 1) {
      const reason = attachProgram(server.reuseportProgram, listeners, this.addon);
      if (reason !== "")
        this.logger.warn(
          `reuseport_balancing = "cbpf" is not possible: ${reason}; the kernel's own hash balances`,
        );
    }
    return listeners.urls;
  }

  /** After what needs root, before the first connection. */
  private dropPrivileges(): void {
    const { dropPrivileges: settings, logging } = this.program.server;
    if (settings === undefined) return;
    const possessions = { logFile: logging.filePath, files: [this.bundlePath, this.addonPath] };
    const { text, warning } = dropPrivileges(settings, possessions, this.addon);
    this.logger[warning ? "warn" : "info"](text);
    // What root may do proves nothing about the user that it has become.
    const wrong = checkRoots(this.program);
    if (wrong.length > 0) throw new StartError(wrong.join("\n"));
  }

  private sayPages(): void {
    const arenas = this.slots.flatMap(({ arena }) => (arena === null ? [] : [arena]));
    const { text, warning } = describePages(arenas);
    this.logger[warning ? "warn" : "info"](text);
  }

  private startWorker(slot: WorkerSlot): Promise<void> {
    const start: WorkerStart = {
      addonPath: this.addonPath,
      owner: slot.index,
      engine: this.engine,
      cpu: this.cpus[slot.index % this.cpus.length]!,
      logMemory: this.log.channels.memoryFor(slot.index, this.requestLines),
      metricsMemory: this.admin?.memoryFor(slot.index) ?? null,
      listeners: slot.listeners,
      rateWords: this.rateWords,
      connectionCounts: this.connectionCounts,
      tls: this.tlsKeys.contexts,
      balance: this.balance,
      addresses: this.resolver.addresses,
    };
    const worker = new Worker(this.bundlePath, { workerData: start });
    slot.worker = worker;
    return new Promise((ready) => {
      worker.on("message", (message: FromWorker) => {
        if (message.type === "ready") {
          slot.wakeFd = message.wakeFd;
          slot.arena = message.arena;
          // What was sent before there was an eventfd to signal, such as an early end.
          this.addon.eventfdSignal(slot.wakeFd);
          ready();
        } else this.onMessage(slot, message);
      });
      worker.on("error", (error) => {
        this.logger.error(`worker ${slot.index} failed: ${error.stack ?? error.message}`);
      });
      worker.on("exit", () => this.onExit(slot));
    });
  }

  private onMessage(slot: WorkerSlot, message: FromWorker): void {
    switch (message.type) {
      case "drained":
        slot.ended = true;
        return;
      case "pong":
        this.pinged.delete(slot);
        return;
      case "log":
        this.log.channels.drain();
        return;
      case "statistics":
        this.onStatistics(slot, message.statistics);
        return;
    }
  }

  private onExit(slot: WorkerSlot): void {
    this.pinged.delete(slot);
    slot.worker = null;
    slot.wakeFd = -1;
    this.log.channels.drain(); // what it still had to say comes before what is said of it
    const closed = this.addon.releaseOwner(slot.index);
    if (this.rateWords !== null) releaseLocks(this.rateWords, slot.index);
    if (this.connectionCounts !== null) Atomics.store(this.connectionCounts, slot.index, 0);
    this.balanceMemory.clearWorker(slot.index, this.balance);
    if (this.stopping) {
      slot.ended = true;
      if (this.slots.every((each) => each.ended && each.worker === null)) void this.exit(0);
      return;
    }
    if (this.admin !== null) this.admin.workerRestarts++;
    this.logger.error(
      `worker ${slot.index} has died (${closed} descriptors closed); restarting it`,
    );
    setTimeout(() => void this.startWorker(slot), RESTART_DELAY_MS);
  }

  /** Whether every worker has answered the last ping; then asks again. */
  private isAlive(): boolean {
    if (this.pinged.size > 0) return false;
    for (const slot of this.slots) {
      if (slot.wakeFd < 0) continue;
      this.pinged.add(slot);
      this.send(slot, { type: "ping" });
    }
    return true;
  }

  private send(slot: WorkerSlot, message: ToWorker): void {
    if (slot.worker === null) return;
    slot.worker.postMessage(message);
    if (slot.wakeFd >= 0) this.addon.eventfdSignal(slot.wakeFd);
  }

  private broadcast(message: ToWorker): void {
    for (const slot of this.slots) this.send(slot, message);
  }

  private takeSignals(): void {
    const stop = (): void => this.stop();
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGUSR1", () => this.log.reopen());
    process.on("SIGHUP", () => {
      this.logger.warn("reload is not there yet; restart the server to apply a new config");
    });
    if (process.env.ZPROXY_TEST_STATS === "1")
      process.on("SIGUSR2", () => {
        this.statistics.clear();
        this.broadcast({ type: "statistics" });
      });
  }

  private onStatistics(slot: WorkerSlot, statistics: WorkerStatistics): void {
    this.statistics.set(slot.index, statistics);
    if (this.statistics.size < this.slots.length) return;
    const workers = this.slots.map(({ index }) => this.statistics.get(index));
    const openFiles = this.addon.openFileCount();
    process.stdout.write(`${JSON.stringify({ workers, openFiles })}\n`);
  }

  /** The first signal drains, the second ends at once. */
  private stop(): void {
    if (this.stopping) {
      void this.exit(1);
      return;
    }
    this.stopping = true;
    this.resolver.stop();
    this.healthChecks.stop();
    this.logger.info("zproxy is stopping");
    this.serviceManager.stopping();
    this.broadcast({ type: "drain" });
    const limit = this.program.server.shutdownTimeoutSecs;
    if (limit === 0) return;
    setTimeout(() => {
      this.logger.warn(`requests still under way after ${limit} s are cut off`);
      void this.exit(0);
    }, limit * 1000).unref();
  }

  private async exit(code: number): Promise<void> {
    if (code === 0) this.logger.info("zproxy has stopped");
    const limitMs = code === 0 ? LAST_RECORDS_MS : LAST_RECORDS_AT_ONCE_MS;
    if (!(await this.log.finish(limitMs))) this.addon.exitNow(code);
    process.exit(code);
  }
}

function exitWith(sentences: readonly string[]): never {
  for (const sentence of sentences) process.stderr.write(`zproxy: ${sentence}\n`);
  process.exit(1);
}
