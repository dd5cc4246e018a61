// The scripted upstream of the conformance tests. It knows from X-Forwarded-For which run a request
// belongs to, because every run's client has an address of its own; it reads requests as strictly
// as can be, and keeps what is no request as a stray.

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { UpstreamAnswer } from "./conformance-engine.ts";

/** What the upstream needs to know of a run, and tells it. */
export interface UpstreamRun {
  readonly answers: readonly UpstreamAnswer[];
  readonly otherAnswer: UpstreamAnswer;
  readonly requests: string[];
  /** What arrives later belongs to nobody. */
  over: boolean;
}

const FORWARDED_FOR = /\r\nX-Forwarded-For: ([^\r\n]*)\r\n/;
const PIECE_PAUSE_MS = 1;

export class ConformanceUpstream {
  readonly #server: Server;
  readonly #runs: ReadonlyMap<string, UpstreamRun>;
  readonly #sockets = new Set<Socket>();
  /** Bytes that belong to no request of a run. */
  readonly strays: string[] = [];

  /** Listens on a free port; `runs` holds the runs by their client's address. */
  static async start(runs: ReadonlyMap<string, UpstreamRun>): Promise<ConformanceUpstream> {
    const upstream = new ConformanceUpstream(runs);
    await new Promise<void>((resolve) => {
      upstream.#server.listen(0, "127.0.0.1", 1024, resolve);
    });
    return upstream;
  }

  private constructor(runs: ReadonlyMap<string, UpstreamRun>) {
    this.#runs = runs;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
      this.#serve(socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    let received = "";
    let requests = 0;
    let ignoreRest = false;
    let interimSent = false;
    let sending = Promise.resolve();
    const answerWith = (pieces: readonly Uint8Array[], then: () => void = () => {}) => {
      sending = sending.then(() => send(socket, pieces)).then(then);
    };
    socket.on("data", (bytes) => {
      if (ignoreRest) return;
      received += bytes.toString("latin1");
      for (;;) {
        const head = headOf(received);
        if (head === undefined) return;
        const run = this.#runs.get(FORWARDED_FOR.exec(head)?.[1] ?? "");
        if (run === undefined) {
          this.#stray(received);
          socket.destroy();
          return;
        }
        const answer = run.answers[run.requests.length] ?? run.otherAnswer;
        if (!interimSent) answerWith(answer.interim);
        interimSent = true;
        const length = answer.after === "head" ? head.length : requestBytes(head, received);
        if (length === undefined) return;
        if (run.over) this.#stray(received);
        run.requests.push(received.slice(0, length));
        received = received.slice(length);
        requests++;
        ignoreRest = answer.after === "head";
        interimSent = false;
        answerWith(answer.pieces, () => finish(socket, answer));
        if (ignoreRest) return;
      }
    });
    // A reset spares the proxy's port its two minutes of TIME_WAIT; there are many runs.
    socket.on("end", () => {
      if (requests > 0 && received !== "" && !ignoreRest) this.#stray(received);
      socket.resetAndDestroy();
    });
  }

  #stray(bytes: string): void {
    this.strays.push(bytes.slice(0, 500));
  }
}

async function send(socket: Socket, pieces: readonly Uint8Array[]): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await sleep(PIECE_PAUSE_MS);
    if (socket.destroyed || !socket.writable) return;
    await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
  }
}

function finish(socket: Socket, { afterwards }: UpstreamAnswer): void {
  if (afterwards === "close") socket.end();
  else if (afterwards === "reset") socket.resetAndDestroy();
}

export function headOf(text: string): string | undefined {
  const end = text.indexOf("\r\n\r\n");
  return end < 0 ? undefined : text.slice(0, end + 4);
}

/** Bytes of the request that opens the text, or undefined while it is not whole. */
export function requestBytes(head: string, text: string): number | undefined {
  if (/\r\ntransfer-encoding:/i.test(head)) {
    const end = chunkedEnd(text, head.length);
    return end;
  }
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head);
  const total = head.length + Number(length?.[1] ?? 0);
  return text.length < total ? undefined : total;
}

function chunkedEnd(text: string, start: number): number | undefined {
  let at = start;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      // Trailers, if any, end at the first empty line.
      if (text.startsWith("\r\n", lineEnd + 2)) return lineEnd + 4;
      const end = text.indexOf("\r\n\r\n", lineEnd + 2);
      return end < 0 ? undefined : end + 4;
    }
    if (Number.isNaN(size)) return undefined;
    at = lineEnd + 2 + size + 2;
    if (at > text.length) return undefined;
  }
}
