// A worker on the simulated kernel whose peers a test plays by hand: for what needs the right
// moment, which real sockets meet now and then. The test says what happens at which virtual time.

import assert from "node:assert/strict";
import { compile } from "zproxy/compiler/compile.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { loadProgram } from "../lib/generated-program.ts";
import { Random } from "../lib/random.ts";
import { type Faults, NO_FAULTS } from "./faults.ts";
import type { ConnectOutcome } from "./kernel.ts";
import { type Actor, Wire } from "./wire.ts";
import { World } from "./world.ts";

const READ_BYTES = 1 << 20;
const CLIENT_ADDRESS = "10.1.2.3";
const REALTIME_SECS = 1_800_000_000;
const SECONDS_MAX = 600;

/** The compiled program of a configuration. */
export async function loadHandPlayed(toml: string): Promise<Program> {
  const { files, diagnostics } = compile({ path: "hand-played.toml", text: toml });
  assert.ok(files.length > 0, JSON.stringify(diagnostics));
  return loadProgram(files);
}

/** A client or an upstream: what it has received, and how its connection has ended. */
export class Peer implements Actor {
  readonly wire: Wire;
  received = "";
  ending: "open" | "end" | "reset" = "open";
  /** While false nothing is read, and the server can send only what the window takes. */
  reads = true;

  constructor(wire: Wire) {
    this.wire = wire;
    wire.actor = this;
  }

  send(text: string): void {
    this.wire.send(Buffer.from(text, "latin1"));
  }

  /** Reads what has come, and from now on what comes. */
  readOn(): void {
    this.reads = true;
    this.onReadable(this.wire);
  }

  onReadable(wire: Wire): void {
    while (this.reads && wire.readable)
      this.received += Buffer.from(wire.read(READ_BYTES)).toString("latin1");
    if (wire.atEnd && this.ending === "open") this.ending = "end";
  }

  onReset(wire: Wire): void {
    this.onReadable(wire);
    this.ending = "reset";
  }
}

export interface HandPlayedOptions {
  readonly program: Program;
  readonly seed?: number;
  /** What the names of all servers resolve to at first. */
  readonly addresses?: readonly string[];
  /** What each peer's side of a connection takes before it reads. */
  readonly windowBytes?: number;
  readonly latencyUs?: number;
  /** Of the completion queue; what it has no room for comes with the next turn. */
  readonly cqEntries?: number;
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

export class HandPlayed {
  /** Nothing goes wrong by itself; a test may change that when its time has come. */
  readonly faults: Faults = { ...NO_FAULTS };
  readonly client: Peer;
  /** What connects to an address end with at which nobody listens; null: they never end. */
  readonly dead = new Map<string, number | null>();
  deadConnects = 0;
  /** Connections that the worker has made, in order. */
  readonly upstreams: Peer[] = [];
  /** Called with each of them. */
  onUpstream: (upstream: Peer) => void = () => {};
  readonly world: World;
  private readonly options: HandPlayedOptions;
  private readonly due: (() => void)[] = [];

  constructor(options: HandPlayedOptions) {
    this.options = options;
    const { program, seed = 1, latencyUs = 100, cqEntries = 128, files = new Map() } = options;
    const { addresses = ["127.0.0.1"] } = options;
    this.world = new World({
      program,
      random: new Random(seed),
      faults: this.faults,
      surroundings: {
        connect: (_port, address) => ({ outcome: this.connect(address), latency: latencyUs }),
        excuse: () => {},
      },
      counts: { small: 32, large: 8, multishot: 8 },
      bufferRingEntries: 4,
      sqEntries: 64,
      cqEntries,
      slotCountMax: 32,
      fdMax: 64,
      fixedFileCount: 32,
      multishot: true,
      rateLimiter: null,
      observes: { log: false, metrics: false },
      connectionsMax: 0,
      addresses,
      realtimeSecs: REALTIME_SECS,
      secondsMax: SECONDS_MAX,
      files,
    });
    const { world } = this;
    world.onWake = () => {
      const due = this.due.splice(0);
      for (const run of due) run();
      if (due.length === 0) world.loop.drain();
    };
    this.client = this.connectClient();
  }

  /** One more client arrives. */
  connectClient(): Peer {
    const client = new Peer(this.makeWire(CLIENT_ADDRESS));
    this.world.kernel.arrive(this.world.listeners[0], client.wire);
    return client;
  }

  /** Lets something happen so many virtual milliseconds after the start. */
  at(ms: number, run: () => void): void {
    this.world.schedule.at(ms * 1000, run);
  }

  /** Likewise, but on the loop, as what the main thread asks for. */
  onLoopAt(ms: number, run: () => void): void {
    this.at(ms, () => {
      this.due.push(run);
      this.world.signal();
    });
  }

  /** A worker's whole life, told to drain at `ms`. Fails when anything of it is left. */
  play(ms: number): void {
    this.at(ms, () => this.world.signal());
    this.world.run();
  }

  private makeWire(address: string): Wire {
    const { latencyUs = 100, windowBytes = 1 << 20 } = this.options;
    const { schedule, kernel } = this.world;
    return new Wire(schedule, kernel.random, latencyUs, windowBytes, address);
  }

  private connect(address: string): ConnectOutcome {
    const outcome = this.dead.get(address);
    if (outcome !== undefined) {
      this.deadConnects++;
      return outcome;
    }
    const upstream = new Peer(this.makeWire(address));
    this.upstreams.push(upstream);
    this.onUpstream(upstream);
    return upstream.wire;
  }
}
