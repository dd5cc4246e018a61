// One run of the simulation: everything that a seed decides, from start to the proof that nothing
// is left. The same seed gives the same run, to the byte.

import { compile } from "zproxy/compiler/compile.ts";
import { ECONNREFUSED, EHOSTUNREACH } from "zproxy/native/abi.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { fileRoute, proxyRoute } from "../lib/config.ts";
import { loadProgram } from "../lib/generated-program.ts";
import { Random } from "../lib/random.ts";
import { CheckedRateLimiter } from "./checked-rate-limiter.ts";
import { ClientActor } from "./client-actor.ts";
import {
  Exchange,
  PAGES_API_PORT,
  RunHistory,
  WHEN_API_PORT,
  WHEN_CLIENT,
  WHEN_CLIENT_PORT,
  WHEN_PORT,
} from "./exchange.ts";
import { chance, Violation } from "./faults.ts";
import type { ConnectOutcome } from "./kernel.ts";
import { drawClient, drawExchange, drawRun, FILES, type RunPlan } from "./plans.ts";
import { UpstreamActor, type UpstreamSurroundings } from "./upstream-actor.ts";
import { Wire } from "./wire.ts";
import { World } from "./world.ts";

const CONFIG = [
  '[server]\nlisten = "127.0.0.1:80"\ntrusted_proxies = ["10.9.0.0/16"]\n',
  group("rotation", "round_robin", [9101, 9102, 9103]),
  group("least", "least_conn", [9201, 9202]),
  group("hash", "ip_hash", [9301, 9302, 9303]),
  proxyRoute("/p/", "http://127.0.0.1:9001", ["backend_connect_timeout_secs = 3"]),
  proxyRoute("/q/", "http://127.0.0.1:9002/base/", ["max_idle_connections_per_host = 1"]),
  proxyRoute("/fresh/", "http://127.0.0.1:9001", ["max_idle_connections_per_host = 0"]),
  proxyRoute("/small/", "http://127.0.0.1:9001", [
    "max_request_body_size = 1000",
    "max_chunked_body_size = 1000",
  ]),
  proxyRoute("/readonly/", "http://127.0.0.1:9001", ['allowed_methods = ["GET", "HEAD"]']),
  proxyRoute("/limited/", "http://127.0.0.1:9003", ["rate_limit_requests_per_min = 3"]),
  proxyRoute("/preserved/", "http://127.0.0.1:9004", [], ["preserve_host = true"]),
  groupRoute("/group/", "rotation"),
  groupRoute("/least/", "least"),
  groupRoute("/hash/", "hash"),
  fileRoute("/files/", "site"),
  fileRoute("/limited-files/", "site", [], ["rate_limit_requests_per_min = 2"]),
  fileRoute("/stored/", "stored", ['mode = "memory"']),
  proxyRoute("/when/", `http://127.0.0.1:${WHEN_PORT}`),
  otherTarget("/when/", "api", 'header("x-api")', `http://127.0.0.1:${WHEN_API_PORT}/api`),
  otherTarget(
    "/when/",
    "client",
    `client in ["${WHEN_CLIENT}"] and method != "PUT"`,
    `http://127.0.0.1:${WHEN_CLIENT_PORT}`,
  ),
  fileRoute("/pages/", "site"),
  otherTarget("/pages/", "api", 'header("x-api")', `http://127.0.0.1:${PAGES_API_PORT}/x/`),
].join("\n");

function group(name: string, algorithm: string, ports: readonly number[]): string {
  const servers = ports.map((port) => `"http://127.0.0.1:${port}"`).join(", ");
  return `[upstreams.${name}]\nalgorithm = "${algorithm}"\nservers = [${servers}]\n`;
}

function groupRoute(prefix: string, name: string): string {
  return `[path_routes."*".${JSON.stringify(prefix)}]\ntype = "Proxy"\nupstream = "${name}"\n`;
}

function otherTarget(prefix: string, name: string, condition: string, url: string): string {
  const table = `[[path_routes."*".${JSON.stringify(prefix)}.when]]`;
  return `${table}\nname = "${name}"\nif = '${condition}'\ntype = "Proxy"\nurl = "${url}"\n`;
}

/** The compiled configuration that all runs share. */
export async function loadSimulatedProgram(): Promise<Program> {
  const { files, diagnostics } = compile({ path: "simulated.toml", text: CONFIG });
  if (files.length === 0) throw new Error(JSON.stringify(diagnostics));
  return loadProgram(files);
}

