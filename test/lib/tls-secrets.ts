// What TLS keeps secret of a connection, by the key log of its peer, and the search for it in the
// memory of a process.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const PIECE_BYTES = 1 << 20;
const UNUSED = Buffer.alloc(PIECE_BYTES);
const OVERLAP_BYTES = 64;

/** Reads `piece`; 0: it has been given back since. */
function readSome(memory: number, piece: Buffer, bytes: number, at: number): number {
  try {
    return readSync(memory, piece, 0, bytes, at);
  } catch {
    return 0;
  }
}

/** Pieces of a process's writable memory. */
function* writableMemory(pid: number): Generator<Buffer> {
  const maps = readFileSync(`/proc/${pid}/maps`, "latin1");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const piece = Buffer.alloc(PIECE_BYTES);
  for (const [, from, to] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
    const end = Number(`0x${to}`);
    for (let at = Number(`0x${from}`); at < end; at += PIECE_BYTES - OVERLAP_BYTES) {
      const bytes = readSome(memory, piece, Math.min(PIECE_BYTES, end - at), at);
      // Most of it has never been used, and many searches in that would take long.
      if (!piece.subarray(0, bytes).equals(UNUSED.subarray(0, bytes)))
        yield piece.subarray(0, bytes);
    }
  }
  closeSync(memory);
}

/** What a connection's key log says, a name for each thing that is not to be found. */
export type Needles = Map<string, Buffer>;

/** HKDF-Expand-Label(secret, name, context, bytes), RFC 8446 §7.1, for what fits one block. */
export function expandLabel(
  secret: Buffer,
  name: string,
  bytes: number,
  context: Uint8Array = new Uint8Array(0),
): Buffer {
  const hash = secret.length === 48 ? "sha384" : "sha256";
  const label = Buffer.from(`tls13 ${name}`, "latin1");
  const head = Buffer.from([0, bytes, label.length]);
  const info = [head, label, Buffer.from([context.length]), context, Buffer.from([1])];
  return createHmac(hash, secret).update(Buffer.concat(info)).digest().subarray(0, bytes);
}

/** The first bytes of TLS 1.2's key block (RFC 5246 §6.3): a key for each side, then their IVs. */
export function keyBlock(master: Buffer, randoms: Buffer, hash: string, bytes: number): Buffer {
  const hmac = (data: Buffer) => createHmac(hash, master).update(data).digest();
  const seed = Buffer.concat([Buffer.from("key expansion"), randoms]);
  let block = Buffer.alloc(0);
  for (let link = hmac(seed); block.length < bytes; link = hmac(link))
    block = Buffer.concat([block, hmac(Buffer.concat([link, seed]))]);
  return block.subarray(0, bytes);
}

/** The keys of both sides. */
function writeKeys(master: Buffer, randoms: Buffer, hash: string, bytes: number): Buffer[] {
  const block = keyBlock(master, randoms, hash, 2 * bytes);
  return [block.subarray(0, bytes), block.subarray(bytes)];
}

/** Puts what a line of the key log tells into `needles`; `hello` is the server's. */
export function noteKeys(needles: Needles, name: string, line: string, hello: Buffer): void {
  const [label, random, secretHex] = line.trim().split(" ") as [string, string, string];
  const secret = Buffer.from(secretHex, "hex");
  const bytes = name.includes("128") ? 16 : 32;
  if (/^(CLIENT|SERVER)_TRAFFIC_SECRET_0$/.test(label)) {
    needles.set(`${name} ${label}`, secret);
    needles.set(`${name} key of ${label}`, expandLabel(secret, "key", bytes));
  } else if (label === "CLIENT_RANDOM") {
    // Behind the record's and the message's header, and the version.
    const serverRandom = hello.subarray(5 + 4 + 2, 5 + 4 + 2 + 32);
    const randoms = Buffer.concat([serverRandom, Buffer.from(random, "hex")]);
    const keys = writeKeys(secret, randoms, name.includes("384") ? "sha384" : "sha256", bytes);
    needles.set(`${name} master secret`, secret);
    for (const [index, key] of keys.entries()) needles.set(`${name} key ${index}`, key);
  }
}

/** Those of `needles` that are in a process's memory, where `mark` has to be found. */
export function foundInMemory(pid: number, needles: Needles, mark: string): string[] {
  const found = new Set<string>();
  let marks = 0;
  for (const piece of writableMemory(pid)) {
    if (piece.includes(mark)) marks++;
    for (const [name, bytes] of needles) if (piece.includes(bytes)) found.add(name);
  }
  assert.ok(marks > 0, "the search finds nothing at all");
  return [...found];
}
