// Many clients at once with random content: every byte that comes back is compared by checksum.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CheckedLoad, inPieces } from "../lib/checked-load.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { Random, withRandom } from "../lib/random.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

const CONNECTIONS = 64;
const MIB = 1024 * 1024;
const FILE_SIZES = [0, 1, 4095, 4096, 65_536, 300_007];

let folder: string;
let upstream: Upstream;
let server: TestServer;
let load: CheckedLoad;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "zproxy-load-"));
  mkdirSync(join(folder, "site"));
  for (const size of FILE_SIZES) {
    writeFileSync(join(folder, `site/${size}.bin`), sizedBytes(size, size));
  }
  upstream = await startUpstream();
  const routes = [
    proxyRoute("/app", upstream.url, ["max_idle_connections_per_host = 64"]),
    fileRoute("/files", join(folder, "site")),
    fileRoute("/memory", join(folder, "site"), ['mode = "memory"']),
  ];
  server = await startServer(serverSection(2) + routes.join("\n"));
  load = new CheckedLoad(server.url, CONNECTIONS);
});

after(async () => {
  await load.pool.destroy();
  await upstream.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
});

test("1 MiB bodies down over 64 connections are equal to the last byte", async () => {
  await withRandom(async (random) => {
    await load.inParallel(CONNECTIONS * 2, async (index) => {
      const seed = random.next();
      const chunked = index % 2 === 0 ? "&chunked" : "";
      await load.expectDownload(`/app/bytes/${MIB}?seed=${seed}${chunked}`, sizedBytes(MIB, seed));
    });
  });
});

test("1 MiB bodies up over 64 connections are equal to the last byte", async () => {
  await withRandom(async (random) => {
    await load.inParallel(CONNECTIONS * 2, async (index) => {
      const own = new Random(random.next());
      const content = own.bytes(MIB);
      await load.expectUpload(
        "/app/upload",
        index % 2 === 0 ? content : inPieces(content, own),
        content,
      );
    });
  });
});

test("10,000 requests of every kind over 64 connections", async () => {
  let served = 0;
  await withRandom(async (random) => {
    await load.inParallel(10_000, async () => {
      const own = new Random(random.next());
      await JOBS[own.below(JOBS.length)]?.(own);
      served++;
    });
  });
  assert.equal(served, 10_000);
});

const JOBS: readonly ((random: Random) => Promise<void>)[] = [
  async (random) => {
    const size = random.below(3000);
    await load.expectDownload(
      `/app/bytes/${size}?seed=${random.seed}`,
      sizedBytes(size, random.seed),
    );
  },
  async (random) => {
    const size = random.below(100_000);
    const path = `/app/bytes/${size}?seed=${random.seed}&chunked`;
    await load.expectDownload(path, sizedBytes(size, random.seed));
  },
  async (random) => {
    const content = random.bytes(random.below(20_000));
    await load.expectUpload("/app/upload", content, content);
  },
  async (random) => {
    const content = random.bytes(random.between(1, 100_000));
    await load.expectUpload("/app/upload", inPieces(content, random), content);
  },
  async (random) => {
    const size = random.pick(FILE_SIZES);
    const route = random.pick(["files", "memory"]);
    await load.expectDownload(`/${route}/${size}.bin`, sizedBytes(size, size));
  },
  async (random) => {
    const path = `/app/bytes/${random.below(5000)}`;
    const answer = await load.pool.request({ method: "HEAD", path });
    assert.equal(answer.statusCode, 200);
    assert.equal((await answer.body.arrayBuffer()).byteLength, 0);
  },
  async () => {
    const answer = await load.pool.request({ method: "GET", path: "/none" });
    assert.equal(answer.statusCode, 404);
    await answer.body.dump();
  },
];
