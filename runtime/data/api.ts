// The one module that generated code imports: the shape of a compiled configuration ("program") and
// the byte helpers that it is written with. The compiler prints values of these types; the runtime
// turns them into its own pooled objects once, at start.

import type { ConditionRequest } from "./conditions.ts";

export { AddressSet } from "./address-set.ts";
export { ascii, bytesEqual, pathHasPrefix } from "./bytes.ts";
export {
  type ConditionRequest,
  cookieContains,
  cookieEndsWith,
  cookieEquals,
  cookieStartsWith,
  hasCookie,
  hasHeader,
  hasQuery,
  headerContains,
  headerEndsWith,
  headerEquals,
  headerStartsWith,
  methodEquals,
  queryContains,
  queryEndsWith,
  queryEquals,
  queryStartsWith,
} from "./conditions.ts";
export { origin } from "./origin.ts";
export { type RouteEntry, RouteTable } from "./route-table.ts";

/** `matchRoute` found no route: the answer is 404. */
export const ROUTE_NONE = -1;

/**
 * Chooses the route of a request by host and path in their normal form: the host lower-cased,
 * without port and trailing dot (IPv6 literals in their shortest form, without brackets), the path
 * percent-normalised, free of dot segments, starting with "/", without the query. Both are ranges
 * of `bytes`. Returns an index into `Program.routes`, or `ROUTE_NONE`.
 */
export type MatchRoute = (
  bytes: Uint8Array,
  hostStart: number,
  hostEnd: number,
  pathStart: number,
  pathEnd: number,
) => number;

/** A compiled configuration: what `generated/program.ts` exports as `program`. */
export interface Program {
  readonly server: ServerSettings;
  readonly upstreams: readonly UpstreamSettings[];
  readonly routes: readonly RouteSettings[];
  readonly matchRoute: MatchRoute;
}

export interface ServerSettings {
  readonly listen: readonly ListenAddress[];
  /** Worker threads; 0 means one for each CPU this process may use. */
  readonly threads: number;
  readonly shutdownTimeoutSecs: number;
  /** Client connections over all workers; 0 is no limit. */
  readonly maxConcurrentConnections: number;
  /** Whether X-Forwarded-For of this peer is believed; absent: nobody's is. */
  readonly isTrustedProxy?: (peer: ClientAddress) => boolean;
  readonly io: "auto" | "io_uring" | "epoll";
  /** Chooses the worker of a new connection; absent: the kernel's own hash does. */
  readonly reuseportProgram?: ReuseportProgram;
  /** Put buffers on huge pages; absent: no. */
  readonly hugePages?: boolean;
  /** Whom to become, when started as root, before the first connection; absent: stay. */
  readonly dropPrivileges?: PrivilegeSettings;
  /** Absent: the listeners are plain. */
  readonly tls?: TlsSettings;
  readonly logging: LoggingSettings;
  /** Where metrics and probes are answered; absent: nowhere. */
  readonly admin?: ListenAddress;
}

/** Names, or ids as digits. */
export interface PrivilegeSettings {
  readonly user?: string;
  /** Absent: the user's own. */
  readonly group?: string;
}

/**
 * A classic BPF program for a number of workers, whose result is the index of one. Rows are the
 * fields of struct sock_filter: code, jump if true, jump if false, operand.
 */
export type ReuseportProgram = (
  workers: number,
) => readonly (readonly [code: number, ifTrue: number, ifFalse: number, operand: number])[];

/** TLS towards clients. */
export interface TlsSettings {
  readonly minVersion: "1.2" | "1.3";
  /** Connections go to the kernel; what it does not take is refused when "required". */
  readonly ktls?: "preferred" | "required";
  /** Never empty. The first is the default; others are chosen by the names in them. */
  readonly certificates: readonly CertificateSettings[];
}

