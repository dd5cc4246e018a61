// What a configuration means, as plain data: the checked config with every default filled in, every
// reference resolved and every order decided. The emitter only prints it, and the tests' reference
// interpreter reads it, so nothing in here depends on how the generated code matches.

import type { Condition } from "./condition.ts";

/** A whole configuration. */
export interface Ir {
  readonly server: ServerIr;
  /** Sorted by id. */
  readonly upstreams: readonly UpstreamIr[];
  /** Sorted by table, host and prefix. Only routes that a request can reach. */
  readonly routes: readonly RouteIr[];
  /** In matching order: exact hosts, wildcards with the longest first, "*". */
  readonly hosts: readonly HostIr[];
  /** The limits of a route that sets none, from the schema's defaults. */
  readonly limits: RouteLimitsIr;
}

export interface ServerIr {
  readonly listen: readonly ListenIr[];
  readonly threads: number;
  /** 0 is no limit. */
  readonly maxConcurrentConnections: number;
  /** Peers whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly AddressBlockIr[];
  readonly shutdownTimeoutSecs: number;
  readonly io: "auto" | "io_uring" | "epoll";
  /** "cbpf": a program keeps each client address on one worker. */
  readonly reuseportBalancing: "kernel" | "cbpf";
  readonly hugePages: boolean;
  /** Whom to become after the start; undefined: nobody else. */
  readonly dropPrivileges:
    | { readonly user: string | undefined; readonly group: string | undefined }
    | undefined;
  /** Undefined: the listeners are plain. */
  readonly tls: TlsIr | undefined;
  readonly logging: {
    readonly level: "trace" | "debug" | "info" | "warn" | "error" | "off";
    readonly filePath: string | undefined;
    readonly accessLog: boolean;
    readonly channelSize: number;
    readonly flushIntervalMs: number;
    /** 0 is never. */
    readonly maxLogSize: number;
  };
  /** Where metrics and probes are answered; undefined: nowhere. */
  readonly admin: ListenIr | undefined;
}

export interface TlsIr {
  readonly minVersion: "1.2" | "1.3";
  /** Whether the kernel takes connections over, and must. */
  readonly ktls: "off" | "preferred" | "required";
  /** The default first, then in declared order. */
  readonly certificates: readonly { readonly certPath: string; readonly keyPath: string }[];
}

export interface ListenIr {
  /** IPv4 or IPv6 literal, without brackets. */
  readonly address: string;
  readonly port: number;
}

export interface UpstreamIr {
  /** Constant in the generated text, unique among upstreams. */
  readonly symbol: string;
  /** What it is called in the configuration: a TOML key path, or `url "http://localhost:8080"`. */
  readonly id: string;
  /** The group's name; for the group of one behind a `url`, that URL's origin. */
  readonly name: string;
  /** Whether it stands behind a `url`. */
  readonly origin: boolean;
  readonly algorithm: "round_robin" | "least_conn" | "ip_hash";
  /** How servers with https are verified; not looked at when there are none. */
  readonly tlsVerify: boolean;
  /** Undefined: with the system's roots. */
  readonly tlsCaPath: string | undefined;
  /** In declared order. */
  readonly servers: readonly UpstreamServerIr[];
  /** Undefined: no checks. */
  readonly healthCheck: HealthCheckIr | undefined;
}

export interface HealthCheckIr {
  readonly intervalSecs: number;
  readonly path: string;
  readonly timeoutSecs: number;
  /** Sorted, without repetition. */
  readonly healthyStatuses: readonly number[];
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

export interface UpstreamServerIr {
  readonly tls: boolean;
  /** Name or IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  /** The URL's authority, default port left out, brackets kept. */
  readonly authority: string;
  readonly weight: number;
}

export interface RouteIr {
  /** Constant in the generated text, unique among routes. */
  readonly symbol: string;
  /** The TOML key path. */
  readonly key: string;
  /** Normal form without trailing slash; "" for "/" and for host routes. */
  readonly prefix: string;
  readonly target: TargetIr;
  /** Other targets in the order in which they are asked; the first that holds takes the request. */
  readonly when: readonly WhenIr[];
  readonly limits: RouteLimitsIr;
  /** Clients that are refused, whatever `allowedClients` says. */
  readonly deniedClients: readonly AddressBlockIr[];
  /** Empty takes every client. */
  readonly allowedClients: readonly AddressBlockIr[];
  /** Sorted, without repetition; empty takes every method. */
  readonly allowedMethods: readonly MethodIr[];
}

/**
 * A block of addresses. Lists of them are sorted, IPv4 before IPv6, and no block lies in another;
 * blocks of IPv4-mapped addresses are IPv4 blocks.
 */
export interface AddressBlockIr {
  readonly version: 4 | 6;
  /** The block's first address, in unsigned words of 32 bits: one, or four. */
  readonly words: readonly number[];
  /** 0 to 32, or 0 to 128. */
  readonly prefixBits: number;
  /** As it should be written, for example "10.0.0.0/8". */
  readonly text: string;
}

export interface MethodIr {
  /** Constant in the generated text, unique among methods. */
  readonly symbol: string;
  /** Compared byte by byte: methods are case-sensitive (RFC 9110 section 9.1). */
  readonly text: string;
}

/** A target for some of a route's requests, asked when every check of the route has passed. */
export interface WhenIr {
  /** Constant in the generated text, unique among routes and other targets. */
  readonly symbol: string;
  readonly name: string;
  /** The route's key path with the name behind it: `path_routes."*"."/".when.beta`. */
  readonly key: string;
  readonly condition: ConditionIr;
  readonly target: TargetIr;
}

/** Texts and names that conditions compare. */
export interface WordIr {
  /** Constant in the generated text, unique among words, or among methods. */
  readonly symbol: string;
  readonly text: string;
}

export type ConditionIr = Condition<WordIr, AddressBlockIr>;

export type TargetIr = ProxyIr | FileIr;

export interface ProxyIr {
  readonly kind: "proxy";
  readonly upstream: UpstreamIr;
  /** "" or a path that starts with a slash and does not end with one. */
  readonly basePath: string;
  readonly preserveHost: boolean;
}

export interface FileIr {
  readonly kind: "file";
  readonly path: string;
  readonly mode: "sendfile" | "memory";
  readonly index: string;
}

/** Sizes in bytes. */
export interface RouteLimitsIr {
  readonly maxRequestBodySize: number;
  readonly maxChunkedBodySize: number;
  readonly maxRequestHeaderSize: number;
  readonly clientHeaderTimeoutSecs: number;
  readonly clientBodyTimeoutSecs: number;
  readonly backendConnectTimeoutSecs: number;
  readonly maxIdleConnectionsPerHost: number;
  readonly idleConnectionTimeoutSecs: number;
  readonly rateLimitRequestsPerMin: number;
}

/** A host pattern with its routes. A request belongs to the first pattern that takes its host. */
export interface HostIr {
  /** Constant in the generated text, unique among hosts. */
  readonly symbol: string;
  /** The TOML key path, for example `path_routes."example.com"`. */
  readonly key: string;
  /** Normal form: "example.com", "*.example.com" or "*". */
  readonly pattern: string;
  /** Longest prefix first, equally long ones in code-unit order. Never empty. */
  readonly routes: readonly RouteIr[];
}