/** Long enough for every timeout of the runtime, some of them one after the other. */
const SECONDS_MAX = 1200;
const REALTIME_SECS = 1_800_000_000;
const SETTLE_US = 1_000_000;
/** After this long nothing but idle connections may be left. */
const SETTLE_US_MAX = 200_000_000;
/** What late completions may add to the latency. */
const STALE_US = 100_000;
/** Longer than any idle timeout. */
const IDLE_US = 100_000_000;

const ADDRESSES = [1, 2, 3, 4, 5].map((host) => `127.0.0.${host}`);

/** What a run was like, for whoever counts. */
export interface RunCounts {
  readonly exchanges: number;
  readonly turns: number;
  /** Clients that a worker which retired has let go of. */
  readonly handedOver: number;
  readonly virtualSecs: number;
}

export class Run {
  private readonly random: Random;
  private readonly plan: RunPlan;
  private readonly history = new RunHistory();
  private readonly exchanges = new Map<number, Exchange>();
  private readonly clients: ClientActor[] = [];
  private readonly world: World;
  private readonly limiter: CheckedRateLimiter;
  private readonly around: UpstreamSurroundings;
  private readonly upstreams: UpstreamActor[] = [];
  private waiting = 0;
  private dueChanges = 0;

  /** `trace` is told of everything that happens. */
  constructor(program: Program, seed: number, trace: ((line: string) => void) | null = null) {
    this.random = new Random(seed);
    this.plan = drawRun(this.random);
    const { random, plan, history } = this;
    history.excuse = plan.excuse;
    this.limiter = new CheckedRateLimiter(random.next());
    this.world = new World({
      ...plan,
      program,
      random,
      surroundings: {
        connect: (port, address) => this.connect(port, address),
        excuse: (reason) => {
          history.excuse ??= reason;
        },
      },
      rateLimiter: this.limiter,
      addresses: ADDRESSES.slice(0, 2),
      realtimeSecs: REALTIME_SECS + random.below(60),
      secondsMax: SECONDS_MAX,
      files: FILES,
    });
    const { schedule } = this.world;
    if (trace !== null) {
      const say = (line: string): void => trace(`${(schedule.now / 1e6).toFixed(6)} ${line}`);
      this.world.kernel.trace = say;
      history.trace = say;
    }
    this.around = {
      schedule: this.world.schedule,
      random,
      history,
      exchanges: this.exchanges,
      limiter: this.limiter,
      piecing: plan.upstreamPiecing,
      idleCloses: plan.idleCloses,
      staleUs: plan.latencyUs * 2 + STALE_US,
    };
    if (plan.sickServers) {
      for (const { servers } of this.world.groups)
        if (servers.length > 1) servers[0]!.state.healthy = false;
    }
    const { loop } = this.world;
    this.world.onWake = () => {
      this.changeAddresses();
      if (history.draining) plan.retires ? loop.retire(true) : loop.drain();
    };
    for (let index = 0; index < plan.clients; index++) this.addClient(index);
    for (let change = 0; change < plan.addressChanges; change++) {
      schedule.after(random.below(random.pick([50_000, 2_000_000, 10_000_000])), () => {
        if (history.draining) return;
        this.dueChanges++;
        this.world.signal();
      });
    }
    if (plan.drainAfterUs < Number.POSITIVE_INFINITY)
      this.world.schedule.after(plan.drainAfterUs, () => this.drain());
  }

  /** Throws a Violation, with what the run was doing, when a rule is broken. */
  execute(): RunCounts {
    const { world, clients, history } = this;
    try {
      world.run();
      const open = clients.find((client) => !client.done);
      if (open !== undefined && !history.draining) throw new Violation("a client is left waiting");
      const accounts = clients.map((client) => client.account);
      world.observed.expectAll(accounts, this.limiter.refusalCount);
    } catch (error) {
      const { message, stack } = error as Error;
      const text = error instanceof Violation ? message : (stack ?? message);
      throw new Violation(`${text}\n${this.description()}`);
    }
    return {
      exchanges: this.exchanges.size,
      turns: world.kernel.enters,
      handedOver: world.handedOver,
      virtualSecs: world.schedule.now / 1e6,
    };
  }

