// TLS towards clients that others have written, and large bodies in random pieces.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { Agent, request as requestByNode } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { patience } from "../lib/patience.ts";
import { runProcess, TestProcess } from "../lib/process.ts";
import { withRandom } from "../lib/random.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { moveBothWays, SUITES } from "../lib/tls-bodies.ts";
import { requireTool } from "../lib/tools.ts";
import { type Echo, sha256, sizedBytes, startUpstream, type Upstream } from "../lib/upstreams.ts";

const BODY_BYTES_MAX = 20_000_001;
const RESUMPTIONS = 12;

let authority: Authority;
let upstream: Upstream;
let server: TestServer;
let folder: string;
/** Has the page for a browser, and takes what it reports. */
let pages: Server;
let sockets: WebSocketServer;
let reported = "";
let report: string | undefined;

before(async () => {
  authority = new Authority();
  folder = mkdtempSync(join(tmpdir(), "zproxy-clients-"));
  const certificate = authority.issue({ names: LOCAL_NAMES });
  upstream = await startUpstream();
  pages = createServer((incoming, response) => {
    if (incoming.method === "POST") {
      incoming.setEncoding("utf8").on("data", (part) => {
        reported += part;
      });
      incoming.on("end", () => {
        response.end();
        report = reported;
      });
    } else {
      const script = `(${pageScript})(location.host).then((it) => JSON.stringify(it), String)
        .then((body) => fetch("/page/report", { method: "POST", body }));`;
      response.setHeader("content-type", "text/html");
      response.end(`<!DOCTYPE html><script>${script}</script>`);
    }
  });
  sockets = new WebSocketServer({ server: pages });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  await once(pages.listen(0, "127.0.0.1"), "listening");
  const limits = ["max_request_body_size = 209715200", "max_chunked_body_size = 209715200"];
  const { port } = pages.address() as AddressInfo;
  const routes = [
    proxyRoute("/app", upstream.url, limits),
    proxyRoute("/page", `http://127.0.0.1:${port}`),
  ];
  server = await startServer(serverSection(2) + tlsSection(certificate) + routes.join(""));
});

after(async () => {
  await upstream.stop();
  for (const socket of sockets.clients) socket.terminate();
  pages.close();
  pages.closeAllConnections();
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

/** What a page does in a browser; returns what it found. */
async function pageScript(host: string): Promise<PageReport> {
  const hash = async (bytes: ArrayBuffer) => {
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const sizes = Array.from({ length: 20 }, (_, at) => 1 + at * 9_999);
  const get = async (size: number) => {
    const answer = await fetch(`/app/bytes/${size}?seed=${size}`);
    return hash(await answer.arrayBuffer());
  };
  const gotten = await Promise.all(sizes.map(get));
  const body = new Uint8Array(1_000_000).map((_, at) => at);
  const answer = await fetch("/app/echo", { method: "POST", body });
  const echo = (await answer.json()) as Echo;
  const socket = new WebSocket(`wss://${host}/page/chat`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(body);
  const message = await new Promise<ArrayBuffer>((resolve) => {
    socket.onmessage = ({ data }) => resolve(data as ArrayBuffer);
  });
  return { sizes, gotten, echo, sent: await hash(body.buffer), returned: await hash(message) };
}

interface PageReport {
  readonly sizes: readonly number[];
  readonly gotten: readonly string[];
  readonly echo: Echo;
  readonly sent: string;
  readonly returned: string;
}

test("a page in a browser: many requests, a body, and a WebSocket", async (t) => {
  const chromium = requireTool(t, "chromium");
  if (chromium === undefined) return;
  const profile = `--user-data-dir=${join(folder, "profile")}`;
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"];
  const url = `https://localhost:${server.port}/page`;
  const browser = new TestProcess(chromium, [...flags, profile, url]);
  for (const deadline = Date.now() + patience(60_000); report === undefined; await sleep(20))
    assert.ok(browser.running && Date.now() < deadline, `no report:\n${browser.output}`);
  await browser.stop();
  const { sizes, gotten, echo, sent, returned } = JSON.parse(report) as PageReport;
  assert.deepEqual(
    gotten,
    sizes.map((size) => sha256(sizedBytes(size, size))),
  );
  assert.deepEqual([echo.bodyBytes, echo.bodySha256], [1_000_000, sent]);
  assert.equal(echo.headers["x-forwarded-proto"], "https");
  assert.equal(returned, sent);
});

test("bodies of every cipher, both ways, in random pieces", async () => {
  await withRandom(async (random) => {
    for (const options of SUITES) {
      for (const bytes of [1, random.between(2, 200_000), 5_000_000])
        await moveBothWays(server.port, options, bytes, random);
    }
  });
});

test("a large body, both ways; test/soak/tls-bodies.ts has larger ones", async () => {
  await withRandom(async (random) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const)
      await moveBothWays(server.port, { maxVersion }, BODY_BYTES_MAX, random);
  });
});
