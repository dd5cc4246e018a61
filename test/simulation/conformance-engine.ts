// The conformance engine on the simulated kernel: every run is a whole life of a worker, in virtual
// time, with the scripted client and the scripted upstream as its only peers, and ends with the
// proof that nothing is left of it.

import assert from "node:assert/strict";
import { compile } from "zproxy/compiler/compile.ts";
import { ECONNREFUSED } from "zproxy/native/abi.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { conformanceConfig } from "../lib/conformance-config.ts";
import type {
  ConformanceEngine,
  Observation,
  Script,
  UpstreamAnswer,
} from "../lib/conformance-engine.ts";
import { readMessages } from "../lib/conformance-messages.ts";
import { headOf, requestBytes } from "../lib/conformance-upstream.ts";
import { loadProgram } from "../lib/generated-program.ts";
import { Random } from "../lib/random.ts";
import { NO_FAULTS, Violation } from "./faults.ts";
import { type Actor, Wire } from "./wire.ts";
import { World } from "./world.ts";

const UPSTREAM_PORT = 9001;
const REFUSED_PORT = 9002;
const CLIENT_ADDRESS = "10.1.2.3";
const PIECE_PAUSE_US = 1000;
const LATENCY_US = 100;
const WINDOW_BYTES = 1 << 20;
/** How long a run waits for what should come, in virtual time. */
const PATIENCE_US = 8_000_000;
const READ_BYTES = 1 << 20;

export class SimulatedEngine implements ConformanceEngine {
  private readonly program: Program;

  static async start(): Promise<SimulatedEngine> {
    const upstream = `http://127.0.0.1:${UPSTREAM_PORT}`;
    const text = conformanceConfig(upstream, `http://127.0.0.1:${REFUSED_PORT}`);
    const { files } = compile({ path: "conformance.toml", text });
    return new SimulatedEngine(await loadProgram(files));
  }

  private constructor(program: Program) {
    this.program = program;
  }

  async run(script: Script): Promise<Observation> {
    return new ScriptedRun(this.program, script).play();
  }

  async stop(): Promise<void> {}
}

class ScriptedRun {
  readonly script: Script;
  readonly world: World;
  readonly requests: string[] = [];
  readonly strays: string[] = [];
  /** The client has seen what it came for: what an upstream gets now belongs to nobody. */
  over = false;
  private readonly client: ScriptedClient;

  constructor(program: Program, script: Script) {
    this.script = script;
    this.world = new World({
      program,
      random: new Random(1),
      faults: NO_FAULTS,
      surroundings: {
        connect: (port) => ({ outcome: this.connect(port), latency: LATENCY_US }),
        excuse: () => {},
      },
      counts: { small: 32, large: 8, multishot: 8 },
      bufferRingEntries: 4,
      sqEntries: 64,
      cqEntries: 128,
      slotCountMax: 32,
      fdMax: 64,
      fixedFileCount: 32,
      multishot: true,
      rateLimiter: null,
      observes: { log: false, metrics: false },
      connectionsMax: 0,
      addresses: ["127.0.0.1"],
      realtimeSecs: Math.floor(Date.now() / 1000),
      secondsMax: 600,
      files: new Map([["files/a.txt", Buffer.from("hello")]]),
    });
    const { world } = this;
    world.onWake = () => world.loop.drain();
    const wire = this.makeWire(CLIENT_ADDRESS);
    this.client = new ScriptedClient(this, wire);
    wire.actor = this.client;
    world.kernel.arrive(world.listeners[0], wire);
  }

  play(): Observation {
    const { world, client, requests, strays } = this;
    client.playStep(0);
    world.run();
    assert.deepEqual(strays, [], "bytes at the upstream that are no request");
    const seen = requests.map((text) =>
      text
        .replaceAll(CLIENT_ADDRESS, "{client}")
        .replaceAll(`127.0.0.1:${UPSTREAM_PORT}`, "{upstream}"),
    );
    return { client: client.received, ending: client.ending, requests: seen };
  }

  pause(run: () => void): void {
    this.world.schedule.after(PIECE_PAUSE_US, run);
  }

  /** The client is done: the worker may end. */
  end(): void {
    this.over = true;
    this.world.signal();
  }

  private makeWire(address: string): Wire {
    const { schedule, kernel } = this.world;
    return new Wire(schedule, kernel.random, LATENCY_US, WINDOW_BYTES, address);
  }

  private connect(port: number): Wire | number {
    if (port !== UPSTREAM_PORT) return -ECONNREFUSED;
    const wire = this.makeWire("127.0.0.1");
    wire.actor = new ScriptedUpstream(this, wire);
    return wire;
  }
}

/** Sends `pieces` one after the other with pauses between them. */
function sendPieces(
  run: ScriptedRun,
  wire: Wire,
  pieces: readonly Uint8Array[],
  then: () => void,
): void {
  const sendFrom = (index: number): void => {
    const piece = pieces[index];
    if (piece === undefined) {
      then();
      return;
    }
    wire.send(piece);
    if (index + 1 < pieces.length) run.pause(() => sendFrom(index + 1));
    else then();
  };
  sendFrom(0);
}

