// Every status the proxy itself raises on plain HTTP, and whether the connection survives it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { type Answer, header } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { closedPort, startHeadScript, startUpstream, type Upstream } from "../lib/upstreams.ts";

const CHUNKED = ["Transfer-Encoding: chunked"];

/** The proxy's own error body: a line of text that says the status and nothing about upstreams. */
function assertErrorBody(answer: Answer): void {
  assert.match(header(answer, "content-type") ?? "", /^text\/plain/);
  assert.ok(answer.body.toString().startsWith(String(answer.status)), answer.body.toString());
  assert.doesNotMatch(answer.body.toString(), /127\.0\.0\.1|upstream|ECONN/i);
}

describe("statuses", () => {
  let upstream: Upstream;
  let server: TestServer;
  let refusedPort: number;

  before(async () => {
    upstream = await startUpstream();
    refusedPort = await closedPort();
    const small = ["max_request_body_size = 10", "max_chunked_body_size = 20"];
    const routes = [
      proxyRoute("/app", upstream.url),
      proxyRoute("/small", upstream.url, small),
      proxyRoute("/narrow", upstream.url, ["max_request_header_size = 200"]),
      proxyRoute("/readonly", upstream.url, ['allowed_methods = ["GET", "HEAD"]']),
      proxyRoute("/refused", `http://127.0.0.1:${refusedPort}`),
    ];
    server = await startServer(serverSection() + routes.join("\n"));
  });

  after(async () => {
    await upstream.stop();
    await server.stop();
  });

  /** Sends the text; asserts the status, the error body, and that the connection is closed. */
  async function refused(text: string | Uint8Array, status: number): Promise<Answer> {
    const client = await RawClient.connect(server.port);
    await client.send(text);
    const answer = await client.answer();
    assert.equal(answer.status, status);
    assertErrorBody(answer);
    assert.equal(header(answer, "connection"), "close");
    await client.ended();
    assert.equal(client.pending.length, 0, "no bytes after the last answer");
    client.close();
    return answer;
  }

  const malformed: readonly (readonly [string, string])[] = [
    ["no Host", "GET /app HTTP/1.1\r\n\r\n"],
    ["two Hosts", "GET /app HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
    ["an invalid Host", "GET /app HTTP/1.1\r\nHost: a b\r\n\r\n"],
    ["a Host with a path", "GET /app HTTP/1.1\r\nHost: a/b\r\n\r\n"],
    ["a Host with user information", "GET /app HTTP/1.1\r\nHost: u@a\r\n\r\n"],
    ["a bare LF after the request line", "GET /app HTTP/1.1\nHost: a\r\n\r\n"],
    ["a bare LF after a field", "GET /app HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"],
    ["a bare CR in a value", request("GET /app", ["X: a\rb"])],
    ["a NUL in a value", request("GET /app", ["X: a\0b"])],
    ["a control character in a value", request("GET /app", ["X: a\x01b"])],
    ["a space before the colon", request("GET /app", ["X : y"])],
    ["a folded field", request("GET /app", ["X: y", " folded"])],
    ["a field without a colon", request("GET /app", ["NoColon"])],
    ["an empty field name", request("GET /app", [": y"])],
    ["a field name that is no token", request("GET /app", ["X@Y: z"])],
    ["a request line without a version", "GET /app\r\nHost: a\r\n\r\n"],
    ["two spaces in the request line", "GET  /app HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a trailing space in the request line", "GET /app HTTP/1.1 \r\nHost: a\r\n\r\n"],
    ["a method that is no token", request("G@T /app")],
    ["a lower-case protocol", "GET /app http/1.1\r\nHost: a\r\n\r\n"],
    ["a target without a slash", request("GET app")],
    ["a target with a fragment", request("GET /app#x")],
    ["a target with a non-ASCII byte", request("GET /app/\xe9")],
    ["%00 in the path", request("GET /app/%00")],
    ["a bad escape", request("GET /app/%g0")],
    ["a path above the root", request("GET /app/../../x")],
    ["Content-Length with a sign", request("POST /app", ["Content-Length: +1"], "a")],
    ["Content-Length with a minus", request("POST /app", ["Content-Length: -1"], "a")],
    ["Content-Length in hexadecimal", request("POST /app", ["Content-Length: 0x1"], "a")],
    ["Content-Length as a list", request("POST /app", ["Content-Length: 1, 1"], "a")],
    ["an empty Content-Length", request("POST /app", ["Content-Length: "], "a")],
    ["a huge Content-Length", request("POST /app", ["Content-Length: 99999999999999999999"])],
    ["differing Content-Lengths", request("POST /app", ["Content-Length: 1", "Content-Length: 2"])],
    [
      "Content-Length and chunked",
      request("POST /app", ["Content-Length: 3", ...CHUNKED], "0\r\n"),
    ],
    ["chunked on HTTP/1.0", "POST /app HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ];
  for (const [name, text] of malformed) {
    test(`400: ${name}`, async () => {
      await refused(Buffer.from(text, "latin1"), 400);
    });
  }

  const badChunks: readonly (readonly [string, string])[] = [
    ["no size", "\r\nhello\r\n0\r\n\r\n"],
    ["a size that is no number", "xyz\r\nhello\r\n0\r\n\r\n"],
    ["a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"],
    ["a size with a prefix", "0x5\r\nhello\r\n0\r\n\r\n"],
    ["a size too large for any body", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"],
    ["a bare LF after the size", "5\nhello\r\n0\r\n\r\n"],
    ["data longer than its size", "4\r\nhello\r\n0\r\n\r\n"],
    ["a bare LF after the data", "5\r\nhello\n0\r\n\r\n"],
    ["a space after the size", "5 \r\nhello\r\n0\r\n\r\n"],
    ["a bad trailer", "5\r\nhello\r\n0\r\nBad Trailer: x\r\n\r\n"],
    ["an endless extension", `5;${"x".repeat(100_000)}\r\nhello\r\n0\r\n\r\n`],
  ];
  for (const [name, body] of badChunks) {
    test(`400: a chunk with ${name}`, async () => {
      const client = await RawClient.connect(server.port);
      await client.send(request("POST /app", CHUNKED, body));
      assert.equal((await client.answer()).status, 400);
      await client.ended();
      client.close();
    });
  }

  test("404: no route", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /none") + request("HEAD /none") + request("GET /app/bytes/1"));
    const answer = await client.answer();
    assert.equal(answer.status, 404);
    assertErrorBody(answer);
    assert.equal((await client.answer("HEAD")).status, 404);
    assert.equal((await client.answer()).status, 200, "the connection goes on after a 404");
    client.close();
  });

  test("405: a method the route does not take, with Allow", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("DELETE /readonly") + request("GET /readonly/bytes/1"));
    const answer = await client.answer();
    assert.equal(answer.status, 405);
    assert.equal(header(answer, "allow"), "GET, HEAD");
    assertErrorBody(answer);
    assert.equal((await client.answer()).status, 200);
    client.close();
  });

  test("413: by Content-Length, before any byte of the body", async () => {
    await refused(request("POST /small", ["Content-Length: 11"]), 413);
    const exact = await exchange(
      server.port,
      request("POST /small", ["Content-Length: 10"], "0123456789"),
    );
    assert.equal(exact.status, 200);
  });

  test("413: chunked, where the limit is crossed", async () => {
    const seen = upstream.requests();
    await refused(request("POST /small", CHUNKED, "a\r\n0123456789\r\nb\r\n01234567890\r\n"), 413);
    const fits = request("POST /small", CHUNKED, "14\r\n01234567890123456789\r\n0\r\n\r\n");
    assert.equal((await exchange(server.port, fits)).status, 200);
    assert.ok(upstream.requests() >= seen + 1);
  });

  test("413: a chunk size over the limit is refused before its data", async () => {
    await refused(request("POST /small", CHUNKED, "15\r\n"), 413);
  });

  test("413: a client that waits for 100 is not told to go on", async () => {
    const fields = ["Content-Length: 11", "Expect: 100-continue"];
    const answer = await refused(request("POST /small", fields), 413);
    assert.deepEqual(answer.interim, []);
  });

  test("a head of exactly the limit passes, one byte more is 431", async () => {
    const rest = request("GET /app", ["X: "]).length;
    for (const [length, status] of [
      [8192, 200],
      [8193, 431],
    ] as const) {
      const text = request("GET /app", [`X: ${"y".repeat(length - rest)}`]);
      assert.equal(text.length, length);
      assert.equal((await exchange(server.port, text)).status, status, `${length} bytes`);
    }
  });

  test("414: a request line that is too long", async () => {
    await refused(request(`GET /app/${"x".repeat(20_000)}`), 414);
  });

  test("431: a head that is too large", async () => {
    await refused(request("GET /app", [`X: ${"y".repeat(20_000)}`]), 431);
    const many = Array.from({ length: 2000 }, (_, at) => `X-${at}: y`);
    await refused(request("GET /app", many), 431);
  });

  test("431: over the chosen route's own limit", async () => {
    const fields = [`X: ${"y".repeat(200)}`];
    assert.equal((await exchange(server.port, request("GET /narrow", fields))).status, 431);
    assert.equal((await exchange(server.port, request("GET /app", fields))).status, 200);
    assert.equal((await exchange(server.port, request("GET /narrow"))).status, 200);
  });

  test("417: an expectation other than 100-continue", async () => {
    const answer = await exchange(server.port, request("GET /app", ["Expect: a-miracle"]));
    assert.equal(answer.status, 417);
    assertErrorBody(answer);
  });

  for (const coding of ["gzip, chunked", "gzip", "identity", "chunked, chunked", "xchunked"]) {
    test(`501: transfer coding ${coding}`, async () => {
      await refused(request("POST /app", [`Transfer-Encoding: ${coding}`]), 501);
    });
  }

  test("501: CONNECT", async () => {
    await refused("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501);
  });

  for (const version of ["2.0", "0.9", "3.1"]) {
    test(`505: HTTP/${version}`, async () => {
      await refused(`GET /app HTTP/${version}\r\nHost: a\r\n\r\n`, 505);
    });
  }

  test("502: nothing listens there", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /refused") + request("GET /app/bytes/1"));
    const answer = await client.answer();
    assert.equal(answer.status, 502);
    assertErrorBody(answer);
    assert.ok(!answer.body.includes(String(refusedPort)));
    assert.equal((await client.answer()).status, 200, "the connection goes on after a 502");
    client.close();
  });

  test("a refused connection leaves the one that gets its descriptor next alone", async () => {
    const head = request("GET /app", [`X: ${"y".repeat(9000)}`]);
    for (let round = 0; round < 2000; round++) {
      const answer = await exchange(server.port, round % 2 === 0 ? head : request("GET app"));
      assert.equal(answer.status, round % 2 === 0 ? 431 : 400, `round ${round}`);
    }
  });

  test("every error answer has a request id of its own", async () => {
    const first = await exchange(server.port, request("GET /none"));
    const second = await exchange(server.port, request("GET /none"));
    assert.notEqual(first.body.toString(), second.body.toString());
  });

  test("OPTIONS * is answered", async () => {
    const answer = await exchange(server.port, request("OPTIONS *"));
    assert.ok(answer.status === 200 || answer.status === 204, `status ${answer.status}`);
  });

  test("an empty line before a request is ignored", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(`\r\n${request("GET /app/bytes/1")}\r\n${request("GET /app/bytes/2")}`);
    assert.equal((await client.answer()).body.length, 1);
    assert.equal((await client.answer()).body.length, 2);
    client.close();
  });
});

