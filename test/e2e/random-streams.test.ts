// Random requests of every kind, pipelined on one connection and cut at random places: each answer
// must be the right one, in order, whatever came before it; with TLS on either side, both and none.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Answer } from "../lib/answer.ts";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { Random, withRandom } from "../lib/random.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { type Echo, sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

const CONNECTIONS = 16;
const STREAMS = 160;
const STREAMS_TLS = 60;
const REQUESTS_MAX = 12;

let folder: string;
let authority: Authority;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-streams-"));
  for (const size of [0, 10, 5000, 150_000]) {
    writeFileSync(join(folder, `${size}.bin`), sizedBytes(size, size));
  }
  authority = new Authority();
});

after(() => {
  authority.remove();
  rmSync(folder, { recursive: true });
});

/** One request and what must come back. */
interface Exchange {
  readonly bytes: Buffer;
  readonly method: string;
  readonly check: (answer: Answer) => void;
}

function exchangeOf(
  text: string,
  body: Uint8Array | string,
  check: Exchange["check"],
  method = "GET",
): Exchange {
  return { bytes: Buffer.concat([Buffer.from(text), Buffer.from(body)]), method, check };
}

function expectBody(content: Uint8Array): Exchange["check"] {
  return (answer) => {
    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, content.length);
    assert.equal(sha256(answer.body), sha256(content));
  };
}

function expectEcho(content: Uint8Array): Exchange["check"] {
  return (answer) => {
    assert.equal(answer.status, 200);
    const echo = JSON.parse(answer.body.toString()) as Echo;
    assert.equal(echo.bodyBytes, content.length);
    assert.equal(echo.bodySha256, sha256(content));
  };
}

/** The content as a chunked body: random sizes, extensions and trailers. */
function chunked(content: Uint8Array, random: Random): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; ) {
    const piece = content.subarray(at, at + random.between(1, random.pick([10, 1000, 100_000])));
    const extension = random.below(4) === 0 ? ";name=value" : "";
    const size = `${"0".repeat(random.below(3))}${piece.length.toString(16)}${extension}\r\n`;
    pieces.push(Buffer.from(size), Buffer.from(piece), Buffer.from("\r\n"));
    at += piece.length;
  }
  const trailer = random.below(3) === 0 ? "X-Trailer: yes\r\n" : "";
  return Buffer.concat([...pieces, Buffer.from(`0\r\n${trailer}\r\n`)]);
}

const sizes = [0, 1, 100, 4000, 70_000, 300_000];

const KINDS: readonly ((random: Random) => Exchange)[] = [
  (random) => {
    const size = random.below(random.pick(sizes) + 1);
    const query = `seed=${random.seed}${random.pick(["", "&chunked"])}`;
    const text = request(`GET /app/bytes/${size}?${query}`, [
      `X-Pad: ${"p".repeat(random.below(3000))}`,
    ]);
    return exchangeOf(text, "", expectBody(sizedBytes(size, random.seed)));
  },
  (random) => {
    const content = random.bytes(random.below(random.pick(sizes) + 1));
    const text = request("POST /app/x", [`Content-Length: ${content.length}`]);
    return exchangeOf(text, content, expectEcho(content));
  },
  (random) => {
    const content = random.bytes(random.below(random.pick(sizes) + 1));
    const text = request("PUT /app/x", ["Transfer-Encoding: chunked"]);
    return exchangeOf(text, chunked(content, random), expectEcho(content));
  },
  (random) => {
    const size = random.pick([0, 10, 5000, 150_000]);
    const text = request(`GET /${random.pick(["files", "memory"])}/${size}.bin`);
    return exchangeOf(text, "", expectBody(sizedBytes(size, size)));
  },
  (random) => {
    const target = random.pick(["/app/bytes/77", "/files/10.bin", "/memory/5000.bin"]);
    const check = (answer: Answer) =>
      assert.deepEqual([answer.status, answer.body.length], [200, 0]);
    return exchangeOf(request(`HEAD ${target}`), "", check, "HEAD");
  },
  (random) => {
    const status = random.pick([204, 304, 404, 500]);
    const check = (answer: Answer) => assert.equal(answer.status, status);
    return exchangeOf(request(`GET /app/status/${status}`), "", check);
  },
  () => exchangeOf(request("GET /none"), "", (answer) => assert.equal(answer.status, 404)),
  (random) => {
    const body = "b".repeat(random.below(2000));
    const text = request("POST /readonly/x", [`Content-Length: ${body.length}`]);
    return exchangeOf(text, body, (answer) => assert.equal(answer.status, 405));
  },
  (random) => {
    const check = (answer: Answer) => assert.equal(answer.body.toString(), "slow");
    return exchangeOf(request(`GET /app/slow/${random.below(15)}`), "", check);
  },
  (random) => {
    const size = random.below(20_000);
    return exchangeOf(request(`GET /app/trailers/${size}`), "", expectBody(sizedBytes(size, 1)));
  },
  (random) => {
    const size = random.below(90_000);
    return exchangeOf(request(`GET /app/close/${size}`), "", expectBody(sizedBytes(size, 1)));
  },
];

