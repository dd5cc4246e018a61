// Before a worker accepts, it serves requests of its own making, so that its first clients do not
// wait for V8 to compile what they run. The whole loop takes part, on a ring without a kernel: a
// second loop is built from the same program, of the same classes, with memory of its own, and is
// dropped afterwards. So neither a socket nor a counter, a limit or a log sees anything of it.

import {
  FILE_STATUS_IS_DIRECTORY,
  FILE_STATUS_IS_REGULAR,
  FILE_STATUS_MTIME_SECS,
  FILE_STATUS_SIZE,
  FILE_STATUS_WORDS,
  SOCKADDR_IN_BYTES,
} from "../../native/abi.ts";
import type { Program, RouteSettings } from "./api.ts";
import { arenaBytes, Buffers } from "./buffers.ts";
import { ascii } from "./bytes.ts";
import { ConnectionTable } from "./connection.ts";
import { type DataCalls, EventLoop } from "./event-loop.ts";
import { FileStore } from "./file-store.ts";
import { LogRingWriter, logRingMemory } from "./log-ring.ts";
import { metricsMemory, WorkerMetrics } from "./metrics.ts";
import { RateLimiter, rateWords } from "./rate-limiter.ts";
import {
  BUFFER_RING_ENTRIES,
  FD_COUNT,
  FILE_FD,
  RehearsalRing,
  UPSTREAM_FD,
} from "./rehearsal-ring.ts";
import { Ring } from "./ring.ts";
import { Route } from "./route.ts";
import { serverStateBytes } from "./server-state.ts";
import { Server, SocketAddress, UpstreamGroup } from "./upstream-server.ts";

/** It serves no longer than this, however slow the machine is, ... */
const WARM_UP_MS = 50;
/** ... and no more requests: the first few compile the path, the rest has V8 know its shapes. */
export const REQUESTS_MAX = 400;

const SLOT_COUNT = 64;
const BUFFER_COUNTS = { small: 16, large: 6, multishot: 8 };
const FILE_BYTES = 100;
const ANSWER = ascii(
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nETag: "1"\r\n\r\nok',
);
const PEER = ascii("127.0.0.1");

/**
 * Serves a request of each route, again and again. `routes`: the worker's own, which know by now
 * what is a directory. Returns how many were served.
 */
export function warmUp(program: Program, routes: readonly Route[], limitMs = WARM_UP_MS): number {
  // Of thousands of routes some: most of what is written for the others would never be asked.
  const step = Math.ceil(routes.length / REQUESTS_MAX);
  const requests = program.routes.flatMap((settings, at) =>
    at % step === 0 ? [requestFor(settings, routes[at]!)] : [],
  );
  if (requests.length === 0) return 0;
  const table = new ConnectionTable(SLOT_COUNT);
  const bytes = arenaBytes(BUFFER_COUNTS, 0);
  const ring = new RehearsalRing(table, SLOT_COUNT, bytes, requests, ANSWER);
  const loop = makeLoop(program, routes, table, ring);
  loop.accept();
  const end = performance.now() + limitMs;
  while (ring.asked < REQUESTS_MAX && performance.now() < end) loop.turn(0);
  return ring.asked;
}

