// Upstream groups as the data path sees them: servers, the addresses their names have now, and the
// idle connections to each.

import type { UpstreamServerSettings, UpstreamSettings } from "./api.ts";
import { type Balancer, hashUrl, makeBalancer } from "./balance.ts";
import { ascii } from "./bytes.ts";
import type { Connection } from "./connection.ts";
import { ServerState } from "./server-state.ts";
import { TICK_MS } from "./timer-wheel.ts";
import { Text } from "./words.ts";

const SOCKADDR_STRIDE = 32;
/** An address that can't be connected comes after the others for so long, as in nginx. */
const AVOIDED_TICKS = Math.round(10_000 / TICK_MS);

/** Bytes of the arena that a server with up to so many addresses needs for them. */
export function addressRoom(count: number): number {
  return count * 2 * SOCKADDR_STRIDE;
}

/** Writes the sockaddr of a literal into the arena. Returns its length, or -errno. */
export type WriteSockaddr = (offset: number, literal: string, port: number) => number;

/** One address of a server: a sockaddr that lies in the arena, ready for connect. */
export class SocketAddress {
  readonly literal: string;
  readonly offset: number;
  readonly length: number;
  readonly ipv6: boolean;
  /** False when its name has it no more: connections to it are not used again. */
  current = true;
  /** Until this tick it comes after the others: a connect has failed. */
  avoidedUntil = 0;

  constructor(literal: string, offset: number, length: number) {
    this.literal = literal;
    this.offset = offset;
    this.length = length;
    this.ipv6 = literal.includes(":");
  }

  /** Notes that it can't be connected. */
  avoid(tick: number): void {
    this.avoidedUntil = tick + AVOIDED_TICKS;
  }
}

export class Server {
  readonly port: number;
  readonly weight: number;
  /** Of its URL: what `ip_hash` tells servers apart by, wherever they stand in the group. */
  readonly hash: number;
  readonly state: ServerState;
  /** Its URL's authority: how the log calls it. */
  readonly authority: string;
  /** What TLS connections to it are made with; -1: they are plain. */
  tlsPeer = -1;
  /** The tick from which on a failed handshake is worth a line in the log again. */
  handshakeSilentUntil = 0;
  /** The `Host` line for requests to it. */
  readonly hostLine: Uint8Array;
  /** The end of a request line, and `hostLine`. */
  readonly versionHost: Text;
  /** Replaced as a whole when the name resolves anew; empty while it does not. */
  addresses: readonly SocketAddress[] = [];
  /** Where in the arena they lie: twice as many places as there may be, used in turn. */
  private addressBase = 0;
  private addressSlots = 0;
  private addressSlot = 0;
  /** The address that the last fresh connection began with. */
  private addressTurn = -1;
  /** Whether its last answer fitted one small buffer. */
  isBrief = false;
  idleTop: Connection | null = null;
  idleCount = 0;

  /** `words`: the shared memory of its `ServerState`. */
  constructor({ tls, authority, port, weight }: UpstreamServerSettings, words: Int32Array) {
    this.port = port;
    this.weight = weight;
    this.hash = hashUrl(`${tls ? "https" : "http"}://${authority}`);
    this.state = new ServerState(words);
    this.authority = authority;
    this.hostLine = ascii(`Host: ${authority}\r\n`);
    this.versionHost = new Text(` HTTP/1.1\r\nHost: ${authority}\r\n`);
  }

  /** Gives it its part of the arena, `addressRoom(count)` bytes. */
  placeAddresses(base: number, count: number): void {
    this.addressBase = base;
    this.addressSlots = count * 2;
  }

  /**
   * Takes the addresses that its name has now. Those that it had stay the objects they were, so
   * that connections to them go on. New ones are not written over old ones: a connect that was
   * queued a moment ago has not been read by the kernel.
   */
  setAddresses(literals: readonly string[], write: WriteSockaddr): void {
    const before = this.addresses;
    const taken = new Set(before.map(({ offset }) => offset));
    const after: SocketAddress[] = [];
    for (const literal of literals.slice(0, this.addressSlots >> 1)) {
      const known = before.find((address) => address.literal === literal);
      if (known !== undefined) {
        after.push(known);
        continue;
      }
      const offset = this.nextFreeOffset(taken);
      const length = write(offset, literal, this.port);
      if (length > 0) after.push(new SocketAddress(literal, offset, length));
    }
    for (const address of before) address.current = after.includes(address);
    this.addresses = after;
  }

  /** A place in turn, so that one which has become free is not the next to be written. */
  private nextFreeOffset(taken: Set<number>): number {
    for (;;) {
      const offset = this.addressBase + this.addressSlot * SOCKADDR_STRIDE;
      this.addressSlot = (this.addressSlot + 1) % this.addressSlots;
      if (taken.has(offset)) continue;
      taken.add(offset);
      return offset;
    }
  }

  /**
   * The index of the address that a fresh connection begins with: each in turn, without those that
   * could not be connected of late while there are others.
   */
  firstAddress(tick: number): number {
    const { addresses } = this;
    const count = addresses.length;
    let turn = (this.addressTurn + 1) % count;
    // All of them round: it is the next one's turn all the same.
    for (let tries = count; tries > 0 && addresses[turn]!.avoidedUntil > tick; tries--)
      turn = (turn + 1) % count;
    this.addressTurn = turn;
    return turn;
  }

  /** Puts a connection on top of the idle ones. */
  push(connection: Connection): void {
    connection.pooled = true;
    connection.poolNext = this.idleTop;
    connection.poolPrevious = null;
    if (this.idleTop !== null) this.idleTop.poolPrevious = connection;
    this.idleTop = connection;
    this.idleCount++;
  }

  /** Takes a connection out, wherever it stands. */
  remove(connection: Connection): void {
    const { poolNext, poolPrevious } = connection;
    if (poolPrevious === null) this.idleTop = poolNext;
    else poolPrevious.poolNext = poolNext;
    if (poolNext !== null) poolNext.poolPrevious = poolPrevious;
    connection.poolNext = null;
    connection.poolPrevious = null;
    connection.pooled = false;
    this.idleCount--;
  }
}

export class UpstreamGroup {
  readonly name: string;
  readonly servers: readonly Server[];
  readonly balancer: Balancer;
  /** Whether the balancer looks at the client's hash. */
  readonly hashesClients: boolean;
  /** The longest `Host` line of any server. */
  readonly hostLineBytesMax: number;

  /** `cursor`: one shared word, whose turn it is. */
  constructor(
    { name, algorithm }: Pick<UpstreamSettings, "name" | "algorithm">,
    servers: readonly Server[],
    cursor: Int32Array,
  ) {
    this.name = name;
    this.servers = servers;
    this.balancer = makeBalancer(algorithm, servers, cursor);
    this.hashesClients = algorithm === "ip_hash" && servers.length > 1;
    this.hostLineBytesMax = Math.max(...servers.map((server) => server.hostLine.length));
  }
}