/** Cuts the bytes at random places, sometimes into very small pieces. */
function cutUp(bytes: Buffer, random: Random): Buffer[] {
  const most = random.pick([7, 500, 5000, 1_000_000]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    // Small pieces of a large stream would only take time.
    const length = random.between(1, Math.max(most, bytes.length >> 6));
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

async function runStream(random: Random, connect: () => Promise<RawClient>): Promise<void> {
  const count = random.between(1, REQUESTS_MAX);
  const exchanges = Array.from({ length: count }, () => {
    return random.pick(KINDS)(new Random(random.next()));
  });
  const client = await connect();
  try {
    const pieces = cutUp(Buffer.concat(exchanges.map(({ bytes }) => bytes)), random);
    const sending = client.send(...pieces);
    for (const { method, check } of exchanges) check(await client.answer(method));
    await sending;
    assert.equal(client.pending.length, 0, "bytes after the last answer");
  } finally {
    client.close(random.below(2) === 0);
  }
}

async function runStreams(count: number, connect: () => Promise<RawClient>): Promise<void> {
  await withRandom(async (random) => {
    const seeds = Array.from({ length: count }, () => random.next());
    const worker = async () => {
      for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) {
        await runStream(new Random(seed), connect);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  });
}

interface Sides {
  readonly name: string;
  /** Towards clients; undefined: plain. */
  readonly version?: "TLSv1.2" | "TLSv1.3";
  readonly httpsUpstream: boolean;
}

const SIDES: readonly Sides[] = [
  { name: "plain on both sides", httpsUpstream: false },
  { name: "TLS 1.3 in front", version: "TLSv1.3", httpsUpstream: false },
  { name: "TLS 1.2 in front", version: "TLSv1.2", httpsUpstream: false },
  { name: "https behind", httpsUpstream: true },
  { name: "TLS on both sides", version: "TLSv1.3", httpsUpstream: true },
];

for (const { name, version, httpsUpstream } of SIDES) {
  describe(name, () => {
    let upstream: Upstream;
    let server: TestServer;

    before(async () => {
      const certificate = authority.issue({ names: LOCAL_NAMES });
      upstream = await startUpstream("upstream", httpsUpstream ? certificate : undefined);
      const trust = httpsUpstream ? [`tls_ca_path = ${JSON.stringify(authority.path)}`] : [];
      const routes = [
        proxyRoute("/app", upstream.url, [], trust),
        proxyRoute("/readonly", upstream.url, ['allowed_methods = ["GET"]'], trust),
        fileRoute("/files", folder),
        fileRoute("/memory", folder, ['mode = "memory"']),
      ];
      const tls = version === undefined ? "" : tlsSection(certificate);
      server = await startServer(serverSection(2) + tls + routes.join("\n"));
    });

    after(async () => {
      await upstream.stop();
      await server.stop();
    });

    test("random pipelined streams over many connections", async () => {
      const plain = version === undefined;
      await runStreams(plain && !httpsUpstream ? STREAMS : STREAMS_TLS, () =>
        plain
          ? RawClient.connect(server.port)
          : RawClient.connectTls(server.port, { minVersion: version, maxVersion: version }),
      );
    });
  });
}
