// A thread that asks a shared rate limiter and a shared connection limit as fast as it can.
// test/property/limit-races.test.ts bundles and starts it.

import { parentPort, workerData } from "node:worker_threads";
import { ConnectionLimit } from "zproxy/runtime/data/connection-limit.ts";
import { IpAddress } from "zproxy/runtime/data/ip-address.ts";
import { RateLimiter } from "zproxy/runtime/data/rate-limiter.ts";

export interface LimitWork {
  readonly owner: number;
  /** One word: how many threads are ready. All begin when all are. */
  readonly ready: Int32Array;
  readonly rateWords: Int32Array;
  readonly connectionCounts: Int32Array;
  readonly connectionsMax: number;
  readonly requestsMax: number;
  readonly secs: number;
  readonly rounds: number;
  readonly addresses: readonly string[];
  /** One word: arrivals at the start and the end of races for one place; absent: no races. */
  readonly races?: Int32Array;
}

export interface LimitResult {
  /** Requests granted to each address. */
  readonly granted: readonly number[];
  readonly admitted: number;
  /** Times that the limit was passed by more than those about to be refused. */
  readonly passed: number;
  /** Races that this thread won. */
  readonly won: number;
}

function run(work: LimitWork): LimitResult {
  const { owner, rateWords, connectionCounts, connectionsMax, requestsMax, secs } = work;
  const limiter = new RateLimiter(rateWords, owner);
  const connections = new ConnectionLimit(connectionCounts, owner, connectionsMax);
  const granted = work.addresses.map(() => 0);
  const client = new IpAddress();
  let admitted = 0;
  let passed = 0;
  Atomics.add(work.ready, 0, 1);
  while (Atomics.load(work.ready, 0) < connectionCounts.length);
  for (let round = 0; round < work.rounds; round++) {
    const index = round % granted.length;
    const text = Buffer.from(work.addresses[index]!);
    client.parse(text, 0, text.length);
    if (limiter.take(1, client, requestsMax, secs) === 0) granted[index]!++;
    if (!connections.take()) continue;
    admitted++;
    // All the others may have counted themselves, and not yet have looked.
    const sum = connectionCounts.reduce((total, count) => total + count, 0);
    if (sum > connectionsMax + connectionCounts.length - 1) passed++;
    connections.release();
  }
  const won = work.races === undefined ? 0 : race(work, connections, work.races);
  return { granted, admitted, passed, won };
}

/** Asks for a place at the same time as all other threads, again and again. */
function race(work: LimitWork, connections: ConnectionLimit, races: Int32Array): number {
  const threads = work.connectionCounts.length;
  let arrivals = 0;
  const meet = () => {
    arrivals += threads;
    Atomics.add(races, 0, 1);
    while (Atomics.load(races, 0) < arrivals);
  };
  let won = 0;
  for (let round = 0; round < work.rounds; round++) {
    meet();
    const taken = connections.take();
    if (taken) won++;
    meet();
    if (taken) connections.release();
  }
  return won;
}

parentPort!.postMessage(run(workerData as LimitWork));
