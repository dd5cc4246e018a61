// A TCP client that sends exactly the bytes it is told, in the pieces it is told, and reads answers
// with the strict parser of answer.ts. HTTP libraries hide the very things the tests look at.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type Answer, readAnswer } from "./answer.ts";
import { patience } from "./patience.ts";

/** How long to wait before a missing answer counts as missing; a guard, never a measurement. */
const PATIENCE_MS = patience(15_000);
/** Pause between pieces, so that the server mostly reads each piece on its own. */
const PIECE_PAUSE_MS = 1;

/** How a connection ended: with a FIN, or with a reset (or any other socket error). */
export type Ending = "end" | "reset";

export class RawClient {
  readonly #socket: Socket;
  /** What carries it: the same, but for TLS. */
  readonly #transport: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ending: Ending | undefined;
  #wake: () => void = () => {};

  /**
   * Connects, with Nagle's algorithm off, so that every write is a segment of its own. `from` is
   * the local address, such as 127.0.0.2.
   */
  static async connect(port: number, host = "127.0.0.1", from?: string): Promise<RawClient> {
    const local = from === undefined ? {} : { localAddress: from };
    const socket = connect({ port, host, noDelay: true, allowHalfOpen: true, ...local });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  /**
   * The same over TLS, with the options of `tls.connect`; nothing is verified by default. `onKey`
   * gets the lines of a key log.
   */
  static async connectTls(
    port: number,
    options: ConnectionOptions = {},
    onKey: (line: string) => void = () => {},
  ): Promise<RawClient> {
    const transport = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const defaults = { rejectUnauthorized: false, allowHalfOpen: true };
    const socket = connectTls({ ...defaults, ...options, socket: transport });
    socket.on("keylog", (line: Buffer) => onKey(line.toString()));
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket, transport);
  }

  private constructor(socket: Socket, transport = socket) {
    this.#socket = socket;
    this.#transport = transport;
    socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on("end", () => this.#finish("end"));
    socket.on("error", () => this.#finish("reset"));
    socket.on("close", () => this.#finish("reset"));
  }

  #finish(ending: Ending): void {
    this.#ending ??= ending;
    this.#wake();
  }

  /** Local port of this connection. */
  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Everything received that no `answer()` has taken yet. */
  get pending(): Buffer {
    return this.#received;
  }

  /** Writes the pieces in order. A connection the server has closed swallows the rest. */
  async send(...pieces: (Uint8Array | string)[]): Promise<void> {
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await sleep(PIECE_PAUSE_MS);
      if (this.#socket.destroyed || !this.#socket.writable) return;
      const bytes = typeof piece === "string" ? Buffer.from(piece, "latin1") : piece;
      await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
    }
  }

  /**
   * The next answer, interim (1xx) ones collected in `interim`. `method` is the request's, because
   * an answer to HEAD has no body. Throws when the bytes are not a strict HTTP/1.1 answer, and when
   * the connection ends before the answer is complete.
   */
  async answer(method = "GET"): Promise<Answer> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const parsed = readAnswer(this.#received, method, this.#ending !== undefined);
      if (parsed !== undefined) {
        this.#received = this.#received.subarray(parsed.bytes);
        return parsed.answer;
      }
      if (this.#ending !== undefined) {
        throw new Error(`connection ${this.#ending} inside an answer: ${this.#describe()}`);
      }
      await this.#change(deadline, "no complete answer");
    }
  }

  /** Waits until the server has ended the connection; the bytes stay in `pending`. */
  async ended(): Promise<Ending> {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.#ending === undefined) await this.#change(deadline, "the connection is still open");
    return this.#ending;
  }

  /** Waits until at least `count` bytes are pending or the connection has ended. */
  async received(count: number): Promise<Buffer> {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.#received.length < count && this.#ending === undefined) {
      await this.#change(deadline, `fewer than ${count} bytes`);
    }
    return this.#received;
  }

  /** Sends a FIN; the receiving side stays open. */
  endSending(): void {
    this.#socket.end();
  }

  /** Closes both sides; with `reset`, by RST. */
  close(reset = false): void {
    if (reset) this.#transport.resetAndDestroy();
    else this.#socket.destroy();
  }

  #describe(): string {
    return JSON.stringify(this.#received.subarray(0, 400).toString("latin1"));
  }

  async #change(deadline: number, complaint: string): Promise<void> {
    const left = deadline - Date.now();
    if (left <= 0) throw new Error(`${complaint} after ${PATIENCE_MS} ms: ${this.#describe()}`);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, left);
    });
    clearTimeout(timer);
  }
}

/**
 * A request as text: request line, `Host: test` unless the fields name one, the fields, the body.
 * Framing headers are the caller's affair, because many tests get them wrong on purpose.
 */
export function request(line: string, fields: readonly string[] = [], body = ""): string {
  const named = fields.some((field) => /^host:/i.test(field));
  const all = [`${line} HTTP/1.1`, ...(named ? [] : ["Host: test"]), ...fields];
  return `${all.join("\r\n")}\r\n\r\n${body}`;
}

/** Connects, sends one request in the given pieces, reads the one answer, and closes. */
export async function exchange(
  port: number,
  request: Uint8Array | string | readonly (Uint8Array | string)[],
  method = methodOf(request),
): Promise<Answer> {
  const client = await RawClient.connect(port);
  try {
    const pieces =
      typeof request === "string" || request instanceof Uint8Array ? [request] : request;
    await client.send(...pieces);
    return await client.answer(method);
  } finally {
    client.close();
  }
}

function methodOf(request: Uint8Array | string | readonly (Uint8Array | string)[]): string {
  const first = typeof request === "string" || request instanceof Uint8Array ? request : request[0];
  const text = typeof first === "string" ? first : Buffer.from(first ?? []).toString("latin1");
  return text.startsWith("HEAD ") ? "HEAD" : "GET";
}

/** Every way to cut the input in two, and then every byte on its own. */
export function* cutsOf(input: Uint8Array): Generator<Uint8Array[]> {
  for (let at = 1; at < input.length; at++) yield [input.subarray(0, at), input.subarray(at)];
  yield Array.from(input, (_, at) => input.subarray(at, at + 1));
}