describe("timeouts", () => {
  let silent: Upstream;
  let upstream: Upstream;
  let full: FullListener;
  let server: TestServer;

  before(async () => {
    upstream = await startUpstream();
    silent = await startHeadScript(() => {});
    full = await startFullListener();
    const short = [
      "client_header_timeout_secs = 1",
      "client_body_timeout_secs = 1",
      "backend_connect_timeout_secs = 1",
    ];
    const routes = [
      proxyRoute("/app", upstream.url, short),
      proxyRoute("/silent", silent.url, short),
      proxyRoute("/full", `http://127.0.0.1:${full.port}`, short),
    ];
    server = await startServer(serverSection() + routes.join("\n"));
  });

  after(async () => {
    full.stop();
    await upstream.stop();
    await silent.stop();
    await server.stop();
  });

  for (const part of [
    "GET /app HTTP/1.1\r\nHost: te",
    "GET",
    "GET /app HTTP/1.1\r\nHost: test\r\n",
  ]) {
    test(`408: a head that stops after ${JSON.stringify(part)}`, async () => {
      const client = await RawClient.connect(server.port);
      await client.send(part);
      const answer = await client.answer();
      assert.equal(answer.status, 408);
      assert.equal(header(answer, "connection"), "close");
      await client.ended();
      client.close();
    });
  }

  for (const route of ["/app", "/silent"]) {
    test(`408: a body to ${route} that stops`, async () => {
      const client = await RawClient.connect(server.port);
      await client.send(request(`POST ${route}`, ["Content-Length: 10"], "01234"));
      assert.equal((await client.answer()).status, 408);
      await client.ended();
      client.close();
    });
  }

  test("408: a chunked body that stops", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("POST /app", CHUNKED, "5\r\nhel"));
    assert.equal((await client.answer()).status, 408);
    await client.ended();
    client.close();
  });

  test("a body that trickles in stays in time", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("POST /app", ["Content-Length: 4"], ""));
    for (const byte of "slow") {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await client.send(byte);
    }
    assert.equal((await client.answer()).status, 200);
    client.close();
  });

  test("504: an upstream that does not accept", async () => {
    const answer = await exchange(server.port, request("GET /full"));
    assert.equal(answer.status, 504);
    assertErrorBody(answer);
  });
});

interface FullListener {
  readonly port: number;
  stop(): void;
}

/**
 * A listener in another process that accepts nothing, with its queue full, so that the kernel drops
 * further connection attempts (Linux drops a SYN when the accept queue is full).
 */
async function startFullListener(): Promise<FullListener> {
  const script = `const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, server.address().port + "\\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const port = await new Promise<number>((resolve) => {
    child.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
  });
  // A backlog of 1 holds two connections that nobody has accepted.
  const fillers = [await RawClient.connect(port), await RawClient.connect(port)];
  return {
    port,
    stop() {
      for (const filler of fillers) filler.close();
      process.removeListener("exit", kill);
      kill();
    },
  };
}
