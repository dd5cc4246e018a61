// A client's side of TLS 1.3 from its Finished on, written by the test: records in an order and of
// kinds that no library sends. TLS_AES_128_GCM_SHA256.

import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { HANDSHAKE, sealRecord, trafficKeys } from "./tls-records.ts";
import { expandLabel } from "./tls-secrets.ts";
import { recordsOf, Wire } from "./wire.ts";

/** Level "warning" and what is said. */
export const CLOSE_NOTIFY = Buffer.from([1, 0]);
export const USER_CANCELED = Buffer.from([1, 90]);
const KEY_UPDATE = [24, 0, 0, 1];

const OPTIONS: ConnectionOptions = {
  minVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256",
  rejectUnauthorized: false,
};

export class TlsWriter {
  /** Opens what the server sends, and writes nothing itself. */
  readonly socket: TLSSocket;
  readonly wire: Wire;
  received = "";
  ended = false;
  #secret: Buffer | undefined;
  #sequence = 0;

  /** Connects; what `first` makes goes out in one piece with the client's Finished. */
  static async start(port: number, first: (writer: TlsWriter) => Buffer): Promise<TlsWriter> {
    let writer: TlsWriter | undefined;
    let done = false;
    const wire = await Wire.start(port, (held) => {
      if (done || recordsOf(held)[0]?.type === HANDSHAKE) return [held]; // the ClientHello
      done = true;
      return [Buffer.concat([held, first(writer!)])];
    });
    writer = new TlsWriter(wire);
    return writer;
  }

  private constructor(wire: Wire) {
    this.wire = wire;
    this.socket = connect({ ...OPTIONS, port: wire.port });
    this.socket.on("keylog", (line: Buffer) => {
      const match = /^CLIENT_TRAFFIC_SECRET_0 \w+ (\w+)/.exec(line.toString());
      if (match !== null) this.#secret = Buffer.from(match[1]!, "hex");
    });
    this.socket.on("data", (bytes: Buffer) => {
      this.received += bytes.toString("latin1");
    });
    this.socket.on("error", () => {});
    for (const event of ["end", "close"]) {
      this.socket.on(event, () => {
        this.ended = true;
      });
    }
  }

  /** The next record. */
  record(type: number, content: Buffer | string): Buffer {
    const keys = trafficKeys(this.#secret!);
    return sealRecord(keys, this.#sequence++, type, Buffer.from(content));
  }

  /** A record that changes the client's keys, and asks for new ones of the server's. */
  keyUpdate(asks: boolean): Buffer {
    const record = this.record(HANDSHAKE, Buffer.from([...KEY_UPDATE, asks ? 1 : 0]));
    this.#secret = expandLabel(this.#secret!, "traffic upd", 32);
    this.#sequence = 0;
    return record;
  }

  send(...records: Buffer[]): void {
    this.wire.inject(Buffer.concat(records));
  }

  /** Heads of answers so far. */
  get answers(): number {
    return this.received.split("HTTP/1.1 ").length - 1;
  }

  async stop(): Promise<void> {
    this.socket.destroy();
    await this.wire.stop();
  }
}
