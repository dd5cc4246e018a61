// Which server of a group a request goes to, and which comes after one that could not be connected.
// Servers that checks find unhealthy are passed over everywhere.

import type { UpstreamSettings } from "./api.ts";
import { turnsOf } from "./balance-schedule.ts";
import { hashText, mixBits } from "./hash.ts";
import type { Server } from "./upstream-server.ts";

/** No server is healthy, or all of them have been tried. */
export const NO_SERVER = -1;

export interface Balancer {
  /** The index of the server for a request of the client with this hash, or NO_SERVER. */
  first(clientHash: number): number;
  /** The one to try after `index`, for a request that began at `first`, or NO_SERVER. */
  next(index: number, first: number, clientHash: number): number;
}

export function makeBalancer(
  algorithm: UpstreamSettings["algorithm"],
  servers: readonly Server[],
  cursor: Int32Array,
): Balancer {
  switch (algorithm) {
    case "round_robin":
      return new RoundRobin(servers, cursor);
    case "least_conn":
      return new LeastConnections(servers, cursor);
    case "ip_hash":
      return new ClientHash(servers);
  }
}

/** The next healthy server in declared order, until the first one would come again. */
function nextInOrder(servers: readonly Server[], index: number, first: number): number {
  for (let step = 1; step < servers.length; step++) {
    const next = (index + step) % servers.length;
    if (next === first) return NO_SERVER;
    if (servers[next]!.state.healthy) return next;
  }
  return NO_SERVER;
}

/** In turn. The cursor is one shared word: every turn is taken by exactly one request. */
class RoundRobin implements Balancer {
  private readonly servers: readonly Server[];
  private readonly turns: Int32Array;
  private readonly cursor: Int32Array;

  constructor(servers: readonly Server[], cursor: Int32Array) {
    this.servers = servers;
    this.turns = turnsOf(servers.map((server) => server.weight));
    this.cursor = cursor;
  }

  first(): number {
    const { servers, turns, cursor } = this;
    for (let tries = turns.length; tries > 0; tries--) {
      const index = turns[(Atomics.add(cursor, 0, 1) >>> 0) % turns.length]!;
      if (servers[index]!.state.healthy) return index;
    }
    // Other workers may have taken the healthy ones' turns in between.
    for (let index = 0; index < servers.length; index++)
      if (servers[index]!.state.healthy) return index;
    return NO_SERVER;
  }

  next(index: number, first: number): number {
    return nextInOrder(this.servers, index, first);
  }
}

/** The fewest requests in flight for its weight; those that have equally few take turns. */
class LeastConnections implements Balancer {
  private readonly servers: readonly Server[];
  private readonly turns: Int32Array;
  private readonly cursor: Int32Array;
  private readonly costs: Float64Array;

  constructor(servers: readonly Server[], cursor: Int32Array) {
    this.servers = servers;
    this.turns = turnsOf(servers.map((server) => server.weight));
    this.cursor = cursor;
    this.costs = new Float64Array(servers.length);
  }

  first(): number {
    const { servers, turns, cursor, costs } = this;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < servers.length; index++) {
      const { state, weight } = servers[index]!;
      const cost = state.healthy ? state.inFlight / weight : Number.POSITIVE_INFINITY;
      costs[index] = cost;
      if (cost < least) least = cost;
    }
    if (least === Number.POSITIVE_INFINITY) return NO_SERVER;
    const start = Atomics.load(cursor, 0);
    let step = 0;
    while (costs[turns[((start + step) >>> 0) % turns.length]!] !== least) step++;
    // If another worker was quicker, the cursor has moved on already.
    Atomics.compareExchange(cursor, 0, start, (start + step + 1) | 0);
    return turns[((start + step) >>> 0) % turns.length]!;
  }

  next(index: number, first: number): number {
    return nextInOrder(this.servers, index, first);
  }
}

const TWO_TO_32 = 2 ** 32;

/**
 * Rendezvous hashing: client and server together give a cost, the cheapest server is the client's.
 * When one leaves, each of its clients goes to the second cheapest, and nobody else moves. Costs
 * are exponentially distributed with the weight as rate, which makes shares proportional to it.
 */
class ClientHash implements Balancer {
  private readonly servers: readonly Server[];

  constructor(servers: readonly Server[]) {
    this.servers = servers;
  }

  first(clientHash: number): number {
    return this.cheapestAbove(Number.NEGATIVE_INFINITY, clientHash);
  }

  next(index: number, _first: number, clientHash: number): number {
    return this.cheapestAbove(costOf(this.servers[index]!, clientHash), clientHash);
  }

  private cheapestAbove(bound: number, clientHash: number): number {
    const { servers } = this;
    let best = NO_SERVER;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < servers.length; index++) {
      const server = servers[index]!;
      if (!server.state.healthy) continue;
      const cost = costOf(server, clientHash);
      if (cost > bound && cost < least) {
        least = cost;
        best = index;
      }
    }
    return best;
  }
}

function costOf(server: Server, clientHash: number): number {
  const uniform = ((mixBits(server.hash ^ clientHash) >>> 0) + 0.5) / TWO_TO_32;
  return -Math.log(uniform) / server.weight;
}

/** The hash of a client's address, given as four words. */
export function hashAddress(word0: number, word1: number, word2: number, word3: number): number {
  return mixBits(word3 ^ mixBits(word2 ^ mixBits(word1 ^ mixBits(word0))));
}

/** The hash of a server's URL. */
export function hashUrl(url: string): number {
  return mixBits(hashText(url));
}
