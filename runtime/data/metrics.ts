// What a worker counts for the metrics, as doubles in shared memory: exact up to 2^53, written by
// the worker alone, read by the main thread whenever it is asked. A double is one store, so that a
// reader sees it before or after, never in between; sums that belong together may differ by one.
//
//   | worker: gauges and counts | turns by batch size | route none | route 0 | route 1 | …

/** Words of the worker itself. */
export const GAUGE_CLIENTS = 0;
export const GAUGE_UPSTREAMS = 1;
export const COUNT_ACCEPTED = 2;
export const COUNT_REFUSED = 3;
export const COUNT_RATE_LIMITED = 4;
export const COUNT_COMPLETIONS = 5;
export const COUNT_HANDSHAKES = 6;
export const COUNT_UPSTREAM_HANDSHAKES = 7;
export const COUNT_UPSTREAM_HANDSHAKE_FAILURES = 8;
export const COUNT_UPSTREAMS_OPENED = 9;

/** Why clients' handshakes fail; a word for each from COUNT_HANDSHAKE_FAILURES on. */
export const HANDSHAKE_FAILURES = [
  "timeout",
  "closed", // by the client, in the middle
  "alert", // the client gives up, for instance because it does not trust the certificate
  "version",
  "nothing_in_common", // no cipher, group or signature
  "alpn",
  "plain_http",
  "protocol", // no TLS, or not as it should be
  "kernel", // kTLS is required and refused
  "resources",
] as const;
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];
export const COUNT_HANDSHAKE_FAILURES = 10;

/** Why the kernel does not take a connection; a word for each from COUNT_KTLS_FALLBACKS on. */
export const KTLS_FALLBACKS = ["no_module", "unsupported", "closed", "error"] as const;
export type KtlsFallback = (typeof KTLS_FALLBACKS)[number];
export const COUNT_KTLS_FALLBACKS = COUNT_HANDSHAKE_FAILURES + HANDSHAKE_FAILURES.length;

/** Directions that the kernel has taken: of clients, then of upstreams; output, then input. */
export const COUNT_KTLS = COUNT_KTLS_FALLBACKS + KTLS_FALLBACKS.length;
const TURNS = COUNT_KTLS + 4;

/** Upper bounds of completions a turn: powers of two; what is above has a bucket of its own. */
export const BATCH_BOUNDS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;
const ROUTES = TURNS + BATCH_BOUNDS.length + 1;

/** Upper bounds of a request's duration in microseconds. */
export const DURATION_BOUNDS_US = [
  250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
  2_500_000, 5_000_000, 10_000_000,
] as const;

// Words of a route: a count for each hundred of statuses, the sums, the durations.
export const STATUS_CLASSES = 5;
const BYTES = STATUS_CLASSES;
const DURATION_SUM_US = STATUS_CLASSES + 1;
const DURATIONS = STATUS_CLASSES + 2;
const ROUTE_WORDS = DURATIONS + DURATION_BOUNDS_US.length + 1;

/** Stands first among the keys of a program's routes, for requests that found none. */
export const ROUTE_KEY_NONE = "none";

/** Memory for one worker and so many routes, ROUTE_KEY_NONE among them. */
export function metricsMemory(routeCount: number): SharedArrayBuffer {
  const words = ROUTES + routeCount * ROUTE_WORDS;
  return new SharedArrayBuffer(words * Float64Array.BYTES_PER_ELEMENT);
}

