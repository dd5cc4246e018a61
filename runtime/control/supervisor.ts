// The main thread: binds the listeners, starts generations of workers, takes signals. It serves no
// request itself.

import { randomBytes } from "node:crypto";
import { write } from "node:fs";
import type { Logger } from "pino";
import { ABI_VERSION } from "../../native/abi.ts";
import type { Program } from "../data/api.ts";
import { RATE_BUCKETS, rateWords } from "../data/rate-limiter.ts";
import { type Addon, loadAddon } from "../native.ts";
import { Admin, type AdminView } from "./admin.ts";
import { BalanceMemory } from "./balance-memory.ts";
import {
  addonPathOf,
  askBundle,
  type Bundle,
  changesForRestart,
  type Description,
  describe,
  type Facts,
  PROTOCOL_VERSION,
  readBundle,
} from "./bundle.ts";
import { CountStore } from "./counts.ts";
import { chooseEngine } from "./engine.ts";
import { checkRoots } from "./file-loader.ts";
import { Generation, type GenerationParts, type Household } from "./generation.ts";
import { describePages } from "./huge-pages.ts";
import {
  attachProgram,
  closeLeft,
  detachProgram,
  type Listeners,
  newListeners,
  nextListeners,
  openListeners,
} from "./listeners.ts";
import { openLog, pinoLevel, type ServerLog } from "./logger.ts";
import type { WorkerStatistics } from "./messages.ts";
import { Owners } from "./owners.ts";
import { dropPrivileges, isRoot } from "./privileges.ts";
import type { KnownNames } from "./resolver.ts";
import { passedDescriptors, ServiceManager } from "./service-manager.ts";
import { StartError } from "./start-error.ts";
import { buildTlsKeys, type TlsKeys } from "./tls-keys.ts";
import { changeTicketKeysRegularly } from "./tls-tickets.ts";
import { upstreamStatus } from "./upstream-status.ts";

/** How long the end waits for a log that does not keep up; and when it is to come at once. */
const LAST_RECORDS_MS = 2000;
const LAST_RECORDS_AT_ONCE_MS = 100;

const STANDARD_OUTPUT = 1;

export class Supervisor {
  private readonly program: Program;
  private readonly bundlePath: string;
  private readonly log: ServerLog;
  private readonly logger: Logger;
  private readonly admin = new Admin(this.adminView());
  private readonly counts = new CountStore();
  private addon!: Addon;
  private house!: Household;
  private serviceManager!: ServiceManager;
  /** The bundle of the first generation, whose native addon all later ones share. */
  private firstBundle!: Bundle;
  /** The generation that accepts. */
  private current!: Generation;
  /** All that have a worker left, and the one that is about to start. */
  private readonly generations = new Set<Generation>();
  private generationCount = 1;
  /** From the beginning until the first generation serves, too. */
  private reloading = true;
  private reloadAgain = false;
  private stopping = false;
  private readonly statistics = new Map<number, WorkerStatistics>();

  constructor(program: Program, bundlePath: string) {
    this.program = program;
    this.bundlePath = bundlePath;
    const { logging, dropPrivileges } = program.server;
    try {
      this.log = openLog(logging, dropPrivileges !== undefined && isRoot());
    } catch (error) {
      exitWith([`can't open the log file: ${(error as Error).message}`]);
    }
    this.logger = this.log.logger;
  }

  /** Starts serving; returns when the first workers are ready. */
  async run(): Promise<void> {
    this.takeSignals();
    try {
      await this.start();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      if (this.stopping) return;
      await this.log.finish(LAST_RECORDS_AT_ONCE_MS);
      exitWith(error.message.split("\n"));
    }
    this.reloading = false;
    if (this.reloadAgain) await this.reload();
  }

  // ── The start ─────────────────────────────────────────────────────────────────────────────────

