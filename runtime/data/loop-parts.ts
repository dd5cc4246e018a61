// What a worker's loop is made of.

import type { ClientAddress, MatchRoute } from "./api.ts";
import type { Buffers } from "./buffers.ts";
import type { ConnectionTable } from "./connection.ts";
import type { FileStore } from "./file-store.ts";
import type { LogRingWriter } from "./log-ring.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { Ring } from "./ring.ts";
import type { Route } from "./route.ts";
import type { TlsParts } from "./tls.ts";

/** Native calls of the data path, beside `enter`. Only files make some for a request. */
export interface DataCalls {
  socket(owner: number, ipv6: boolean): number;
  peerAddress(fd: number, memory: Uint8Array, offset: number): number;
  fileStatus(fd: number, words: Float64Array, offset: number): number;
  shutdownWrite(fd: number): number;
  readable(fd: number): number;
  unacknowledged(fd: number): number;
  letGo(owner: number, fd: number, tls: number): number;
  takeUp(owner: number, fd: number): number;
  sendfile(socketFd: number, fileFd: number, offset: number, count: number): number;
  close(fd: number): number;
}

/** Everything a loop is made of; the worker thread (or a test) builds it. */
export interface LoopParts {
  readonly owner: number;
  readonly ring: Ring;
  readonly buffers: Buffers;
  readonly table: ConnectionTable;
  readonly slotCountMax: number;
  readonly calls: DataCalls;
  readonly owners: Uint8Array;
  readonly clock: Uint32Array;
  readonly listeners: readonly number[];
  readonly wakeFd: number;
  readonly routes: readonly Route[];
  readonly files: FileStore | null;
  /** Null: the program does without TLS. */
  readonly tls: TlsParts | null;
  readonly matchRoute: MatchRoute;
  /** Whether X-Forwarded-For of this peer is believed; null: nobody's is. */
  readonly isTrustedProxy: ((peer: ClientAddress) => boolean) | null;
  /** Null: no route has a rate limit. */
  readonly rateLimiter: RateLimiter | null;
  /** Eight hexadecimal digits that begin every request id of this worker. */
  readonly idPrefix: string;
  /** Takes a record of each request; absent: nobody wants them. */
  readonly accessLog?: LogRingWriter | undefined;
  /** Counts requests and turns; absent: nobody asks for them. */
  readonly metrics?: WorkerMetrics | undefined;
  /** Accepts only when it is told to; absent: from the start. */
  readonly waits?: boolean;
  /** Takes descriptors of clients that a worker of the next generation goes on with. */
  readonly onHandover?: (fds: readonly number[]) => void;
  /** Called when a worker that retires will accept nothing more. */
  readonly onRetired?: () => void;
  /** Called on the loop when the main thread has signalled. */
  readonly onWake: () => void;
  readonly onWarning: (text: string) => void;
  /** What is good to know, and no reason to worry. */
  readonly onNotice: (text: string) => void;
}