  private description(): string {
    const { history, world, clients, plan } = this;
    const faults = Object.entries(plan.faults).filter(([, value]) => value > 0);
    return [
      `  at ${(world.schedule.now / 1e6).toFixed(6)} s, turn ${world.kernel.enters}`,
      `  faults: ${JSON.stringify(Object.fromEntries(faults))}`,
      `  history: ${JSON.stringify({ ...history, log: undefined })}`,
      ...history.log.map((line) => `  ${line}`),
      ...clients.map((client, index) => `  client ${index}: ${client.state}`),
    ].join("\n");
  }

  private addClient(index: number): void {
    const { random, plan, world, history } = this;
    const count = random.between(1, 5);
    const isTrusted = chance(random, plan.trusted);
    const address = `10.${isTrusted ? 9 : 0}.${index}.${random.between(1, 254)}`;
    const exchanges: Exchange[] = [];
    for (let number = 0; number < count; number++) {
      const drawn = drawExchange(random, plan, index * 10 + number + 1);
      const exchange = new Exchange(drawn, address, isTrusted);
      this.exchanges.set(exchange.id, exchange);
      exchanges.push(exchange);
      if (exchange.plan.kind === "tunnel") break;
    }
    const { schedule } = world;
    const wire = this.makeWire(address);
    const client = new ClientActor(
      schedule,
      random,
      history,
      drawClient(random, plan),
      wire,
      exchanges,
      this.limiter,
      () => this.onClientDone(),
    );
    wire.actor = client;
    this.clients.push(client);
    this.waiting++;
    schedule.after(random.below(random.pick([1, 50_000, 2_000_000])), () => {
      world.kernel.arrive(random.pick(world.listeners), wire);
      client.start();
    });
  }

  private makeWire(address: string): Wire {
    const { random, plan, world } = this;
    return new Wire(world.schedule, random, plan.latencyUs, plan.windowBytes, address);
  }

  /** Names resolve to something else, more or fewer addresses than some request has counted on. */
  private changeAddresses(): void {
    const { random, world } = this;
    const servers = world.groups.flatMap((each) => each.servers);
    for (; this.dueChanges > 0; this.dueChanges--) {
      const server = random.pick(servers);
      const chosen = random.between(1, (1 << ADDRESSES.length) - 1);
      const literals = ADDRESSES.filter((_, bit) => (chosen >> bit) & 1);
      this.history.trace?.(`the addresses of ${server.authority} are ${literals.join(" ")}`);
      world.setAddresses(server, literals);
      if (literals.length === 1) this.history.alone = true;
      for (const upstream of this.upstreams)
        if (upstream.port === server.port && !literals.includes(upstream.address)) upstream.leave();
    }
  }

  private connect(port: number, address: string): { outcome: ConnectOutcome; latency: number } {
    const { random, plan, history } = this;
    const latency = random.below(plan.latencyUs * 2 + 1);
    if (chance(random, plan.refuses)) {
      history.refused = true;
      return { outcome: -random.pick([ECONNREFUSED, EHOSTUNREACH]), latency };
    }
    if (chance(random, plan.hangs)) {
      history.unreachable = true;
      return { outcome: null, latency };
    }
    const wire = this.makeWire(address);
    const upstream = new UpstreamActor(this.around, wire, port);
    wire.actor = upstream;
    this.upstreams.push(upstream);
    return { outcome: wire, latency };
  }

  private onClientDone(): void {
    this.waiting--;
    if (this.waiting > 0 || this.history.draining) return;
    const start = this.world.schedule.now;
    this.world.schedule.after(SETTLE_US, () => this.settle(start));
  }

  /** All clients are served: what is left must come to rest, and then end by itself or by drain. */
  private settle(start: number): void {
    const { world, random } = this;
    const { schedule } = world;
    const problem = world.idleProblem;
    if (problem !== "") {
      if (schedule.now - start > SETTLE_US_MAX) throw new Violation(problem);
      schedule.after(SETTLE_US * 5, () => this.settle(start));
    } else if (random.below(8) > 0) {
      this.drain();
    } else {
      schedule.after(IDLE_US, () => {
        if (world.table.inUse > 0)
          throw new Violation(`${world.table.inUse} connections outlive their idle timeout`);
        this.drain();
      });
    }
  }

  private drain(): void {
    this.history.draining = true;
    if (!this.plan.retires) for (const client of this.clients) client.noteStop();
    this.world.signal();
  }
}
