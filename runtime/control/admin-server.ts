// The administrator's HTTP server, on the main thread: metrics, probes, and what is being served.
// It takes GET and HEAD, changes nothing, and is not part of the data path.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ListenAddress } from "../data/api.ts";
import { authorityOf } from "./authority.ts";
import { StartError } from "./start-error.ts";

/** Prometheus and a probe or two: nobody needs more. */
const CONNECTIONS_MAX = 64;
const REQUEST_TIMEOUT_MS = 10_000;

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_TYPE = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";

/** What the pages show, asked for at each request. */
export interface AdminPages {
  metrics(): string;
  /** Why no request should come here; "": it should. */
  unreadiness(): string;
  /** The manifest of the bundle, as JSON. */
  config(): string;
  upstreams(): unknown;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export class AdminServer {
  private readonly pages: AdminPages;
  private readonly server: Server;
  /** Those that are connected, the one that came first at the front. */
  private readonly sockets = new Set<Socket>();

  constructor(pages: AdminPages) {
    this.pages = pages;
    this.server = createServer((request, response) => {
      request.resume();
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("allow", "GET, HEAD");
        this.send(response, { status: 405, type: TEXT_TYPE, text: "405 Method Not Allowed\n" });
        return;
      }
      try {
        this.send(response, this.pageOf((request.url ?? "").replace(/\?.*$/s, "")));
      } catch {
        // Whatever it was, it must not take the main thread along.
        response.destroy();
      }
    });
    this.server.on("connection", (socket) => this.admit(socket));
    this.server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.server.headersTimeout = REQUEST_TIMEOUT_MS;
  }

  /**
   * Makes room by letting the one go that has been here for longest. Who waits in vain for a place
   * may be the probe that decides whether the server lives on; who fills them all says nothing.
   */
  private admit(socket: Socket): void {
    const { sockets } = this;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (sockets.size <= CONNECTIONS_MAX) return;
    const [oldest] = sockets;
    sockets.delete(oldest!);
    oldest!.destroy();
  }

  /** Listens. Returns the URL; throws `StartError` when the address can't be bound. */
  async listen({ address, port }: ListenAddress): Promise<string> {
    try {
      await new Promise<void>((done, fail) => {
        // It stays for later errors, such as a client that no descriptor is left for.
        this.server.on("error", fail).listen({ host: address, port }, done);
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new StartError(`can't listen on ${authorityOf(address, port)} for [admin] (${code})`);
    }
    this.server.unref();
    return `http://${authorityOf(address, (this.server.address() as AddressInfo).port)}`;
  }

  /** Stops listening; answers that are under way go out. */
  close(): void {
    this.server.close();
  }

  private pageOf(path: string): Page {
    const { pages } = this;
    switch (path) {
      case "/metrics":
        return { status: 200, type: METRICS_TYPE, text: pages.metrics() };
      case "/healthz":
        return { status: 200, type: TEXT_TYPE, text: "ok\n" };
      case "/readyz": {
        const reason = pages.unreadiness();
        if (reason === "") return { status: 200, type: TEXT_TYPE, text: "ready\n" };
        return { status: 503, type: TEXT_TYPE, text: `${reason}\n` };
      }
      case "/config":
        return { status: 200, type: JSON_TYPE, text: pages.config() };
      case "/upstreams": {
        const text = `${JSON.stringify(pages.upstreams(), undefined, 2)}\n`;
        return { status: 200, type: JSON_TYPE, text };
      }
      default:
        return { status: 404, type: TEXT_TYPE, text: "404 Not Found\n" };
    }
  }

  private send(response: ServerResponse, { status, type, text }: Page): void {
    response.writeHead(status, {
      "content-type": type,
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
      connection: "close", // whoever asks comes back in seconds, and needs no descriptor until then
      "x-content-type-options": "nosniff",
    });
    response.end(text);
  }
}
