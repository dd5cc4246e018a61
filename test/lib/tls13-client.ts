// A client of TLS 1.3 (RFC 8446) written by the test: it knows every secret of a connection, also
// those that no key log names. X25519 only, and it verifies nothing.

import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { CONTENT, HANDSHAKE, type RecordKeys } from "./tls-records.ts";
import { expandLabel, type Needles } from "./tls-secrets.ts";
import { recordsOf } from "./wire.ts";

const TAG_BYTES = 16;
const X25519 = 0x1d;
const X25519_BYTES = 32;
/** What precedes such a key in its SPKI form. */
const KEY_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const NEW_SESSION_TICKET = 4;
const FINISHED = 20;

const SUITES = {
  TLS_AES_128_GCM_SHA256: { id: 0x1301, cipher: "aes-128-gcm", hash: "sha256", keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { id: 0x1302, cipher: "aes-256-gcm", hash: "sha384", keyBytes: 32 },
  TLS_CHACHA20_POLY1305_SHA256: {
    id: 0x1303,
    cipher: "chacha20-poly1305",
    hash: "sha256",
    keyBytes: 32,
  },
} as const;

export type Suite = keyof typeof SUITES;
export const SUITES_13 = Object.keys(SUITES) as readonly Suite[];

/** What a server gives for another connection. */
export interface Ticket {
  readonly key: Buffer;
  readonly ageAdd: number;
  readonly bytes: Buffer;
}

type Parts = readonly (number | Buffer)[];

/** Parts one after the other; each number is an unsigned of 16 bits. */
function bytesOf(...parts: Parts): Buffer {
  const short = (number: number) => Buffer.from([number >> 8, number & 0xff]);
  return Buffer.concat(parts.map((it) => (typeof it === "number" ? short(it) : it)));
}

/** A vector: its length, in so many bytes, and what is in it. */
function vector(lengthBytes: number, ...parts: Parts): Buffer {
  const content = bytesOf(...parts);
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

function extension(type: number, ...parts: Parts): Buffer {
  return bytesOf(type, vector(2, ...parts));
}

function message(type: number, ...parts: Parts): Buffer {
  return bytesOf(Buffer.from([type]), vector(3, ...parts));
}

/** One direction: seals or opens with the keys of a secret. */
class Sealer {
  readonly #cipher: CipherGCMTypes;
  readonly #keys: RecordKeys;
  #count = 0;

  constructor(cipher: string, keys: RecordKeys) {
    // Node's types know chacha20-poly1305 under another name only; both are used alike.
    this.#cipher = cipher as CipherGCMTypes;
    this.#keys = keys;
  }

  #nonce(): Buffer {
    const nonce = Buffer.from(this.#keys.iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.#count++) >>> 0, 8);
    return nonce;
  }

  seal(type: number, content: Buffer): Buffer {
    const options = { authTagLength: TAG_BYTES };
    const cipher = createCipheriv(this.#cipher, this.#keys.key, this.#nonce(), options);
    const header = bytesOf(Buffer.from([CONTENT, 3, 3]), content.length + 1 + TAG_BYTES);
    cipher.setAAD(header);
    const sealed = cipher.update(Buffer.concat([content, Buffer.from([type])]));
    return Buffer.concat([header, sealed, cipher.final(), cipher.getAuthTag()]);
  }

  /** The content, and its type in the last byte. */
  open(body: Buffer): Buffer {
    const options = { authTagLength: TAG_BYTES };
    const cipher = createDecipheriv(this.#cipher, this.#keys.key, this.#nonce(), options);
    cipher.setAAD(bytesOf(Buffer.from([CONTENT, 3, 3]), body.length));
    cipher.setAuthTag(body.subarray(-TAG_BYTES));
    return Buffer.concat([cipher.update(body.subarray(0, -TAG_BYTES)), cipher.final()]);
  }
}

export class Tls13Client {
  /** All that is secret, by its name. */
  readonly needles: Needles = new Map();
  readonly tickets: Ticket[] = [];
  received = "";
  readonly #name: string;
  readonly #suite: (typeof SUITES)[Suite];
  readonly #content: Buffer;
  readonly #socket: Socket;
  readonly #pair = generateKeyPairSync("x25519");
  #held: Buffer = Buffer.alloc(0);
  /** All messages of the handshake so far. */
  #transcript: Buffer = Buffer.alloc(0);
  #early: Buffer;
  #master: Buffer = Buffer.alloc(0);
  #resumption: Buffer = Buffer.alloc(0);
  #clientHandshake: Buffer = Buffer.alloc(0);
  #reader: Sealer | undefined;
  #writer: Sealer | undefined;

  /** Connects, and sends `content` with its Finished. */
  constructor(port: number, suite: Suite, content: string, ticket?: Ticket) {
    this.#name = `${suite}${ticket === undefined ? "" : ", resumed"}`;
    this.#suite = SUITES[suite];
    this.#content = Buffer.from(content, "latin1");
    this.#early = this.#mac(this.#zeros, ticket?.key ?? this.#zeros);
    if (ticket !== undefined) {
      this.#note("early secret", this.#early);
      this.#note("used ticket", ticket.key);
    }
    this.#socket = connect({ port, host: "127.0.0.1" });
    this.#socket.on("error", () => {});
    this.#socket.write(bytesOf(Buffer.from([HANDSHAKE, 3, 1]), vector(2, this.#hello(ticket))));
    this.#socket.on("data", (bytes) => this.#onBytes(bytes));
  }

  /** Until it has a ticket and an answer that ends with `text`. */
  async answered(text: string): Promise<void> {
    while (this.tickets.length === 0 || !this.received.endsWith(text))
      await once(this.#socket, "data");
  }

  close(): void {
    this.#socket.destroy();
  }

  // ── Messages ──────────────────────────────────────────────────────────────────────────────────

  #hello(ticket: Ticket | undefined): Buffer {
    const { publicKey } = this.#pair;
    const share = publicKey.export({ type: "spki", format: "der" }).subarray(KEY_PREFIX.length);
    const extensions = [
      extension(43, vector(1, 0x0304)), // supported_versions
      extension(10, vector(2, X25519)), // supported_groups
      extension(51, vector(2, X25519, vector(2, share))), // key_share
      extension(13, vector(2, 0x0403, 0x0804, 0x0807)), // signature_algorithms
      extension(45, vector(1, Buffer.from([1]))), // psk_key_exchange_modes
    ];
    const hashBytes = this.#zeros.length;
    if (ticket !== undefined) {
      const age = Buffer.alloc(4);
      age.writeUInt32BE(ticket.ageAdd);
      const binder = vector(1, Buffer.alloc(hashBytes));
      const identities = vector(2, vector(2, ticket.bytes), age);
      extensions.push(extension(41, identities, vector(2, binder))); // pre_shared_key
    }
    const suites = vector(2, this.#suite.id);
    const fields = [0x0303, randomBytes(32), vector(1), suites, vector(1, Buffer.from([0]))];
    const hello = message(CLIENT_HELLO, ...fields, vector(2, ...extensions));
    if (ticket !== undefined) {
      const key = this.#derive(this.#early, "res binder", Buffer.alloc(0));
      const bound = hello.subarray(0, -(2 + 1 + hashBytes));
      this.#proof(key, bound).copy(hello, hello.length - hashBytes);
    }
    this.#transcript = hello;
    return hello;
  }

  #onBytes(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    for (const { type, body } of recordsOf(this.#held)) {
      this.#held = this.#held.subarray(5 + body.length);
      if (type === HANDSHAKE) this.#onMessages(body);
      if (type !== CONTENT) continue;
      const opened = this.#reader!.open(body);
      const content = opened.subarray(0, -1);
      if (opened.at(-1) === HANDSHAKE) this.#onMessages(content);
      else if (opened.at(-1) === CONTENT) this.received += content.toString("latin1");
    }
  }

  #onMessages(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const end = at + 4 + bytes.readUIntBE(at + 1, 3);
      const type = bytes[at];
      const body = bytes.subarray(at + 4, end);
      if (type === NEW_SESSION_TICKET) this.#onTicket(body);
      else this.#transcript = Buffer.concat([this.#transcript, bytes.subarray(at, end)]);
      if (type === SERVER_HELLO) this.#onHello(body);
      if (type === FINISHED) this.#finish();
      at = end;
    }
  }

  #onHello(body: Buffer): void {
    const prefix = bytesOf(51, 4 + X25519_BYTES, X25519, X25519_BYTES);
    const at = body.indexOf(prefix) + prefix.length;
    const der = Buffer.concat([KEY_PREFIX, body.subarray(at, at + X25519_BYTES)]);
    const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
    const shared = diffieHellman({ privateKey: this.#pair.privateKey, publicKey });
    this.#note("(EC)DHE secret", shared);
    const nothing = Buffer.alloc(0);
    const handshake = this.#mac(this.#derive(this.#early, "derived", nothing), shared);
    this.#note("handshake secret", handshake);
    const derive = (label: string) =>
      this.#note(label, this.#derive(handshake, label, this.#transcript));
    const client = derive("c hs traffic");
    const server = derive("s hs traffic");
    this.#clientHandshake = client;
    this.#note("client Finished", expandLabel(client, "finished", client.length));
    this.#note("server Finished", expandLabel(server, "finished", server.length));
    this.#writer = this.#sealer("client handshake", client);
    this.#reader = this.#sealer("server handshake", server);
    this.#master = this.#mac(this.#derive(handshake, "derived", nothing), this.#zeros);
    this.#note("master secret", this.#master);
  }

  #finish(): void {
    const heard = this.#transcript;
    const finished = message(FINISHED, this.#proof(this.#clientHandshake, heard));
    const sealed = this.#writer!.seal(HANDSHAKE, finished);
    this.#transcript = Buffer.concat([heard, finished]);
    const derive = (label: string, said: Buffer) =>
      this.#note(label, this.#derive(this.#master, label, said));
    this.#writer = this.#sealer("client", derive("c ap traffic", heard));
    this.#reader = this.#sealer("server", derive("s ap traffic", heard));
    derive("exp master", heard);
    this.#resumption = derive("res master", this.#transcript);
    this.#socket.write(Buffer.concat([sealed, this.#writer.seal(CONTENT, this.#content)]));
  }

  #onTicket(body: Buffer): void {
    const nonce = body.subarray(9, 9 + body[8]!);
    const at = 9 + nonce.length;
    const bytes = Buffer.from(body.subarray(at + 2, at + 2 + body.readUInt16BE(at)));
    const key = expandLabel(this.#resumption, "resumption", this.#zeros.length, nonce);
    this.#note(`ticket ${this.tickets.length}`, key);
    this.tickets.push({ key, ageAdd: body.readUInt32BE(4), bytes });
  }

  // ── The key schedule (§7.1) ───────────────────────────────────────────────────────────────────

  #note(what: string, secret: Buffer): Buffer {
    this.needles.set(`${this.#name}: ${what}`, secret);
    return secret;
  }

  #sealer(name: string, secret: Buffer): Sealer {
    const key = this.#note(`${name} key`, expandLabel(secret, "key", this.#suite.keyBytes));
    return new Sealer(this.#suite.cipher, { key, iv: expandLabel(secret, "iv", 12) });
  }

  get #zeros(): Buffer {
    return Buffer.alloc(this.#suite.hash === "sha384" ? 48 : 32);
  }

  #hash(bytes: Buffer): Buffer {
    return createHash(this.#suite.hash).update(bytes).digest();
  }

  /** HKDF-Extract, too. */
  #mac(key: Buffer, bytes: Buffer): Buffer {
    return createHmac(this.#suite.hash, key).update(bytes).digest();
  }

  #derive(secret: Buffer, label: string, said: Buffer): Buffer {
    return expandLabel(secret, label, secret.length, this.#hash(said));
  }

  /** What Finished and binders consist of (§4.4.4). */
  #proof(secret: Buffer, said: Buffer): Buffer {
    return this.#mac(expandLabel(secret, "finished", secret.length), this.#hash(said));
  }
}
