// Bodies up and down over a fixed number of connections, each compared by checksum.

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { Pool } from "undici";
import type { Random } from "./random.ts";
import { type Echo, sha256 } from "./upstreams.ts";

const PIECE_BYTES_MAX = 40_000;

export class CheckedLoad {
  readonly pool: Pool;
  readonly #connections: number;

  constructor(url: string, connections: number) {
    this.#connections = connections;
    this.pool = new Pool(url, { connections, headersTimeout: 60_000 });
  }

  /** Runs `jobs` jobs, as many at a time as there are connections. */
  async inParallel(jobs: number, job: (index: number) => Promise<void>): Promise<void> {
    let next = 0;
    const worker = async () => {
      while (next < jobs) await job(next++);
    };
    await Promise.all(Array.from({ length: this.#connections }, worker));
  }

  async expectDownload(path: string, content: Uint8Array): Promise<void> {
    const { statusCode, body } = await this.pool.request({ method: "GET", path });
    const bytes = new Uint8Array(await body.arrayBuffer());
    assert.equal(statusCode, 200, path);
    assert.equal(bytes.length, content.length, path);
    assert.equal(sha256(bytes), sha256(content), path);
  }

  /** `path`: of an upstream that echoes. */
  async expectUpload(
    path: string,
    body: Uint8Array | Readable,
    content: Uint8Array,
  ): Promise<void> {
    const answer = await this.pool.request({ method: "POST", path, body });
    assert.equal(answer.statusCode, 200);
    const echo = (await answer.body.json()) as Echo;
    assert.equal(echo.bodyBytes, content.length);
    assert.equal(echo.bodySha256, sha256(content));
  }
}

/** The content in random pieces, which undici sends as chunks of a chunked body. */
export function inPieces(content: Uint8Array, random: Random): Readable {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < content.length; ) {
    const length = random.between(1, PIECE_BYTES_MAX);
    pieces.push(content.subarray(at, at + length));
    at += length;
  }
  return Readable.from(pieces);
}