/** PEM files: a certificate with its chain, and its key. */
export interface CertificateSettings {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface ListenAddress {
  /** IPv4 or IPv6 literal, without brackets. */
  readonly address: string;
  readonly port: number;
}

export interface LoggingSettings {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "off";
  /** Absent: standard error. */
  readonly filePath?: string;
  /** A record for each request. */
  readonly accessLog: boolean;
  /** Records that wait for the log's writer, for each worker. */
  readonly channelSize: number;
  readonly flushIntervalMs: number;
  /** Bytes at which the file is rotated; 0 is never. */
  readonly maxLogSize: number;
}

/**
 * A group of servers. A route with a single `url` gets a group of one, named by that URL's origin.
 */
export interface UpstreamSettings {
  readonly name: string;
  readonly algorithm: "round_robin" | "least_conn" | "ip_hash";
  readonly servers: readonly UpstreamServerSettings[];
  /** Servers with https are not verified. */
  readonly tlsUnverified?: true;
  /** A PEM file of certificates to verify them with; absent: the system's. */
  readonly tlsCaPath?: string;
  /** Absent: all servers count as healthy. */
  readonly healthCheck?: HealthCheckSettings;
}

/** How the main thread finds out which servers answer. Thresholds count consecutive results. */
export interface HealthCheckSettings {
  readonly intervalSecs: number;
  /** The path to ask for, with its query. */
  readonly path: string;
  readonly timeoutSecs: number;
  readonly healthyStatuses: readonly number[];
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

export interface UpstreamServerSettings {
  readonly tls: boolean;
  /** Name or IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  /** What goes into `Host`: the URL's authority, default port left out. */
  readonly authority: string;
  readonly weight: number;
}

export type RouteSettings = ProxyRouteSettings | FileRouteSettings;

interface RouteCommon {
  /**
   * The TOML key path, for example `path_routes."example.com"."/api/"`. Names the route in logs.
   */
  readonly key: string;
  /**
   * The matched prefix without its trailing slash, "" for "/" and for host routes. The rest of the
   * path after it is what the handler uses: "" or a text that starts with "/".
   */
  readonly prefix: string;
  readonly limits: RouteLimits;
  /** Whether this client may use the route; absent: everyone may. Others are answered 403. */
  readonly allowsClient?: (client: ClientAddress) => boolean;
  /** What a 405 offers in `Allow` instead; absent: every method passes. Never empty. */
  readonly allowedMethods?: readonly string[];
  /**
   * Which of the route's targets a request goes to that has passed every check: an index into
   * `Program.routes`. Absent: the route has this one alone.
   */
  readonly choose?: (request: ConditionRequest, client: ClientAddress) => number;
  /** `choose` looks at the client. */
  readonly choosesByClient?: true;
}

export interface ProxyRouteSettings extends RouteCommon {
  readonly kind: "proxy";
  /** Index into `Program.upstreams`. */
  readonly upstream: number;
  /**
   * The path of `url`, without a trailing slash: "/app". The rest of the path is joined to it;
   * absent: there is none.
   */
  readonly basePath?: string;
  /** The client's own `Host` is forwarded; absent: the server's authority is. */
  readonly preserveHost?: true;
}

export interface FileRouteSettings extends RouteCommon {
  readonly kind: "file";
  /** A file or a directory; which of the two is found out at start. */
  readonly path: string;
  readonly mode: "sendfile" | "memory";
  readonly index: string;
}

/** Limits of one route, every default filled in. Sizes in bytes; 0 is "none" only where said. */
export interface RouteLimits {
  readonly maxRequestBodySize: number;
  readonly maxChunkedBodySize: number;
  readonly maxRequestHeaderSize: number;
  readonly clientHeaderTimeoutSecs: number;
  readonly clientBodyTimeoutSecs: number;
  readonly backendConnectTimeoutSecs: number;
  readonly maxIdleConnectionsPerHost: number;
  readonly idleConnectionTimeoutSecs: number;
  /** From one client address, IPv6: one /64; 0 is no limit. */
  readonly rateLimitRequestsPerMin: number;
}

/**
 * The address a request comes from, as signed 32-bit words in network order. IPv4 addresses,
 * IPv4-mapped ones among them, are in `word3`; the other words are 0 then.
 */
export interface ClientAddress {
  readonly isIpv4: boolean;
  readonly word0: number;
  readonly word1: number;
  readonly word2: number;
  readonly word3: number;
}
