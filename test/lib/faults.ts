// A server whose time a test can move and whose workers it can kill: the shipped bundle, with
// fault-preload.cjs between it and its addon. No test waits for a timeout of a minute.

import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

const PRELOAD = resolve("test/lib/fault-preload.cjs");
const PATIENCE_MS = 10_000;

export class Faults {
  readonly server: TestServer;
  readonly #folder: string;
  #skippedMs = 0;

  constructor(server: TestServer, folder: string) {
    this.server = server;
    this.#folder = folder;
  }

  /** Moves the clock of all workers on, in one step: what waits longer than that times out. */
  skip(ms: number): void {
    this.#skippedMs += ms;
    // In one piece: a file that is read while it is empty would turn the clocks back.
    const next = join(this.#folder, "skip-next");
    writeFileSync(next, String(this.#skippedMs));
    renameSync(next, join(this.#folder, "skip"));
  }

  /** Lets a worker throw in the middle of its loop; returns when it has. */
  async crash(worker: number): Promise<void> {
    const order = join(this.#folder, `crash-${worker}`);
    writeFileSync(order, "");
    const deadline = Date.now() + PATIENCE_MS;
    while (existsSync(order)) {
      if (Date.now() > deadline) throw new Error(`worker ${worker} does not crash`);
      await sleep(5);
    }
  }

  /** Lets no worker start until `release`. */
  hold(): void {
    writeFileSync(join(this.#folder, "hold"), "");
  }

  release(): void {
    rmSync(join(this.#folder, "hold"));
  }

  async stop(): Promise<void> {
    await this.server.stop().finally(() => rmSync(this.#folder, { recursive: true }));
  }
}

export async function startWithFaults(toml: string, options: ServerOptions = {}): Promise<Faults> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-faults-"));
  const env = {
    ...options.env,
    ZPROXY_FAULTS: folder,
    NODE_OPTIONS: `--require ${PRELOAD}`,
  };
  return new Faults(await startServer(toml, { ...options, env }), folder);
}
