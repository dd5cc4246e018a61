// Upstream groups as the data path sees them: servers, the addresses their names have now, and the
// idle connections to each.

import type { UpstreamServerSettings, UpstreamSettings } from "./api.ts";
import { type Balancer, hashUrl, makeBalancer } from "./balance.ts";
import { ascii } from "./bytes.ts";
import type { Connection } from "./connection.ts";
import { ServerState } from "./server-state.ts";

/** A socket address that lies in the arena, ready for connect. */
export interface SocketAddress {
  readonly offset: number;
  readonly length: number;
  readonly ipv6: boolean;
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
  /** Replaced as a whole when the name resolves anew; empty while it does not. */
  addresses: SocketAddress[] = [];
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
