// Servers behind the proxy. `startUpstream` is a well-behaved HTTP server with a few routes;
// `startScript` is a bare socket that answers with any bytes, for everything a server must not do.

import { createHash, randomInt } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { TlsOptions } from "node:tls";
import { Random } from "./random.ts";

/** What `echo` answers, as JSON. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly bodySha256: string;
  /** Name of the upstream, for tests with several. */
  readonly server: string;
}

export interface Upstream {
  readonly port: number;
  readonly url: string;
  /** Connections accepted so far. */
  connections(): number;
  /** Requests (of a script: connections with at least one byte) seen so far. */
  requests(): number;
  /** Closes the listener and every connection. */
  stop(): Promise<void>;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Size and checksum of all that a stream brings. */
export async function sha256Of(stream: Readable): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    hash.update(part);
    bytes += part.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** The content that `/bytes/N?seed=S` answers with. */
export function sizedBytes(count: number, seed: number): Uint8Array {
  return new Random(seed).bytes(count);
}

/**
 * An HTTP server on a free port. Routes, by the last two segments of the path:
 * `/bytes/N?seed=S[&chunked][&cut=S]` sized content, with `cut` in random pieces;
 * `/slow/MS` an answer after that long;
 * `/status/N` that status; `/early/N` an answer of N bytes before the body is read;
 * `/trailers/N` N chunked bytes with trailers; `/close/N` N bytes delimited by close;
 * `/hints/N` a 103 before N bytes; everything else: an `Echo`. `tls`: an https server.
 */
export async function startUpstream(name = "upstream", tls?: TlsOptions): Promise<Upstream> {
  let requests = 0;
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    requests++;
    const route = /\/([a-z]+)\/(\d+)(?:\?(.*))?$/.exec(request.url ?? "");
    const answer = route === null ? undefined : ROUTES[route[1] ?? ""];
    if (route === null || answer === undefined) return echo(name, request, response);
    const query = new URLSearchParams(route[3] ?? "");
    if (route[1] === "early") return answer(response, Number(route[2]), query);
    request.resume().on("end", () => answer(response, Number(route[2]), query));
  };
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
  // The default of 5 s would close idle connections in the middle of a longer test.
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  const scheme = tls === undefined ? "http" : "https";
  const upstream = await track(server, () => requests, scheme);
  server.on("checkExpectation", (_request, response) => response.writeHead(417).end());
  return upstream;
}

type Route = (response: ServerResponse, value: number, query: URLSearchParams) => void;

const ROUTES: Readonly<Record<string, Route>> = {
  bytes(response, count, query) {
    const content = sizedBytes(count, Number(query.get("seed") ?? 1));
    if (!query.has("chunked")) response.setHeader("content-length", count);
    response.writeHead(200, { "content-type": "application/octet-stream" });
    const seed = query.get("cut");
    const half = [content.subarray(0, count >> 1), content.subarray(count >> 1)];
    const pieces = seed === null ? half : new Random(Number(seed)).cut(content);
    for (const piece of pieces) if (piece.length > 0) response.write(piece);
    response.end();
  },
  slow(response, ms) {
    setTimeout(() => response.end("slow"), ms);
  },
  status(response, status) {
    response.writeHead(status).end();
  },
  early(response, count) {
    response.writeHead(200, { "content-length": count });
    response.end(sizedBytes(count, 1));
  },
  trailers(response, count) {
    response.writeHead(200, { trailer: "x-sum, x-end" });
    const content = sizedBytes(count, 1);
    response.write(content);
    response.addTrailers({ "x-sum": sha256(content), "x-end": "yes" });
    response.end();
  },
  close(response, count) {
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { connection: "close" });
    response.end(sizedBytes(count, 1));
  },
  hints(response, count) {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" });
    ROUTES.bytes?.(response, count, new URLSearchParams());
  },
};

function echo(name: string, request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash("sha256");
  let bodyBytes = 0;
  request.on("data", (bytes: Uint8Array) => {
    hash.update(bytes);
    bodyBytes += bytes.length;
  });
  request.on("end", () => {
    const { method, url, rawHeaders, headers, trailers } = request;
    const bodySha256 = hash.digest("hex");
    const record = { method, url, rawHeaders, headers, trailers, bodyBytes, bodySha256 };
    const text = JSON.stringify({ ...record, server: name });
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", Buffer.byteLength(text));
    response.setHeader("x-upstream", name);
    response.end(text);
  });
}

/** Waits until the upstream has seen more requests than `before`. */
export async function requestCame(upstream: Upstream, before: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (upstream.requests() <= before) {
    if (Date.now() > deadline) throw new Error("no request came");
    await sleep(5);
  }
}

/** One connection of a scripted server: `received` grows as bytes come. */
export interface ScriptedConnection {
  readonly socket: Socket;
  /** Counts connections from 0. */
  readonly index: number;
  /** All bytes received so far, as latin1. */
  received: string;
}

/** A bare TCP server; `onData` is called after each piece of every connection. */
export async function startScript(
  onData: (connection: ScriptedConnection) => void,
): Promise<Upstream> {
  let index = 0;
  let requests = 0;
  const server = createTcpServer({ noDelay: true }, (socket) => {
    const connection: ScriptedConnection = { socket, index: index++, received: "" };
    socket.on("data", (bytes) => {
      if (connection.received === "") requests++;
      connection.received += bytes.toString("latin1");
      onData(connection);
    });
    socket.on("error", () => {});
  });
  return track(server, () => requests);
}

/** A scripted server that waits for the end of a request head, and then runs `answer`. */
export function startHeadScript(
  answer: (connection: ScriptedConnection) => void,
): Promise<Upstream> {
  return startScript((connection) => {
    if (!connection.received.includes("\r\n\r\n")) return;
    connection.received = "";
    answer(connection);
  });
}

async function track(server: Server, requests: () => number, scheme = "http"): Promise<Upstream> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
    return stopping;
  };
  return {
    port,
    url: `${scheme}://127.0.0.1:${port}`,
    connections: () => connections,
    requests,
    stop,
  };
}

/**
 * The first of `count` ports in a row on which nothing listens. They lie below the range from which
 * the kernel gives out ports by itself, so that no other test is given one in the meantime.
 */
export async function closedPort(count = 1): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    const ports = Array.from({ length: count }, (_, at) => port + at);
    const free = await Promise.all(ports.map(canListen));
    if (free.every(Boolean)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