  private async start(): Promise<void> {
    if (process.platform !== "linux")
      throw new StartError("the server needs Linux; compile and check work here");
    const { server } = this.program;
    this.addon = this.openAddon();
    this.firstBundle = readBundle(this.bundlePath);
    const tls = this.load(this.program);
    changeTicketKeysRegularly(this.addon, (text) => this.logger.error(text));
    this.serviceManager = new ServiceManager(this.addon, process.env, process.pid);
    this.addon.raiseFileLimit();
    const cpus = this.addon.allowedCpus();
    const workerCount = server.threads === 0 ? cpus.length : server.threads;
    const description = describe(this.program, workerCount);
    const listeners = this.bind(workerCount);
    this.balanceBy(null, description, listeners); // before anybody has connected
    await this.admin.listen(server.admin);
    if (this.stopping) return;
    this.settleAdmin();
    this.dropPrivileges();
    this.house = this.makeHousehold(cpus, workerCount);
    this.current = this.makeGeneration({ bundle: this.firstBundle, description, listeners, tls });
    await this.current.start();
    if (this.stopping) return;
    const checking = this.current.serve();
    print(listeners.urls.map(listeningOn));
    if (server.hugePages === true) this.sayPages();
    this.logger.info(`zproxy started, ${workerCount} worker(s)`);
    this.serviceManager.ready(`${workerCount} worker(s)`);
    this.serviceManager.watch(() => this.current.isAlive());
    await checking;
  }

