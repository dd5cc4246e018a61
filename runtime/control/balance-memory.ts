// Shared memory of the upstream groups: cursors, health, requests in flight. The main thread owns
// it, keyed by names, so that a server is the same one for whatever program refers to it.

import type { UpstreamServerSettings } from "../data/api.ts";
import { ServerState, serverStateBytes } from "../data/server-state.ts";
import { authorityOf } from "./authority.ts";
import type { Facts } from "./bundle.ts";

/** What a worker is given for one group. */
export interface GroupMemory {
  /** One word: whose turn it is. */
  readonly cursor: Int32Array;
  /** The words of a `ServerState` for each server. */
  readonly servers: readonly Int32Array[];
}

/** `http://host:port`, the port always there. */
export function serverUrl({ tls, host, port }: UpstreamServerSettings): string {
  return `${tls ? "https" : "http"}://${authorityOf(host, port)}`;
}

export class BalanceMemory {
  private readonly workerCount: number;
  private readonly byName = new Map<string, Int32Array>();

  constructor(workerCount: number) {
    this.workerCount = workerCount;
  }

  /** The memory of a program's groups, in their order; what is known by name is kept. */
  groupsOf(program: Facts): readonly GroupMemory[] {
    const seen = new Map<string, number>();
    return program.upstreams.map(({ name, servers }) => {
      // A group may be named like the origin of a route's URL, which has a group of its own.
      const repetition = seen.get(name) ?? 0;
      seen.set(name, repetition + 1);
      const key = `${name} ${repetition}`;
      return {
        cursor: this.wordsOf(key, Int32Array.BYTES_PER_ELEMENT),
        servers: servers.map((server) =>
          this.wordsOf(`${key} ${serverUrl(server)}`, serverStateBytes(this.workerCount)),
        ),
      };
    });
  }

  /** Forgets what none of these programs uses. */
  prune(used: readonly (readonly GroupMemory[])[]): void {
    const words = new Set(used.flat().flatMap(({ cursor, servers }) => [cursor, ...servers]));
    for (const [key, known] of this.byName) if (!words.has(known)) this.byName.delete(key);
  }

  /** Takes back what a worker that died had in flight. */
  clearWorker(worker: number, groups: readonly GroupMemory[]): void {
    for (const { servers } of groups)
      for (const words of servers) new ServerState(words).clearInFlight(worker);
  }

  private wordsOf(key: string, bytes: number): Int32Array {
    const known = this.byName.get(key);
    if (known !== undefined) return known;
    const words = new Int32Array(new SharedArrayBuffer(bytes));
    this.byName.set(key, words);
    return words;
  }
}