export class WorkerMetrics {
  private readonly words: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Float64Array(memory);
  }

  /** Adds one to a COUNT_* word. */
  count(word: number): void {
    this.words[word]!++;
  }

  /** A request has ended; `route` is -1 when none was found. */
  request(route: number, status: number, bytes: number, durationUs: number): void {
    const { words } = this;
    const at = ROUTES + (route + 1) * ROUTE_WORDS;
    const hundred = Math.min(STATUS_CLASSES, Math.max(1, Math.floor(status / 100)));
    words[at + hundred - 1]!++;
    words[at + BYTES]! += bytes;
    words[at + DURATION_SUM_US]! += durationUs;
    let bucket = 0;
    while (bucket < DURATION_BOUNDS_US.length && durationUs > DURATION_BOUNDS_US[bucket]!) bucket++;
    words[at + DURATIONS + bucket]!++;
  }

  /** A turn of the loop has handled so many completions. */
  turn(completions: number, clients: number, upstreams: number): void {
    const { words } = this;
    words[GAUGE_CLIENTS] = clients;
    words[GAUGE_UPSTREAMS] = upstreams;
    words[COUNT_COMPLETIONS]! += completions;
    let bucket = 0;
    while (bucket < BATCH_BOUNDS.length && completions > BATCH_BOUNDS[bucket]!) bucket++;
    words[TURNS + bucket]!++;
  }
}

/** What was counted for one route, by all workers. */
export interface RouteCounts {
  /** Of 1xx, 2xx, … */
  readonly statuses: readonly number[];
  readonly bytes: number;
  readonly durationSumUs: number;
  /** For each bound, and above. */
  readonly durations: readonly number[];
}

/** What workers of one program have counted. */
export interface Counts {
  /** Keys in the order of their words, ROUTE_KEY_NONE first. */
  readonly routes: readonly string[];
  readonly memories: readonly SharedArrayBuffer[];
}

interface Part {
  readonly words: Float64Array;
  readonly routes: ReadonlyMap<string, number>;
}

/** The sums over the workers of several programs, as they are now. */
export class MetricsReader {
  private readonly parts: readonly Part[];

  constructor(counts: readonly Counts[]) {
    this.parts = counts.flatMap(({ routes, memories }) => {
      const indexes = new Map(routes.map((key, index) => [key, index]));
      return memories.map((memory) => ({ words: new Float64Array(memory), routes: indexes }));
    });
  }

  /** The sum of a GAUGE_* or COUNT_* word. */
  sum(word: number): number {
    let sum = 0;
    for (const { words } of this.parts) sum += words[word]!;
    return sum;
  }

  /** Turns for each of BATCH_BOUNDS, and above. */
  turns(): readonly number[] {
    return Array.from({ length: BATCH_BOUNDS.length + 1 }, (_, index) => this.sum(TURNS + index));
  }

  route(key: string): RouteCounts {
    const sums = new Array<number>(ROUTE_WORDS).fill(0);
    for (const { words, routes } of this.parts) {
      const index = routes.get(key);
      if (index === undefined) continue;
      const at = ROUTES + index * ROUTE_WORDS;
      for (let word = 0; word < ROUTE_WORDS; word++) sums[word]! += words[at + word]!;
    }
    return {
      statuses: sums.slice(0, STATUS_CLASSES),
      bytes: sums[BYTES]!,
      durationSumUs: sums[DURATION_SUM_US]!,
      durations: sums.slice(DURATIONS),
    };
  }
}

/** What several programs have counted for these routes, as if one worker had. */
export function addUp(counts: readonly Counts[], routes: readonly string[]): Counts {
  const memory = metricsMemory(routes.length);
  const sums = new Float64Array(memory);
  const placeOf = new Map(routes.map((key, index) => [key, index]));
  for (const part of counts) {
    const places = part.routes.map((key) => placeOf.get(key) ?? -1);
    for (const words of part.memories.map((each) => new Float64Array(each))) {
      for (let word = COUNT_ACCEPTED; word < ROUTES; word++) sums[word]! += words[word]!;
      for (const [from, to] of places.entries())
        for (let word = 0; to >= 0 && word < ROUTE_WORDS; word++)
          sums[ROUTES + to * ROUTE_WORDS + word]! += words[ROUTES + from * ROUTE_WORDS + word]!;
    }
  }
  return { routes, memories: [memory] };
}
