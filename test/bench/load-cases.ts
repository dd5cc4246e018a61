// The table of load cases: what is asked of whom. Adding a case is adding a row.

import type { ServerName } from "./options.ts";
import { PATHS } from "./site.ts";

/** One thing that is measured: a server under a label, on the case's path or on one of its own. */
export interface Target {
  readonly label: string;
  readonly server: ServerName;
  readonly path?: string;
}

export interface LoadCase {
  readonly name: string;
  readonly title: string;
  /** One path, or several that are asked for in turn. */
  readonly paths: readonly string[];
  readonly connections: number;
  /** Requests in one write; 1 is no pipelining. */
  readonly pipeline?: number;
  /** Think time instead of full speed: the share of the slowest server's capacity to offer. */
  readonly pacedShare?: number;
  /** Over TLS, which HAProxy is not set up for. */
  readonly secure?: boolean;
  /** Large bodies: the CPU time of both ends together is a ratio of its own (see README.md). */
  readonly isBulk?: boolean;
  /** Asked by lean-load.c: wrk would take more CPU time than the servers, and they would wait. */
  readonly isLean?: boolean;
  /** Longer than other cases are warmed up. */
  readonly warmupSeconds?: number;
  readonly targets: readonly Target[];
}

const ZPROXY: Target = { label: "zproxy", server: "zproxy" };
const NGINX: Target = { label: "nginx", server: "nginx" };
const HAPROXY: Target = { label: "haproxy", server: "haproxy" };

export const LOAD_CASES: readonly LoadCase[] = [
  {
    name: "proxy-small-128",
    title: "proxied, 36-byte body, 128 connections",
    paths: [PATHS.proxySmall],
    connections: 128,
    targets: [ZPROXY, NGINX, HAPROXY],
  },
  {
    name: "proxy-small-16",
    title: "proxied, 36-byte body, 16 connections",
    paths: [PATHS.proxySmall],
    connections: 16,
    targets: [ZPROXY, NGINX, HAPROXY],
  },
  {
    name: "proxy-64k",
    title: "proxied, 64 KiB body, 32 connections",
    paths: [PATHS.proxyLarge],
    connections: 32,
    isBulk: true,
    targets: [ZPROXY, NGINX, HAPROXY],
  },
  {
    name: "file-small",
    title: "files of about 1 KiB, 8 of them in turn, 128 connections",
    paths: PATHS.smallFiles,
    connections: 128,
    targets: [ZPROXY, NGINX],
  },
  {
    name: "file-10m",
    title: "one 10 MiB file, 8 connections",
    paths: [PATHS.bigFile],
    connections: 8,
    isBulk: true,
    targets: [ZPROXY, NGINX],
  },
  {
    name: "memory",
    title: "1 KiB from memory, 128 connections (peers: fixed replies; nginx-file: its page cache)",
    paths: [PATHS.memory],
    connections: 128,
    isLean: true,
    targets: [
      ZPROXY,
      NGINX,
      { label: "nginx-file", server: "nginx", path: PATHS.memoryFile },
      HAPROXY,
    ],
  },
  {
    name: "pipelined",
    title: "1 KiB from memory, 16 requests in one write, 32 connections",
    paths: [PATHS.memory],
    connections: 32,
    pipeline: 16,
    targets: [ZPROXY, NGINX, HAPROXY],
  },
  {
    name: "tls-small-128",
    title: "over TLS 1.3: proxied, 36-byte body, 128 connections",
    paths: [PATHS.proxySmall],
    connections: 128,
    secure: true,
    targets: [ZPROXY, NGINX],
  },
  {
    name: "tls-file-10m",
    title: "over TLS 1.3: one 10 MiB file, 8 connections",
    paths: [PATHS.bigFile],
    connections: 8,
    secure: true,
    isBulk: true,
    targets: [ZPROXY, NGINX],
  },
  {
    name: "paced",
    title: "proxied, 36-byte body, 512 connections with think time: the same load for all",
    paths: [PATHS.proxySmall],
    connections: 512,
    pacedShare: 0.5,
    // V8 compiles for the first ten seconds of this load, and each time stops the worker for a
    // millisecond or two: p99 would show nothing else.
    warmupSeconds: 15,
    targets: [ZPROXY, NGINX, HAPROXY],
  },
];
