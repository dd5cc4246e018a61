// Bodies of any size over TLS, in both directions, in random pieces, with their checksums: neither
// end holds more than the content itself.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ConnectionOptions } from "node:tls";
import type { Random } from "./random.ts";
import { type Echo, sha256, sha256Of, sizedBytes } from "./upstreams.ts";

export const TLS12 = { maxVersion: "TLSv1.2" } as const;
export const TLS13 = { minVersion: "TLSv1.3" } as const;

/** Every cipher of either version, for a server whose certificate has an ECDSA key. */
export const SUITES: readonly ConnectionOptions[] = [
  { ...TLS13, ciphers: "TLS_AES_128_GCM_SHA256" },
  { ...TLS13, ciphers: "TLS_AES_256_GCM_SHA384" },
  { ...TLS13, ciphers: "TLS_CHACHA20_POLY1305_SHA256" },
  { ...TLS12, ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
  { ...TLS12, ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" },
  { ...TLS12, ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305" },
];

async function ask(
  port: number,
  options: ConnectionOptions,
  path: string,
  content?: { readonly body: Readable; readonly headers: Record<string, string | number> },
): Promise<IncomingMessage> {
  const method = content === undefined ? "GET" : "POST";
  const target = { host: "127.0.0.1", port, path, method, headers: content?.headers ?? {} };
  const outgoing = request({ ...options, ...target, rejectUnauthorized: false, agent: false });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  if (content === undefined) outgoing.end();
  else await pipeline(content.body, outgoing);
  const [incoming] = await answered;
  assert.equal(incoming.statusCode, 200, path);
  return incoming;
}

/** Gets a body from the upstream behind `prefix`, and sends it one, of known length or chunked. */
export async function moveBothWays(
  port: number,
  options: ConnectionOptions,
  bytes: number,
  random: Random,
  prefix = "/app",
): Promise<void> {
  const content = sizedBytes(bytes, bytes);
  const expected = sha256(content);
  const query = `seed=${bytes}&cut=${random.next()}${random.pick(["", "&chunked"])}`;
  const answer = await ask(port, options, `${prefix}/bytes/${bytes}?${query}`);
  assert.deepEqual(await sha256Of(answer), { bytes, sha256: expected }, `down, ${query}`);

  const headers: Record<string, number> = random.below(2) === 0 ? {} : { "content-length": bytes };
  const body = Readable.from(random.cut(content), { objectMode: false });
  const parts: Buffer[] = [];
  for await (const part of await ask(port, options, `${prefix}/echo`, { body, headers }))
    parts.push(part as Buffer);
  const echo = JSON.parse(Buffer.concat(parts).toString()) as Echo;
  assert.deepEqual([echo.bodyBytes, echo.bodySha256], [bytes, expected], "up");
}
