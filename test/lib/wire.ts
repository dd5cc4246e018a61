// A TCP relay between a client and a server under test that keeps all bytes that pass, which is
// what a listener on the network would see, and that can pass them on in other pieces.

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Pause between pieces, so that the server mostly reads each piece on its own. */
const PIECE_PAUSE_MS = 10;

/** A record's header: type, version, length (RFC 8446 §5.1). */
const HEADER_BYTES = 5;

/**
 * Decides about bytes from the client that have not been passed on: the pieces to pass on now, or
 * undefined to wait for more.
 */
export type Cut = (held: Buffer) => readonly Buffer[] | undefined;

export interface WireRecord {
  readonly type: number;
  readonly body: Buffer;
}

export class Wire {
  readonly port: number;
  readonly #server: Server;
  readonly #pauseMs: number;
  readonly #pairs: { client: Socket; upstream: Socket }[] = [];
  readonly #toServer: Buffer[] = [];
  readonly #toClient: Buffer[] = [];
  #muted = false;
  /** The server has ended one of its connections. */
  hasEnded = false;

  static async start(serverPort: number, cut?: Cut, pauseMs = PIECE_PAUSE_MS): Promise<Wire> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Wire(server, serverPort, cut, pauseMs);
  }

  private constructor(server: Server, serverPort: number, cut: Cut | undefined, pauseMs: number) {
    this.#server = server;
    this.#pauseMs = pauseMs;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => this.#join(client, serverPort, cut));
  }

  #join(client: Socket, serverPort: number, cut?: Cut): void {
    const options = { port: serverPort, host: "127.0.0.1", noDelay: true, allowHalfOpen: true };
    const upstream = connect(options);
    this.#pairs.push({ client, upstream });
    let held = Buffer.alloc(0);
    client.on("data", (bytes) => {
      this.#toServer.push(bytes);
      held = Buffer.concat([held, bytes]);
      const pieces = cut === undefined ? [held] : cut(held);
      if (pieces === undefined) return;
      held = Buffer.alloc(0);
      void passOn(upstream, pieces, this.#pauseMs);
    });
    upstream.on("data", (bytes) => {
      this.#toClient.push(bytes);
      if (!this.#muted) client.write(bytes);
    });
    client.on("end", () => upstream.end());
    upstream.on("close", () => {
      this.hasEnded = true;
    });
    upstream.on("end", () => {
      this.hasEnded = true;
      client.end();
    });
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  }

  /** Writes bytes to the server as if the newest client had sent them. */
  inject(bytes: Uint8Array): void {
    this.#pairs.at(-1)?.upstream.write(bytes);
  }

  /** Ends what the newest client sends: by FIN, or by RST, which ends all of it. */
  endInjected(resets = false): void {
    const pair = this.#pairs.at(-1);
    if (resets) {
      pair?.upstream.resetAndDestroy();
      pair?.client.destroy();
    } else pair?.upstream.end();
  }

  /** Writes bytes to the newest client as if the server had sent them. */
  injectBack(bytes: Uint8Array): void {
    this.#pairs.at(-1)?.client.write(bytes);
  }

  /** Ends what the server sends to the newest client, by FIN. */
  endBack(): void {
    this.#pairs.at(-1)?.client.end();
  }

  /** Keeps what the server sends from now on to itself. */
  mute(): void {
    this.#muted = true;
  }

  /** What clients have sent so far. */
  get sent(): Buffer {
    return Buffer.concat(this.#toServer);
  }

  /** All bytes so far, in both directions. */
  get bytes(): Buffer {
    return Buffer.concat([...this.#toServer, ...this.#toClient]);
  }

  get fromServer(): Buffer {
    return Buffer.concat(this.#toClient);
  }

  /** What the server has sent, as records. Bytes that are none at the end are left out. */
  get records(): WireRecord[] {
    return recordsOf(this.fromServer);
  }

  stop(): Promise<void> {
    for (const { client, upstream } of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

async function passOn(upstream: Socket, pieces: readonly Buffer[], pauseMs: number): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await sleep(pauseMs);
    upstream.write(piece);
  }
}

export function recordsOf(bytes: Buffer): WireRecord[] {
  const records: WireRecord[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + HEADER_BYTES + bytes.readUInt16BE(at + 3);
    if (end > bytes.length) break;
    records.push({ type: bytes[at]!, body: bytes.subarray(at + HEADER_BYTES, end) });
    at = end;
  }
  return records;
}
