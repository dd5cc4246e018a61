// What the main thread and its workers say to each other. A worker reads its port only after its
// eventfd was signalled: it never returns to Node's event loop.

import type { GroupMemory } from "./balance-memory.ts";
import type { ArenaPages } from "./huge-pages.ts";
import type { TlsContexts } from "./tls-keys.ts";

/** Addresses of a server's name, as literals; IPv6 without brackets. */
export type ServerAddresses = readonly string[];

/** What a worker is started with, as `workerData`. */
export interface WorkerStart {
  readonly addonPath: string;
  /** Its place among the workers of its generation. */
  readonly index: number;
  /** Its number over all generations; descriptors it holds are noted under it. */
  readonly owner: number;
  /** ENGINE_*: what is behind the rings. */
  readonly engine: number;
  readonly cpu: number;
  /** The ring for the worker's log records, and how many it holds. */
  readonly logMemory: SharedArrayBuffer;
  readonly logRecordsMax: number;
  /** What the worker counts for the metrics; null: nobody asks for them. */
  readonly metricsMemory: SharedArrayBuffer | null;
  readonly listeners: readonly number[];
  /** Client connections of each worker, for a limit on them. */
  readonly connectionCounts: Int32Array;
  /** The table of rate limits; null: no route has one. */
  readonly rateWords: Int32Array | null;
  /** Null: the program does without TLS. */
  readonly tls: TlsContexts | null;
  /** Shared memory of each upstream group. */
  readonly balance: readonly GroupMemory[];
  /** For each upstream group, for each of its servers. */
  readonly addresses: readonly (readonly ServerAddresses[])[];
}

export type ToWorker =
  /** The server ends. */
  | { readonly type: "drain" }
  /** All workers of the generation are there. */
  | { readonly type: "accept" }
  /** The next generation accepts. Clients go on with it when `handsOver`, else they end. */
  | { readonly type: "retire"; readonly handsOver: boolean }
  /** Client connections of an earlier generation, idle, and entered for this worker already. */
  | { readonly type: "adopt"; readonly fds: readonly number[] }
  | { readonly type: "statistics" }
  | { readonly type: "ping" }
  | {
      readonly type: "addresses";
      readonly group: number;
      readonly server: number;
      readonly addresses: ServerAddresses;
    };

export interface WorkerStatistics {
  readonly connections: number;
  readonly upstreamConnections: number;
  readonly buffersInUse: number;
  readonly slotsInUse: number;
  readonly timers: number;
  readonly tlsSessions: number;
  /** Bytes of V8's heap after a collection, where `--expose-gc` allows one. */
  readonly heapUsed: number;
}

export type FromWorker =
  | { readonly type: "ready"; readonly wakeFd: number; readonly arena: ArenaPages }
  /** It will accept nothing more. */
  | { readonly type: "retired" }
  | { readonly type: "handover"; readonly fds: readonly number[] }
  | { readonly type: "pong" }
  /** The log's ring is filling, or holds what should not wait. */
  | { readonly type: "log" }
  | { readonly type: "statistics"; readonly statistics: WorkerStatistics };
