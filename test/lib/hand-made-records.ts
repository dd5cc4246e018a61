// A client of Node's whose keys are known, so that records can be made by hand behind its
// handshake: empty ones, alerts and handshake messages that no library sends.

import { setTimeout as sleep } from "node:timers/promises";
import { RawClient } from "./raw-client.ts";
import {
  CONTENT,
  encrypt,
  HANDSHAKE,
  type RecordKeys,
  sealRecord,
  trafficKeys,
} from "./tls-records.ts";
import { keyBlock } from "./tls-secrets.ts";
import { recordsOf, Wire } from "./wire.ts";

const KEY_BYTES = 16;
const IV_BYTES = 4;
/** Of a ServerHello in its record: behind type, length and version. */
const RANDOM_AT = 6;
const RANDOM_BYTES = 32;

const SETTINGS = {
  "TLSv1.2": { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
  "TLSv1.3": { minVersion: "TLSv1.3", ciphers: "TLS_AES_128_GCM_SHA256" },
} as const;

export type Version = keyof typeof SETTINGS;

/** What the client of a TLS 1.2 connection seals with. */
function clientKeys(master: Buffer, clientRandom: Buffer, serverRandom: Buffer): RecordKeys {
  const ivAt = 2 * KEY_BYTES;
  const randoms = Buffer.concat([serverRandom, clientRandom]);
  const block = keyBlock(master, randoms, "sha256", ivAt + IV_BYTES);
  return { key: block.subarray(0, KEY_BYTES), iv: block.subarray(ivAt) };
}

/** A record of TLS 1.2 (RFC 5288 §3). */
function sealOld({ key, iv }: RecordKeys, sequence: number, type: number, content: Uint8Array) {
  const number = Buffer.alloc(8);
  number.writeUInt32BE(sequence, 4);
  const header = Buffer.from([type, 3, 3, 0, 0]);
  header.writeUInt16BE(content.length, 3);
  const nonce = Buffer.concat([iv, number]);
  const sealed = encrypt(key, nonce, Buffer.concat([number, header]), content);
  header.writeUInt16BE(number.length + sealed.length, 3);
  return Buffer.concat([header, number, sealed]);
}

export class HandMade {
  /** Node's client hears nothing any more: it would end at what a server says to such records. */
  readonly wire: Wire;
  readonly #client: RawClient;
  readonly #version: Version;
  readonly #keys: RecordKeys;
  #sequence: number;

  static async connect(port: number, version: Version): Promise<HandMade> {
    const wire = await Wire.start(port);
    let line = "";
    const client = await RawClient.connectTls(wire.port, SETTINGS[version], (text) => {
      if (/^CLIENT_(RANDOM|TRAFFIC_SECRET_0) /.test(text)) line = text;
    });
    // Its Finished has to go first: sealed, with TLS 1.3, and on its way through the relay.
    const finished = version === "TLSv1.3" ? CONTENT : HANDSHAKE;
    while (recordsOf(wire.sent).at(-1)?.type !== finished) await sleep(1);
    wire.mute();
    return new HandMade(client, wire, version, line);
  }

  private constructor(client: RawClient, wire: Wire, version: Version, keyLog: string) {
    this.#client = client;
    this.wire = wire;
    this.#version = version;
    const [random, secret] = keyLog.trim().split(" ").slice(1);
    const secretBytes = Buffer.from(secret!, "hex");
    if (version === "TLSv1.3") {
      this.#keys = trafficKeys(secretBytes);
      this.#sequence = 0;
      return;
    }
    const serverRandom = wire.records[0]!.body.subarray(RANDOM_AT, RANDOM_AT + RANDOM_BYTES);
    this.#keys = clientKeys(secretBytes, Buffer.from(random!, "hex"), serverRandom);
    this.#sequence = 1; // behind the Finished
  }

  send(type: number, content: Uint8Array | string): void {
    const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
    const seal = this.#version === "TLSv1.3" ? sealRecord : sealOld;
    this.wire.inject(seal(this.#keys, this.#sequence++, type, bytes));
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.wire.stop();
  }
}