  private openAddon(): Addon {
    const path = addonPathOf(this.bundlePath);
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

  /**
   * Reads what a program needs of this machine; what the process may not read any more stays as
   * `present` has it. Throws with all that is wrong.
   */
  private load(program: Facts, present?: TlsKeys): TlsKeys {
    const tls = buildTlsKeys(program, this.addon, present);
    const wrong = [...tls.problems, ...checkRoots(program)];
    if (wrong.length > 0) {
      tls.free();
      throw new StartError(wrong.join("\n"));
    }
    for (const warning of tls.warnings) this.logger.warn(warning);
    return tls;
  }

  /** Binds the listeners of so many workers. */
  private bind(workerCount: number): Listeners {
    const passed = passedDescriptors(process.env, process.pid);
    return openListeners(this.program.server, workerCount, passed, this.addon);
  }

  /** Has the worker of a new connection chosen as the configuration says. */
  private balanceBy(
    before: Description | null,
    { balancing }: Description,
    listeners: Listeners,
  ): void {
    if (balancing === null) {
      if (before !== null && before.balancing !== null) detachProgram(listeners, this.addon);
      return;
    }
    if (listeners.ofWorkers.length === 1) return;
    const reason = attachProgram(() => balancing, listeners, this.addon);
    if (reason === "") return;
    this.logger.warn(
      `reuseport_balancing = "cbpf" is not possible: ${reason}; the kernel's own hash balances`,
    );
  }

  private makeHousehold(cpus: readonly number[], workerCount: number): Household {
    const { server } = this.program;
    const owners = new Owners(workerCount);
    const countBytes = owners.count * Int32Array.BYTES_PER_ELEMENT;
    return {
      addon: this.addon,
      logger: this.logger,
      channels: this.log.channels,
      counts: this.counts,
      logRecordsMax: server.logging.channelSize,
      cpus,
      engine: chooseEngine(server.io, this.addon, (text) => this.logger.warn(text)),
      workerCount,
      owners,
      balanceMemory: new BalanceMemory(owners.count),
      connectionCounts: new Int32Array(new SharedArrayBuffer(countBytes)),
      rateWords: null,
      restarts: 0,
      onHandover: (from, index, fds) => this.onHandover(from, index, fds),
      onStatistics: (index, statistics) => this.onStatistics(index, statistics),
      onGone: (generation) => this.onGone(generation),
    };
  }

  /** `names`: what an earlier generation knows of upstream names. */
  private makeGeneration(parts: GenerationParts, names?: KnownNames): Generation {
    const { routes } = parts.description.facts;
    if (routes.some((route) => route.limits.rateLimitRequestsPerMin > 0))
      this.house.rateWords ??= rateWords(RATE_BUCKETS, randomBytes(4).readInt32LE());
    const generation = new Generation(this.house, parts, names);
    this.generations.add(generation);
    return generation;
  }

  /** After what needs root, before the first connection. */
  private dropPrivileges(): void {
    const { dropPrivileges: settings } = this.program.server;
    if (settings === undefined) return;
    const files = [this.bundlePath, addonPathOf(this.bundlePath)];
    const { text, warning } = dropPrivileges(settings, { log: this.log, files }, this.addon);
    this.log.settle();
    this.logger[warning ? "warn" : "info"](text);
    // What root may do proves nothing about the user that it has become.
    const wrong = checkRoots(this.program);
    if (wrong.length > 0) throw new StartError(wrong.join("\n"));
  }

  private sayPages(): void {
    const { text, warning } = describePages(this.current.arenas);
    this.logger[warning ? "warn" : "info"](text);
  }

  private settleAdmin(): void {
    const url = this.admin.settle();
    if (url !== "") this.logger.info(`metrics and probes are at ${url}`);
  }

  private adminView(): AdminView {
    return {
      program: () => this.current.parts.description.facts,
      bundle: () => this.current.parts.bundle,
      generation: () => this.generationCount,
      counts: () => this.counts.all,
      workerRestarts: () => this.house.restarts,
      upstreams: () => {
        const { parts, balance, addresses } = this.current;
        if (balance.length === 0) return [];
        return upstreamStatus(parts.description.facts, balance, addresses);
      },
      logDropped: () => this.log.channels.dropped,
      workers: () => ({ serving: this.current.servingCount, wanted: this.house.workerCount }),
      certificates: () => this.current.parts.tls.certificates,
      isStopping: () => this.stopping,
    };
  }

  // ── Reload ────────────────────────────────────────────────────────────────────────────────────

  /** SIGHUP. One that comes during a reload, or during the start, is a reload after it. */
  private async reload(): Promise<void> {
    this.reloadAgain = true;
    if (this.reloading) return;
    this.reloading = true;
    while (this.reloadAgain && !this.stopping) {
      this.reloadAgain = false;
      this.serviceManager.reloading();
      const status = await this.tryReload();
      if (!this.stopping) this.serviceManager.ready(status);
    }
    this.reloading = false;
  }

  /** Returns a line for the service manager. */
  private async tryReload(): Promise<string> {
    const { workerCount } = this.house;
    try {
      await this.replace(await this.prepare());
      return `${workerCount} worker(s), generation ${this.generationCount}`;
    } catch (error) {
      this.admin.cancel();
      const reason = error instanceof StartError ? error.message : `${(error as Error).stack}`;
      if (!this.stopping)
        this.logger.error(`not reloaded, the server goes on as it was: ${reason}`);
      return `${workerCount} worker(s); the last reload was refused, see the log`;
    }
  }

  /** A next generation that is ready to accept; or throws, and nothing has changed. */
  private async prepare(): Promise<Generation> {
    const { parts } = this.current;
    const bundle = readBundle(this.bundlePath);
    const description = await askBundle(bundle, this.house.workerCount);
    this.checkHostable(bundle, description);
    const { server } = description.facts;
    const tls = this.load(description.facts, parts.tls);
    let listeners = parts.listeners;
    let next: Generation | null = null;
    try {
      listeners = nextListeners(parts.listeners, server, this.addon);
      const { balancing } = description;
      // The first clients of a new address come before its workers do. `replace` says why it fails.
      if (balancing !== null && this.house.workerCount > 1)
        attachProgram(() => balancing, newListeners(parts.listeners, listeners), this.addon);
      await this.admin.listen(server.admin);
      await this.makeRoom();
      if (this.stopping) throw new StartError("the server is stopping");
      next = this.makeGeneration({ bundle, description, listeners, tls }, this.current.names);
      await next.start();
      if (this.stopping) throw new StartError("the server is stopping");
      return next;
    } catch (error) {
      if (next === null) tls.free();
      next?.abandon();
      closeLeft(listeners, parts.listeners, this.addon);
      throw error;
    }
  }

  /** Without a drain limit, tunnels of earlier generations would stand against every reload. */
  private async makeRoom(): Promise<void> {
    const { owners, workerCount } = this.house;
    if (owners.hasRoom(workerCount)) return;
    await [...this.generations].find((generation) => generation.isUnlimited)?.makeWay();
  }

  /** Puts a generation in the place of the present one. Nothing of this can fail. */
  private async replace(next: Generation): Promise<void> {
    const old = this.current;
    const { description, listeners } = next.parts;
    const { server } = description.facts;
    for (const name of changesForRestart(old.parts.description.facts, description.facts))
      this.logger.warn(`${name} has changed; that takes a restart`);
    this.logger.level = pinoLevel(server.logging);
    this.balanceBy(old.parts.description, description, listeners);
    this.settleAdmin();
    this.current = next;
    this.generationCount++;
    next.serve().catch((error) => this.logger.error(`no health checks: ${error.stack}`));
    const others = [...this.generations].filter((generation) => generation !== next);
    await Promise.all(others.map((generation) => generation.retire(next)));
    closeLeft(old.parts.listeners, listeners, this.addon);
    const known = new Set(old.parts.listeners.urls);
    print(listeners.urls.filter((url) => !known.has(url)).map(listeningOn));
    if (server.hugePages === true) this.sayPages();
    this.logger.info(`zproxy reloaded, generation ${this.generationCount}`);
  }

  /** Throws for a bundle that this process can't run. */
  private checkHostable(bundle: Bundle, { protocol, abi }: Description): void {
    const isOurs =
      protocol === PROTOCOL_VERSION &&
      abi === ABI_VERSION &&
      bundle.addonHash === this.firstBundle.addonHash;
    if (!isOurs)
      throw new StartError("it was compiled by another version of zproxy; that takes a restart");
  }

  /** Clients of a generation that retires go on with the one that accepts. */
  private onHandover(from: Generation, index: number, fds: readonly number[]): void {
    if (from.hasTransportOf(this.current)) this.current.adopt(index, fds);
    // It did not know yet of a generation that came after the next.
    else for (const fd of fds) this.addon.close(fd);
  }

  private onGone(generation: Generation): void {
    generation.parts.tls.free();
    this.generations.delete(generation);
    this.house.balanceMemory.prune([...this.generations].map(({ balance }) => balance));
    if (this.stopping && this.generations.size === 0) void this.exit(0);
  }

  // ── Signals, and the end ──────────────────────────────────────────────────────────────────────

  private takeSignals(): void {
    const stop = (): void => this.stop();
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGUSR1", () => this.log.reopen());
    process.on("SIGHUP", () => void this.reload());
    if (process.env.ZPROXY_TEST_STATS === "1")
      process.on("SIGUSR2", () => {
        this.statistics.clear();
        this.current?.broadcast({ type: "statistics" });
      });
  }

  private onStatistics(index: number, statistics: WorkerStatistics): void {
    this.statistics.set(index, statistics);
    const { workerCount } = this.house;
    if (this.statistics.size < workerCount) return;
    const workers = Array.from({ length: workerCount }, (_, at) => this.statistics.get(at));
    const openFiles = this.addon.openFileCount();
    const tlsConnections = this.addon.tlsCount();
    const generations = this.generations.size;
    print([JSON.stringify({ workers, openFiles, tlsConnections, generations })]);
  }

  /** The first signal drains, the second ends at once. During the start nothing may be there. */
  private stop(): void {
    if (this.stopping) {
      void this.exit(1);
      return;
    }
    this.stopping = true;
    this.logger.info("zproxy is stopping");
    this.serviceManager?.stopping();
    if (this.generations.size === 0) {
      void this.exit(0);
      return;
    }
    for (const generation of [...this.generations]) generation.drain();
    const limit = this.current.parts.description.facts.server.shutdownTimeoutSecs;
    if (limit === 0) return;
    setTimeout(() => {
      this.logger.warn(`requests still under way after ${limit} s are cut off`);
      void this.exit(0);
    }, limit * 1000).unref();
  }

  private async exit(code: number): Promise<void> {
    if (code === 0) this.logger.info("zproxy has stopped");
    const limitMs = code === 0 ? LAST_RECORDS_MS : LAST_RECORDS_AT_ONCE_MS;
    await this.log.finish(limitMs);
    // All is said. Node's own exit would free what threads that still run are using.
    this.addon?.exitNow(code);
    process.exit(code);
  }
}

function listeningOn(url: string): string {
  return `zproxy listening on ${url}`;
}

/** To standard output, if anybody reads it: Node's stream would end the server when nobody does. */
function print(lines: readonly string[]): void {
  write(STANDARD_OUTPUT, lines.map((line) => `${line}\n`).join(""), () => {});
}

function exitWith(sentences: readonly string[]): never {
  for (const sentence of sentences) process.stderr.write(`zproxy: ${sentence}\n`);
  process.exit(1);
}