class ScriptedClient implements Actor {
  received: Buffer = Buffer.alloc(0);
  ending: Observation["ending"] = "open";
  private readonly owner: ScriptedRun;
  private readonly wire: Wire;
  private step = 0;
  private waiting = false;
  private done = false;

  constructor(owner: ScriptedRun, wire: Wire) {
    this.owner = owner;
    this.wire = wire;
  }

  /** Sends a step's pieces, then waits until its messages are there or the connection ends. */
  playStep(index: number): void {
    const step = this.owner.script.steps[index];
    this.step = index;
    if (step === undefined) {
      this.waiting = true;
      this.look();
      this.owner.world.schedule.after(PATIENCE_US, () => this.finish());
      return;
    }
    this.waiting = false;
    sendPieces(this.owner, this.wire, step.pieces, () => {
      if (step.end) this.wire.end();
      this.waiting = true;
      this.look();
      this.owner.world.schedule.after(PATIENCE_US, () => {
        if (this.step === index) this.finish();
      });
    });
  }

  onReadable(wire: Wire): void {
    while (wire.readable) this.received = Buffer.concat([this.received, wire.read(READ_BYTES)]);
    if (wire.atEnd && this.ending === "open") this.ending = "end";
    this.look();
  }

  onReset(wire: Wire): void {
    while (wire.readable) this.received = Buffer.concat([this.received, wire.read(READ_BYTES)]);
    if (this.ending === "open") this.ending = "reset";
    this.look();
  }

  private look(): void {
    if (!this.waiting || this.done) return;
    const { steps, closes } = this.owner.script;
    const step = steps[this.step];
    if (step === undefined) {
      if (!closes || this.ending !== "open") this.finish();
    } else if (this.ending !== "open" || this.has(step.messages)) {
      this.owner.pause(() => this.playStep(this.step + 1));
      this.waiting = false;
    }
  }

  private has(messages: Script["steps"][number]["messages"]): boolean {
    try {
      return readMessages(this.received, messages, false).messages.length === messages.length;
    } catch {
      return true; // no answer at all: there is nothing to wait for, and the judge will say so
    }
  }

  private finish(): void {
    if (this.done) return;
    this.done = true;
    this.wire.reset();
    this.owner.end();
  }
}

class ScriptedUpstream implements Actor {
  private readonly owner: ScriptedRun;
  private readonly wire: Wire;
  private received = "";
  private requests = 0;
  private ignoreRest = false;
  private interimSent = false;
  private ended = false;
  private readonly queue: (() => void)[] = [];
  private busy = false;

  constructor(owner: ScriptedRun, wire: Wire) {
    this.owner = owner;
    this.wire = wire;
  }

  onReadable(wire: Wire): void {
    while (wire.readable) {
      const text = Buffer.from(wire.read(READ_BYTES)).toString("latin1");
      if (!this.ignoreRest) this.received += text;
    }
    while (!this.ignoreRest && this.takeRequest());
    if (!wire.atEnd || this.ended) return;
    this.ended = true;
    if (this.requests > 0 && this.received !== "" && !this.ignoreRest)
      this.owner.strays.push(this.received);
    wire.reset();
  }

  onReset(): void {
    this.ended = true;
  }

  private takeRequest(): boolean {
    const { owner, received } = this;
    const head = headOf(received);
    if (head === undefined) return false;
    if (!head.includes(`X-Forwarded-For: `)) throw new Violation(`a stray request: ${head}`);
    const answer = owner.script.answers[owner.requests.length] ?? owner.script.otherAnswer;
    if (!this.interimSent) this.answerWith(answer.interim, () => {});
    this.interimSent = true;
    const length = answer.after === "head" ? head.length : requestBytes(head, received);
    if (length === undefined) return false;
    if (owner.over) owner.strays.push(received);
    owner.requests.push(received.slice(0, length));
    this.received = received.slice(length);
    this.requests++;
    this.ignoreRest = answer.after === "head";
    this.interimSent = false;
    this.answerWith(answer.pieces, () => this.afterwards(answer));
    return true;
  }

  private afterwards({ afterwards }: UpstreamAnswer): void {
    if (afterwards === "close") this.wire.end();
    else if (afterwards === "reset") this.wire.reset();
  }

  /** Answers go out one behind the other, whenever their requests come. */
  private answerWith(pieces: readonly Uint8Array[], then: () => void): void {
    this.queue.push(() =>
      sendPieces(this.owner, this.wire, pieces, () => {
        then();
        this.busy = false;
        this.next();
      }),
    );
    this.next();
  }

  private next(): void {
    if (this.busy) return;
    const send = this.queue.shift();
    if (send === undefined) return;
    this.busy = true;
    send();
  }
}
