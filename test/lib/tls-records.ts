// Records of TLS that a test makes by hand: their types, and how those of TLS 1.3 are sealed.

import { createCipheriv } from "node:crypto";
import { expandLabel } from "./tls-secrets.ts";

export const ALERT = 21;
export const HANDSHAKE = 22;
export const CONTENT = 23;

const TAG_BYTES = 16;

export interface RecordKeys {
  readonly key: Buffer;
  readonly iv: Buffer;
}

/** What TLS_AES_128_GCM_SHA256 seals with, by a traffic secret (RFC 8446 §7.3). */
export function trafficKeys(secret: Buffer): RecordKeys {
  return { key: expandLabel(secret, "key", 16), iv: expandLabel(secret, "iv", 12) };
}

/** A record of TLS 1.3 (RFC 8446 §5.2). */
export function sealRecord(
  { key, iv }: RecordKeys,
  sequence: number,
  type: number,
  content: Uint8Array,
): Buffer {
  const nonce = Buffer.from(iv);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8);
  const plain = Buffer.concat([content, Buffer.from([type])]);
  const header = Buffer.from([CONTENT, 3, 3, 0, 0]);
  header.writeUInt16BE(plain.length + TAG_BYTES, 3);
  return Buffer.concat([header, encrypt(key, nonce, header, plain)]);
}

/** AES-128-GCM: what is sealed, with its tag behind it. */
export function encrypt(key: Buffer, nonce: Buffer, additional: Buffer, plain: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-128-gcm", key, nonce).setAAD(additional);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}
