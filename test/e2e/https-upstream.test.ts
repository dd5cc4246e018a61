// Upstreams with https: whom to trust, what an untrusted one leads to, sessions and the pool.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket, TlsOptions } from "node:tls";
import { Authority, type Certificate, LOCAL_NAMES } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { patience } from "../lib/patience.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { alone, reload, startFor } from "../lib/reload.ts";
import { startServer } from "../lib/server.ts";

let authority: Authority;
let good: Certificate;

before(() => {
  authority = new Authority();
  good = authority.issue({ names: LOCAL_NAMES });
});

after(() => authority.remove());

interface Backend {
  readonly port: number;
  /** Of each connection: the name it asked for, and whether it resumed a session. */
  readonly seen: { name: string; resumed: boolean }[];
  stop(): Promise<void>;
}

async function start(options: TlsOptions, answers = "keep-alive"): Promise<Backend> {
  const seen: Backend["seen"] = [];
  const server: Server = createServer(options, (_incoming, response) => {
    response.setHeader("connection", answers);
    response.end("hello");
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    seen.push({ name: String(socket.servername), resumed: socket.isSessionReused() });
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { port: (server.address() as AddressInfo).port, seen, stop };
}

/** Waits for another check of every server. */
const checkAgain = () => sleep(1500);

const trust = () => [`tls_ca_path = ${JSON.stringify(authority.path)}`];

test("an untrusted server is 502 with the reason in the log, unless nothing is verified", async () => {
  const other = new Authority("another authority");
  const cases = [
    ["expired", { names: LOCAL_NAMES, expired: true }, authority, /expired/],
    ["name", { names: ["DNS:other.example"] }, authority, /mismatch/i],
    ["authority", { names: LOCAL_NAMES }, other, /local issuer|self-signed/],
  ] as const;
  for (const [name, options, by, reason] of cases) {
    const backend = await start(by.issue(options));
    const url = `https://127.0.0.1:${backend.port}`;
    const routes = [
      proxyRoute("/strict", url, [], trust()),
      proxyRoute("/lax", url, [], ["tls_verify = false"]),
    ];
    const server = await startServer(serverSection() + routes.join(""));
    assert.equal((await exchange(server.port, request("GET /strict"))).status, 502, name);
    assert.equal((await exchange(server.port, request("GET /lax"))).status, 200, name);
    // What was not verified is never used for who wants it to be.
    assert.equal((await exchange(server.port, request("GET /strict"))).status, 502, name);
    await server.process.until("the reason", () => reason.test(server.log()) || undefined);
    assert.match(server.log(), new RegExp(`upstream 127.0.0.1:${backend.port} failed`));
    await backend.stop();
    await server.stop();
  }
  other.remove();
});

test("a server's chain leads to the root that is trusted", async () => {
  const between = new Authority("intermediate authority", authority);
  const { cert, key } = between.issue({ names: LOCAL_NAMES });
  const leaf = cert.slice(0, cert.indexOf("-----BEGIN", 1));
  const backends = [await start({ cert, key }), await start({ cert: leaf, key })];
  const routes = backends.map(({ port }, at) =>
    proxyRoute(`/${at}`, `https://127.0.0.1:${port}`, [], trust()),
  );
  const server = await startServer(serverSection() + routes.join(""));
  assert.equal((await exchange(server.port, request("GET /0"))).status, 200);
  assert.equal((await exchange(server.port, request("GET /1"))).status, 502, "without the chain");
  for (const backend of backends) await backend.stop();
  await server.stop();
  between.remove();
});

test("without tls_ca_path the system's roots decide", async () => {
  const backend = await start(good);
  const route = proxyRoute("/", `https://127.0.0.1:${backend.port}`);
  const strict = await startServer(serverSection() + route);
  assert.equal((await exchange(strict.port, request("GET /"))).status, 502);
  const trusting = await startServer(serverSection() + route, {
    env: { SSL_CERT_FILE: authority.path },
  });
  assert.equal((await exchange(trusting.port, request("GET /"))).status, 200);
  await backend.stop();
  await strict.stop();
  await trusting.stop();
});

test("the server is asked for by name, and sessions are resumed", async () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const backend = await start({ ...good, maxVersion }, "close");
    const url = `https://localhost:${backend.port}`;
    const server = await startServer(serverSection() + proxyRoute("/", url, [], trust()));
    for (let round = 0; round < 4; round++) {
      assert.equal((await exchange(server.port, request("GET /"))).body.toString(), "hello");
    }
    assert.equal(backend.seen[0]?.name, "localhost"); // of resumed sessions Node does not say it
    const resumed = backend.seen.map((it) => it.resumed);
    // A TLS 1.3 ticket is used once (RFC 8446 §C.4), and Node offers none on a resumed connection.
    const expected = [false, true, maxVersion === "TLSv1.2", true];
    assert.deepEqual(resumed, expected, maxVersion);
    await backend.stop();
    await server.stop();
  }
});

