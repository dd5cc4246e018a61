// The conformance engine that is the real thing: one shipped server, the scripted upstream behind
// it, and a socket for every run, each from a loopback address of its own.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { conformanceConfig } from "./conformance-config.ts";
import type { ClientStep, ConformanceEngine, Observation, Script } from "./conformance-engine.ts";
import { readMessages } from "./conformance-messages.ts";
import { ConformanceUpstream, type UpstreamRun } from "./conformance-upstream.ts";
import { startServer, type TestServer } from "./server.ts";
import { closedPort } from "./upstreams.ts";

/** How long a run waits for what should come; a guard, never a measurement. */
const PATIENCE_MS = 8_000;
const PIECE_PAUSE_MS = 1;

export class ServerEngine implements ConformanceEngine {
  readonly #server: TestServer;
  readonly #upstream: ConformanceUpstream;
  readonly #runs: Map<string, UpstreamRun>;
  #runCount = 0;

  static async start(): Promise<ServerEngine> {
    const runs = new Map<string, UpstreamRun>();
    const upstream = await ConformanceUpstream.start(runs);
    const refused = `http://127.0.0.1:${await closedPort()}`;
    const prepare = (folder: string) => {
      mkdirSync(join(folder, "files"));
      writeFileSync(join(folder, "files", "a.txt"), "hello");
    };
    const toml = conformanceConfig(`http://127.0.0.1:${upstream.port}`, refused);
    try {
      return new ServerEngine(await startServer(toml, { prepare }), upstream, runs);
    } catch (error) {
      await upstream.stop();
      throw error;
    }
  }

  private constructor(
    server: TestServer,
    upstream: ConformanceUpstream,
    runs: Map<string, UpstreamRun>,
  ) {
    this.#server = server;
    this.#upstream = upstream;
    this.#runs = runs;
  }

  async run(script: Script): Promise<Observation> {
    const { answers, otherAnswer } = script;
    const address = this.#nextAddress();
    const run: UpstreamRun = { answers, otherAnswer, requests: [], over: false };
    this.#runs.set(address, run);
    const client = new Client(this.#server.port, address);
    try {
      for (const step of script.steps) await client.play(step);
      if (script.closes) await client.until(() => client.ending !== "open");
      const authority = `127.0.0.1:${this.#upstream.port}`;
      const requests = run.requests.map((text) =>
        text.replaceAll(address, "{client}").replaceAll(authority, "{upstream}"),
      );
      return { client: client.received, ending: client.ending, requests };
    } finally {
      client.close();
      run.over = true;
    }
  }

  async stop(): Promise<void> {
    await this.#upstream.stop();
    await this.#server.stop();
    assert.deepEqual(this.#upstream.strays, [], "bytes at the upstream that are no request");
  }

  /** 127.1.0.1 and on: all of 127.0.0.0/8 is this machine. */
  #nextAddress(): string {
    const count = this.#runCount++;
    return `127.${1 + (count >>> 15)}.${(count >>> 7) & 255}.${1 + (count & 127)}`;
  }
}

class Client {
  readonly #socket: Socket;
  readonly #connected: Promise<void>;
  received: Buffer = Buffer.alloc(0);
  ending: Observation["ending"] = "open";
  #wake = () => {};

  constructor(port: number, localAddress: string) {
    const options = { port, host: "127.0.0.1", localAddress, noDelay: true, allowHalfOpen: true };
    this.#socket = connect(options);
    this.#connected = new Promise((resolve) => this.#socket.once("connect", resolve));
    this.#socket.on("data", (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.#wake();
    });
    this.#socket.on("end", () => this.#end("end"));
    this.#socket.on("error", () => this.#end("reset"));
  }

  #end(ending: Observation["ending"]): void {
    if (this.ending === "open") this.ending = ending;
    this.#wake();
  }

  /** Sends the step's pieces, and waits until its messages are there or the connection ends. */
  async play({ pieces, end, messages }: ClientStep): Promise<void> {
    await this.#connected;
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await sleep(PIECE_PAUSE_MS);
      if (!this.#socket.writable) break;
      await new Promise<void>((resolve) => this.#socket.write(piece, () => resolve()));
    }
    if (end) this.#socket.end();
    await this.until(() => this.ending !== "open" || this.#has(messages));
  }

  #has(messages: ClientStep["messages"]): boolean {
    try {
      return readMessages(this.received, messages, false).messages.length === messages.length;
    } catch {
      return true; // no answer at all: there is nothing to wait for, and the judge will say so
    }
  }

  /** Waits for the condition, which only received bytes and endings change, or for patience. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!condition() && Date.now() < deadline) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, deadline - Date.now());
      });
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.resetAndDestroy();
  }
}