/** A request that a route takes, unless another one stands before it. */
function requestFor({ key, prefix, allowedMethods }: RouteSettings, route: Route): Uint8Array {
  const host = hostOf(key).replace("*", "warm-up");
  const path = route.isProxy || route.isDirectory ? `${prefix}/warm-up` : prefix || "/";
  const methods = allowedMethods ?? [];
  const method = methods.length === 0 || methods.includes("GET") ? "GET" : methods[0]!;
  const lines = [
    `${method} ${path}?from=zproxy HTTP/1.1`,
    `Host: ${host.includes(":") ? `[${host}]` : host}`,
    "User-Agent: zproxy",
    "Accept: text/html,*/*;q=0.8",
    "Accept-Encoding: gzip, br",
    "Accept-Language: en",
    "Cookie: session=warm-up",
    "Connection: keep-alive",
  ];
  if (method !== "GET") lines.push("Content-Length: 0");
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/** The host in `path_routes."host"."/path"`, where a key in quotes is as in JSON. */
function hostOf(keyPath: string): string {
  const [, quoted, bare] = /^\w+\.(?:("(?:[^"\\]|\\.)*")|([\w-]+))/.exec(keyPath)!;
  return bare ?? (JSON.parse(quoted!) as string);
}

function makeLoop(
  program: Program,
  routes: readonly Route[],
  table: ConnectionTable,
  ring: RehearsalRing,
): EventLoop {
  const { admin, isTrustedProxy, logging } = program.server;
  const log = new LogRingWriter(logRingMemory(REQUESTS_MAX), REQUESTS_MAX, () => {});
  const metrics = new WorkerMetrics(metricsMemory(routes.length + 1));
  return new EventLoop({
    owner: 0,
    ring: new Ring(ring.memory, () => ring.enter(), 0, true),
    buffers: new Buffers(ring.arena, BUFFER_COUNTS, ring.bufferRings, BUFFER_RING_ENTRIES),
    table,
    slotCountMax: SLOT_COUNT,
    calls: new Calls(),
    owners: new Uint8Array(FD_COUNT),
    clock: new Uint32Array(4),
    listeners: [0],
    wakeFd: 0,
    routes: makeRoutes(program, routes),
    files: FILE_ROUTES ? new FileStore(new Map(), "") : null,
    tls: null,
    matchRoute: program.matchRoute,
    isTrustedProxy: isTrustedProxy ?? null,
    rateLimiter: RATE_LIMITS ? new RateLimiter(rateWords(1, 0), 0) : null,
    idPrefix: "00000000",
    accessLog: logging.accessLog ? log : undefined,
    metrics: admin === undefined ? undefined : metrics,
    waits: true,
    onWake: () => {},
    onWarning: () => {},
    onNotice: () => {},
  });
}

/** The program's routes: they ask what they ask of any request, but never refuse one. */
function makeRoutes(program: Program, real: readonly Route[]): Route[] {
  const words = (bytes: number) => new Int32Array(new SharedArrayBuffer(bytes));
  const state = words(serverStateBytes(1));
  const cursor = words(4);
  const addresses = [new SocketAddress("127.0.0.1", 0, SOCKADDR_IN_BYTES)];
  const groups = program.upstreams.map((settings) => {
    const servers = settings.servers.map((each) => new Server(each, state));
    for (const server of servers) server.addresses = addresses;
    return new UpstreamGroup(settings, servers, cursor);
  });
  return program.routes.map((settings, at) => {
    const route = new Route(withoutRefusals(settings), groups, at);
    route.isDirectory = real[at]!.isDirectory;
    route.filePath = real[at]!.filePath;
    return route;
  });
}

function withoutRefusals(settings: RouteSettings): RouteSettings {
  const { allowsClient, limits } = settings;
  const rateLimitRequestsPerMin = limits.rateLimitRequestsPerMin === 0 ? 0 : 2 ** 30;
  const changed = { ...settings, limits: { ...limits, rateLimitRequestsPerMin } };
  if (allowsClient === undefined) return changed;
  return { ...changed, allowsClient: (client) => allowsClient(client) || true };
}

/** Calls that find what they are asked for. */
class Calls implements DataCalls {
  socket(): number {
    return UPSTREAM_FD;
  }

  peerAddress(_fd: number, memory: Uint8Array, offset: number): number {
    memory.set(PEER, offset);
    return PEER.length;
  }

  fileStatus(_fd: number, words: Float64Array, offset: number): number {
    words.fill(0, offset, offset + FILE_STATUS_WORDS);
    words[offset + FILE_STATUS_SIZE] = FILE_BYTES;
    words[offset + FILE_STATUS_MTIME_SECS] = 1;
    words[offset + FILE_STATUS_IS_REGULAR] = 1;
    words[offset + FILE_STATUS_IS_DIRECTORY] = 0;
    return 0;
  }

  shutdownWrite(): number {
    return 0;
  }

  letGo(): number {
    return 0;
  }

  takeUp(): number {
    return FILE_FD;
  }

  sendfile(_socketFd: number, _fileFd: number, _offset: number, count: number): number {
    return count;
  }

  close(): number {
    return 0;
  }
}
