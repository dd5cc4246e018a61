// The keys that go to the kernel: TLS 1.3 against the values RFC 8448 §3 prints, TLS 1.2 against a
// key schedule written here over node:crypto. Whether the kernel understands them is for test/vm.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { withRandom } from "../lib/random.ts";

/** Shows one function of native/ktls.c; see ktls-derive.c. */
interface Glue {
  derive(
    version: number,
    cipher: number,
    digest: string,
    secret: Uint8Array,
    randoms: Uint8Array,
    ofClient: boolean,
    sequence: number,
  ): Buffer | undefined;
}

const TLS12 = 0x303;
const TLS13 = 0x304;
const AES128 = 51;
const AES256 = 52;
const CHACHA = 54;

/** What the kernel's struct of a cipher holds, in order and in bytes (linux/tls.h). */
const LAYOUTS: Readonly<Record<number, { key: number; iv: number; salt: number }>> = {
  [AES128]: { key: 16, iv: 8, salt: 4 },
  [AES256]: { key: 32, iv: 8, salt: 4 },
  [CHACHA]: { key: 32, iv: 12, salt: 0 },
};

let folder: string;
let glue: Glue;

/** Node's headers: beside the program, or where node-gyp has put those of the building Node. */
function includeFolder(): string {
  const cache = join(homedir(), ".cache", "node-gyp", process.versions.node);
  const found = [dirname(dirname(process.execPath)), "/usr", "/usr/local", cache]
    .map((prefix) => join(prefix, "include", "node"))
    .find((path) => existsSync(join(path, "openssl", "kdf.h")));
  assert.ok(found !== undefined, "Node's headers are not here");
  return found;
}

before(() => {
  mkdirSync("build", { recursive: true });
  folder = mkdtempSync("build/ktls-");
  const output = join(folder, "ktls-derive.node");
  const sources = ["test/native/ktls-derive.c", "native/ktls.c", "native/tls-secrets.c"];
  const flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"];
  const args = [...flags, `-I${includeFolder()}`, "-Inative", ...sources, "-o", output];
  const built = spawnSync("gcc", args, { encoding: "utf8" });
  assert.equal(built.status, 0, built.stderr);
  const loaded = { exports: {} };
  process.dlopen(loaded, resolve(output));
  glue = loaded.exports as Glue;
});

after(() => rmSync(folder, { recursive: true }));

interface Info {
  readonly version: number;
  readonly cipher: number;
  readonly key: string;
  /** Salt, then the rest of the IV. */
  readonly iv: string;
  readonly sequence: number;
}

function derive(...args: Parameters<Glue["derive"]>): Info {
  const bytes = glue.derive(...args);
  assert.ok(bytes !== undefined, "nothing was derived");
  const layout = LAYOUTS[args[1]]!;
  let at = 4;
  const take = (count: number) => {
    at += count;
    return bytes.subarray(at - count, at).toString("hex");
  };
  const iv = take(layout.iv);
  const key = take(layout.key);
  const salt = take(layout.salt);
  const sequence = Number(`0x${take(8)}`);
  assert.equal(at, bytes.length);
  const [version, cipher] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2)];
  return { version, cipher, key, iv: salt + iv, sequence };
}

const NO_RANDOMS = new Uint8Array(64);

test("TLS 1.3: the traffic keys of RFC 8448", () => {
  const server = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
  const client = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
  const secretOf = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
  assert.deepEqual(derive(TLS13, AES128, "SHA256", secretOf(server), NO_RANDOMS, false, 0), {
    version: TLS13,
    cipher: AES128,
    key: "9f02283b6c9c07efc26bb9f2ac92e356",
    iv: "cf782b88dd83549aadf1e984",
    sequence: 0,
  });
  assert.deepEqual(derive(TLS13, AES128, "SHA256", secretOf(client), NO_RANDOMS, true, 258), {
    version: TLS13,
    cipher: AES128,
    key: "17422dda596ed5d9acd890e3c63f5051",
    iv: "5b78923dee08579033e523d9",
    sequence: 258,
  });
});

/** HKDF-Expand-Label with an empty context, of at most one block (RFC 8446 §7.1). */
function expandLabel(digest: string, secret: Uint8Array, label: string, bytes: number): string {
  const full = Buffer.from(`tls13 ${label}`);
  const input = Buffer.concat([Buffer.from([0, bytes, full.length]), full, Buffer.from([0, 1])]);
  const block = createHmac(digest, secret).update(input).digest();
  return block.subarray(0, bytes).toString("hex");
}

test("TLS 1.3: every cipher, random secrets", async () => {
  await withRandom((random) => {
    for (const [cipher, digest, bytes] of [
      [AES128, "SHA256", 32],
      [AES256, "SHA384", 48],
      [CHACHA, "SHA256", 32],
    ] as const) {
      const secret = random.bytes(bytes);
      assert.deepEqual(derive(TLS13, cipher, digest, secret, NO_RANDOMS, true, 7), {
        version: TLS13,
        cipher,
        key: expandLabel(digest, secret, "key", LAYOUTS[cipher]!.key),
        iv: expandLabel(digest, secret, "iv", 12),
        sequence: 7,
      });
    }
  });
});

/** P_hash with the label in front of the seed (RFC 5246 §5). */
function pseudoRandom(digest: string, secret: Uint8Array, seed: Buffer, bytes: number): Buffer {
  const hash = (input: Buffer) => createHmac(digest, secret).update(input).digest();
  let output = Buffer.alloc(0);
  for (let a = hash(seed); output.length < bytes; a = hash(a)) {
    output = Buffer.concat([output, hash(Buffer.concat([a, seed]))]);
  }
  return output.subarray(0, bytes);
}

test("TLS 1.2: every cipher and side, random master secrets", async () => {
  await withRandom((random) => {
    for (const [cipher, digest] of [
      [AES128, "SHA256"],
      [AES256, "SHA384"],
      [CHACHA, "SHA256"],
    ] as const) {
      const master = random.bytes(48);
      const randoms = random.bytes(64);
      const keyBytes = LAYOUTS[cipher]!.key;
      const ivBytes = cipher === CHACHA ? 12 : 4;
      const seed = Buffer.concat([Buffer.from("key expansion"), randoms]);
      const block = pseudoRandom(digest, master, seed, 2 * (keyBytes + ivBytes));
      for (const side of [0, 1]) {
        const ivAt = 2 * keyBytes + side * ivBytes;
        const explicit = cipher === CHACHA ? "" : "0000000000000001";
        assert.deepEqual(derive(TLS12, cipher, digest, master, randoms, side === 0, 1), {
          version: TLS12,
          cipher,
          key: block.subarray(side * keyBytes, (side + 1) * keyBytes).toString("hex"),
          iv: block.subarray(ivAt, ivAt + ivBytes).toString("hex") + explicit,
          sequence: 1,
        });
      }
    }
  });
});