test("who is not trusted any more after a reload has no session to resume", async (t) => {
  const other = new Authority("another authority");
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const backend = await start({ ...good, maxVersion }, "close");
    const trusting = ({ path }: Authority) => {
      const settings = [`tls_ca_path = ${JSON.stringify(path)}`];
      const url = `https://localhost:${backend.port}`;
      return serverSection() + proxyRoute("/", url, [], settings);
    };
    const server = await startFor(t, trusting(authority));
    const ask = async () => (await exchange(server.port, request("GET /"))).status;
    assert.deepEqual([await ask(), await ask()], [200, 200]);
    assert.ok(backend.seen.at(-1)!.resumed, "there is a session");
    await reload(server, trusting(other));
    assert.deepEqual([await ask(), await ask()], [502, 502], maxVersion);
    await alone(server);
    await backend.stop();
    await server.stop();
  }
  other.remove();
});

test("connections are pooled", async () => {
  const backend = await start(good);
  const url = `https://127.0.0.1:${backend.port}`;
  const server = await startServer(serverSection() + proxyRoute("/", url, [], trust()));
  for (let round = 0; round < 10; round++) {
    assert.equal((await exchange(server.port, request("GET /"))).status, 200);
  }
  assert.equal(backend.seen.length, 1);
  await backend.stop();
  await server.stop();
});

test("a server that speaks no TLS, or hangs in the handshake, is 502 and 504", async () => {
  const { createServer: createTcpServer } = await import("node:net");
  for (const [answer, status] of [
    ["HTTP/1.1 400 Bad Request\r\n\r\n", 502],
    ["", 504],
  ] as const) {
    const tcp = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        if (answer !== "") socket.end(answer);
      });
    });
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
    const limits = ["backend_connect_timeout_secs = 1"];
    const server = await startServer(serverSection() + proxyRoute("/", url, limits, trust()));
    assert.equal((await exchange(server.port, request("GET /"))).status, status);
    await server.stop();
    tcp.close();
  }
});

test("health checks verify like requests do", async () => {
  const backend = await start(good);
  const groups = ["strict", "lax"].map(
    (name) =>
      `[upstreams.${name}]\nservers = ["https://127.0.0.1:${backend.port}"]\n` +
      "health_check = { interval_secs = 1, unhealthy_threshold = 1 }\n" +
      `[path_routes."*"."/${name}"]\ntype = "Proxy"\nupstream = "${name}"\n`,
  );
  const config = `${serverSection()}${groups[0]}${trust()[0]}\n${groups[1]}tls_verify = false\n`;
  const server = await startServer(config);
  const none = await startServer(serverSection() + groups[0]);
  for (const each of [server, none]) await each.rememberLeast();
  const down = `Upstream 127.0.0.1:${backend.port} is now unhealthy`;
  await none.process.until("a failed check", () => none.log().includes(down) || undefined);
  await checkAgain();
  assert.ok(!server.log().includes("unhealthy"), server.log());
  for (const target of ["/strict", "/lax"])
    assert.equal((await exchange(server.port, request(`GET ${target}`))).status, 200);
  assert.equal((await exchange(none.port, request("GET /strict"))).status, 503);
  await backend.stop();
  await checkAgain();
  await server.stop();
  await none.stop();
});

test("a check that hangs in the handshake is given up with its connection", async () => {
  const { createServer: createTcpServer } = await import("node:net");
  const open = new Set<Socket>();
  let accepted = 0;
  let most = 0;
  const tcp = createTcpServer((socket) => {
    accepted++;
    open.add(socket);
    most = Math.max(most, open.size);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const { port } = tcp.address() as AddressInfo;
  const check = "health_check = { interval_secs = 1, timeout_secs = 1 }";
  const group = `[upstreams.g]\nservers = ["https://127.0.0.1:${port}"]\n${check}\n`;
  const route = '[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "g"\n';
  const server = await startServer(serverSection() + group + route);
  for (let looks = 0; accepted < 4; looks++) {
    assert.ok(looks < patience(300), `${accepted} checks`);
    await sleep(50);
  }
  assert.ok(most <= 3, `${most} connections at once`);
  const closed = new Promise((resolve) => tcp.close(resolve));
  for (const socket of open) socket.destroy();
  await closed;
  await server.rememberLeast();
  await checkAgain();
  await server.stop();
});
