// The record of a request as a line of the log: from the words a worker has written to JSON. What a
// client has sent is escaped so that it stays one value on one line, in any reader and on any
// terminal.

import {
  FLAG_BROKEN,
  FLAG_PATH_CUT,
  RECORD_MS,
  RECORD_SECS,
  REQUEST_BYTES,
  REQUEST_CLIENT,
  REQUEST_CLIENT_FAMILY,
  REQUEST_FLAGS,
  REQUEST_HOST_BYTES,
  REQUEST_ID_NUMBER,
  REQUEST_ID_PREFIX,
  REQUEST_METHOD_BYTES,
  REQUEST_PATH_BYTES,
  REQUEST_ROUTE,
  REQUEST_SERVER,
  REQUEST_STATUS,
  REQUEST_TEXT,
  REQUEST_TOTAL_US,
  REQUEST_UPSTREAM_US,
} from "../data/log-record.ts";
import { serverUrl } from "./balance-memory.ts";
import type { Facts } from "./bundle.ts";

/** The memory that a record stands in. */
export interface RecordMemory {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly text: Buffer;
}

/** Everything but printable ASCII without the quote and the backslash. */
const UNSAFE = /[^ !#-[\]-~]/g;
const PINO_INFO = 30;

/** Prints records of one program's requests. */
export class RequestLines {
  /** JSON of each route's key, and of each of its servers. */
  private readonly routes: readonly { key: string; servers: readonly string[] }[];

  constructor({ routes, upstreams }: Facts) {
    this.routes = routes.map((route) => ({
      key: JSON.stringify(route.key),
      servers:
        route.kind === "proxy"
          ? upstreams[route.upstream]!.servers.map((server) => JSON.stringify(serverUrl(server)))
          : [],
    }));
  }

  /** The line of the record that starts at word `at`, its end included. */
  print({ words, doubles, text }: RecordMemory, at: number): string {
    const methodAt = (at + REQUEST_TEXT) * Int32Array.BYTES_PER_ELEMENT;
    const hostAt = methodAt + words[at + REQUEST_METHOD_BYTES]!;
    const pathAt = hostAt + words[at + REQUEST_HOST_BYTES]!;
    const pathEnd = pathAt + words[at + REQUEST_PATH_BYTES]!;
    const flags = words[at + REQUEST_FLAGS]!;
    const route = this.routes[words[at + REQUEST_ROUTE]!];
    const server = route?.servers[words[at + REQUEST_SERVER]!];
    const upstreamUs = doubles[(at + REQUEST_UPSTREAM_US) >> 1]!;
    const time = (words[at + RECORD_SECS]! >>> 0) * 1000 + words[at + RECORD_MS]!;
    let line = `{"level":${PINO_INFO},"time":${time},"client":${clientOf(words, at)}`;
    line += `,"method":${quote(text.toString("latin1", methodAt, hostAt))}`;
    line += `,"host":${quote(text.toString("latin1", hostAt, pathAt))}`;
    line += `,"path":${quote(text.toString("latin1", pathAt, pathEnd))}`;
    if ((flags & FLAG_PATH_CUT) !== 0) line += ',"path_cut":true';
    line += `,"status":${words[at + REQUEST_STATUS]}`;
    line += `,"bytes":${doubles[(at + REQUEST_BYTES) >> 1]}`;
    line += `,"duration_ms":${doubles[(at + REQUEST_TOTAL_US) >> 1]! / 1000}`;
    if (server !== undefined) line += `,"upstream":${server}`;
    if (upstreamUs >= 0) line += `,"upstream_ms":${upstreamUs / 1000}`;
    if (route !== undefined) line += `,"route":${route.key}`;
    if ((flags & FLAG_BROKEN) !== 0) line += ',"broken":true';
    line += `,"id":"${hex(words[at + REQUEST_ID_PREFIX]!)}${hex(words[at + REQUEST_ID_NUMBER]!)}"`;
    return `${line},"msg":"request"}\n`;
  }
}

function quote(latin1: string): string {
  const safe = latin1.replace(UNSAFE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${safe}"`;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

/** The client's address as JSON; null when the kernel did not know it any more. */
function clientOf(words: Int32Array, at: number): string {
  const family = words[at + REQUEST_CLIENT_FAMILY];
  if (family === 0) return "null";
  const last = words[at + REQUEST_CLIENT + 3]!;
  if (family === 4)
    return `"${last >>> 24}.${(last >>> 16) & 255}.${(last >>> 8) & 255}.${last & 255}"`;
  const groups: number[] = [];
  for (let word = 0; word < 4; word++) {
    const value = words[at + REQUEST_CLIENT + word]!;
    groups.push(value >>> 16, value & 0xffff);
  }
  return `"${ipv6Text(groups)}"`;
}

/** RFC 5952: the longest run of two zero groups or more is "::", the first of equals. */
function ipv6Text(groups: readonly number[]): string {
  let best = 0;
  let bestLength = 1;
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > bestLength) {
      best = start;
      bestLength = length;
    }
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (bestLength === 1) return text(groups);
  return `${text(groups.slice(0, best))}::${text(groups.slice(best + bestLength))}`;
}
