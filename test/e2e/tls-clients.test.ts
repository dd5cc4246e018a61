// TLS towards clients that others have written, and towards clients that give up at every byte.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request as requestByNode } from "node:https";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { withRandom } from "../lib/random.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { type Echo, sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** How often each version's handshake is broken off; ZPROXY_TEST_ABORTS for a long look. */
const ABORTS = Number(process.env.ZPROXY_TEST_ABORTS ?? 150);
/** The largest body; ZPROXY_TEST_BODY_BYTES for 100 MiB. */
const BODY_BYTES_MAX = Number(process.env.ZPROXY_TEST_BODY_BYTES ?? 3_000_001);
const RESUMPTIONS = 12;

let authority: Authority;
let upstream: Upstream;
let server: TestServer;
let folder: string;

before(async () => {
  authority = new Authority();
  folder = mkdtempSync(join(tmpdir(), "zproxy-clients-"));
  const certificate = authority.issue({ names: LOCAL_NAMES });
  upstream = await startUpstream();
  const limits = ["max_request_body_size = 209715200"];
  const route = proxyRoute("/app", upstream.url, limits);
  server = await startServer(serverSection(2) + tlsSection(certificate) + route);
});

after(async () => {
  await upstream.stop();
  await server.stop();
  authority.remove();
  rmSync(folder, { recursive: true });
});

test("openssl s_client resumes the session that it has stored, with either worker", async () => {
  const target = ["-connect", `127.0.0.1:${server.port}`, "-servername", "localhost"];
  const file = join(folder, "session");
  const shell = (version: string, session: readonly string[]) => {
    const args = ["openssl", "s_client", ...target, version, ...session, "-ign_eof"];
    const head = "GET /app/bytes/5 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n";
    return runProcess("sh", ["-c", `printf '${head}' | ${args.join(" ")}`]);
  };
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const first = await shell(version, ["-sess_out", file]);
    assert.match(first.stdout, /^New, TLSv/m, first.stderr);
    for (let round = 0; round < RESUMPTIONS; round++) {
      const again = await shell(version, ["-sess_in", file]);
      assert.match(again.stdout, /^Reused, TLSv/m, `${version}, connection ${round}`);
      assert.match(again.stdout, /HTTP\/1\.1 200 OK/);
    }
  }
});

test("wrk", async (t) => {
  const wrk = requireTool(t, "wrk");
  if (wrk === undefined) return;
  const url = `https://127.0.0.1:${server.port}/app/bytes/1000`;
  const { stdout } = await runProcess(wrk, ["-t1", "-c16", "-d1s", url]);
  assert.match(stdout, /[1-9]\d* requests in/);
  assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout);
});

test("Node's https, with and without an agent that keeps connections", async () => {
  for (const keepAlive of [true, false]) {
    const agent = new Agent({ keepAlive, ca: authority.cert });
    for (let round = 0; round < 5; round++) {
      const options = { host: "localhost", port: server.port, path: "/app/bytes/70000?seed=3" };
      const outgoing = requestByNode({ ...options, family: 4, agent });
      outgoing.end();
      const [incoming] = await once(outgoing, "response");
      const parts: Buffer[] = [];
      for await (const part of incoming) parts.push(part as Buffer);
      assert.equal(sha256(Buffer.concat(parts)), sha256(sizedBytes(70_000, 3)));
    }
    agent.destroy();
  }
});

test("a browser", async (t) => {
  const chromium = requireTool(t, "chromium");
  if (chromium === undefined) return;
  const profile = `--user-data-dir=${join(folder, "profile")}`;
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"];
  const url = `https://localhost:${server.port}/app/echo`;
  const { stdout, stderr } = await runProcess(chromium, [...flags, profile, "--dump-dom", url]);
  assert.match(stdout, /"x-forwarded-proto":\s*"https"/, stderr.slice(-2000));
});

/** Sends the content in pieces that have nothing to do with records, and returns the echo of it. */
async function post(options: ConnectionOptions, content: Buffer, cut: () => number): Promise<Echo> {
  const client = await RawClient.connectTls(server.port, options);
  const pieces: Buffer[] = [
    Buffer.from(request("POST /app/echo", [`Content-Length: ${content.length}`])),
  ];
  for (let at = 0; at < content.length; ) {
    const end = Math.min(content.length, at + cut());
    pieces.push(content.subarray(at, end));
    at = end;
  }
  for (const piece of pieces) await client.send(piece);
  const answer = await client.answer("POST");
  client.close();
  return JSON.parse(answer.body.toString()) as Echo;
}

test("bodies up to the largest, both ways, in random pieces", async () => {
  await withRandom(async (random) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      for (const bytes of [1, 1_000, 300_000, BODY_BYTES_MAX]) {
        const content = Buffer.from(sizedBytes(bytes, bytes));
        const most = Math.max(100, bytes / 20);
        const echo = await post({ maxVersion }, content, () => random.between(1, most));
        assert.deepEqual([echo.bodyBytes, echo.bodySha256], [bytes, sha256(content)]);
        const client = await RawClient.connectTls(server.port, { maxVersion });
        await client.send(request(`GET /app/bytes/${bytes}?seed=${bytes}`));
        assert.equal(sha256((await client.answer()).body), sha256(content));
        client.close();
      }
    }
  });
});

/** A relay that lets so many bytes of the client pass, then breaks the connection off. */
async function abortAfter(bytes: number, options: ConnectionOptions): Promise<number> {
  let passed = 0;
  const relay = createServer((client) => {
    const far = connectTcp({ port: server.port, host: "127.0.0.1" });
    const end = () => {
      client.destroy();
      if (bytes % 2 === 0) far.destroy();
      else far.resetAndDestroy();
    };
    client.on("data", (piece: Buffer) => {
      const allowed = piece.subarray(0, bytes - passed);
      passed += allowed.length;
      far.write(allowed, () => {
        if (passed >= bytes) end();
      });
    });
    far.on("data", (piece: Buffer) => client.write(piece));
    for (const socket of [client, far]) socket.on("error", end).on("close", end);
  });
  await once(relay.listen(0, "127.0.0.1"), "listening");
  const { port } = relay.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  socket.on("error", () => {});
  socket.write(request("GET /app/bytes/10", ["Connection: close"]));
  socket.resume();
  await once(socket, "close");
  relay.close();
  return passed;
}

test("handshakes that break off at every byte leave nothing behind", async () => {
  await withRandom(async (random) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const whole = await abortAfter(Number.MAX_SAFE_INTEGER, { maxVersion });
      assert.ok(whole > 300 && whole < 5000, "the relay has seen no handshake");
      // From a random byte on, so that many runs see them all.
      const stride = whole / ABORTS;
      const offsets = Array.from({ length: ABORTS }, (_, at) => {
        return 1 + (Math.floor((random.below(1000) / 1000 + at) * stride) % whole);
      });
      const worker = async () => {
        for (let at = offsets.pop(); at !== undefined; at = offsets.pop())
          await abortAfter(at, { maxVersion });
      };
      await Promise.all(Array.from({ length: 8 }, worker));
    }
  });
  await upstream.stop();
  await server.settled();
  upstream = await startUpstream();
});
