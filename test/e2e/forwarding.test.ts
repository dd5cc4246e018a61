// What a proxied request and its answer look like on the other side: headers, bodies, methods,
// versions, and connections that carry more than one request.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { header } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import {
  type Echo,
  sha256,
  sizedBytes,
  startHeadScript,
  startUpstream,
  type Upstream,
} from "../lib/upstreams.ts";

let upstream: Upstream;
let server: TestServer;

before(async () => {
  upstream = await startUpstream();
  const kept = `[path_routes."*"."/kept"]\ntype = "Proxy"\nurl = "${upstream.url}"\n`;
  const routes = [proxyRoute("/", upstream.url), `${kept}preserve_host = true\n`];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

async function echoOf(text: string): Promise<Echo> {
  const answer = await exchange(server.port, text);
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString()) as Echo;
}

describe("request headers", () => {
  test("Host is the upstream's authority", async () => {
    const echo = await echoOf(request("GET /", ["Host: public.test"]));
    assert.equal(echo.headers.host, `127.0.0.1:${upstream.port}`);
    assert.equal(echo.headers["x-forwarded-host"], "public.test");
  });

  test("preserve_host passes the client's Host", async () => {
    const echo = await echoOf(request("GET /kept", ["Host: public.test:8080"]));
    assert.equal(echo.headers.host, "public.test:8080");
  });

  test("forwarding headers are set, never believed from a stranger", async () => {
    const forged = ["X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "x-forwarded-host: no"];
    const echo = await echoOf(request("GET /", ["Host: public.test", ...forged]));
    assert.equal(echo.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(echo.headers["x-forwarded-proto"], "http");
    assert.equal(echo.headers["x-forwarded-host"], "public.test");
    assert.match(echo.headers.via ?? "", /^1\.1 zproxy$/);
  });

  test("hop-by-hop headers and those named by Connection are removed", async () => {
    const hop = [
      "Connection: keep-alive, X-Private , close-not",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "TE: gzip",
      "Upgrade: h2c",
      "X-Private: secret",
      "Close-Not: secret",
      "X-Public: kept",
    ];
    const { headers } = await echoOf(request("GET /", hop));
    for (const name of ["keep-alive", "proxy-connection", "upgrade", "x-private", "close-not"]) {
      assert.equal(headers[name], undefined, name);
    }
    assert.equal(headers["x-public"], "kept");
  });

  test("other headers pass untouched, in order, repeated ones too", async () => {
    const fields = ["X-A: 1", "Cookie: a=b; c=d", "x-a: 2", "Empty:", "X-Wide:  a \t b  "];
    const { rawHeaders } = await echoOf(request("GET /", fields));
    const pairs: string[] = [];
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (/^(x-a|cookie|empty|x-wide)$/i.test(rawHeaders[at] ?? "")) {
        pairs.push(`${rawHeaders[at]}=${rawHeaders[at + 1]}`);
      }
    }
    assert.deepEqual(pairs, ["X-A=1", "Cookie=a=b; c=d", "x-a=2", "Empty=", "X-Wide=a \t b"]);
  });
});

describe("methods and bodies", () => {
  for (const method of [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "PROPFIND",
    "M-SEARCH",
  ]) {
    test(`${method} passes with a body of known length`, async () => {
      const echo = await echoOf(request(`${method} /x`, ["Content-Length: 5"], "hello"));
      assert.equal(echo.method, method);
      assert.equal(echo.bodySha256, sha256(Buffer.from("hello")));
    });
  }

  test("a chunked body arrives whole, with its trailers", async () => {
    const chunks = "5;name=value\r\nhello\r\n1\r\n \r\n005\r\nworld\r\n0\r\nX-Sum: 11\r\n\r\n";
    const fields = ["Transfer-Encoding: chunked", "Trailer: X-Sum"];
    const echo = await echoOf(request("POST /x", fields, chunks));
    assert.equal(echo.bodyBytes, 11);
    assert.equal(echo.bodySha256, sha256(Buffer.from("hello world")));
    assert.equal(echo.trailers["x-sum"], "11");
  });

  test("HEAD has the headers of GET and no body", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("HEAD /bytes/1000"), request("GET /bytes/10"));
    const head = await client.answer("HEAD");
    assert.equal(head.status, 200);
    assert.equal(header(head, "content-length"), "1000");
    const next = await client.answer();
    assert.deepEqual(next.body, Buffer.from(sizedBytes(10, 1)));
    client.close();
  });

  for (const status of [204, 304]) {
    test(`${status} has no body and the connection goes on`, async () => {
      const client = await RawClient.connect(server.port);
      await client.send(request(`GET /status/${status}`), request("GET /bytes/3"));
      assert.equal((await client.answer()).status, status);
      assert.equal((await client.answer()).body.length, 3);
      client.close();
    });
  }

  test("Expect: 100-continue is passed end to end", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("POST /x", ["Content-Length: 5", "Expect: 100-continue"]));
    const interim = await client.received(1);
    assert.match(interim.toString("latin1"), /^HTTP\/1\.1 100 /);
    await client.send("hello");
    const answer = await client.answer();
    assert.deepEqual([answer.status, answer.interim.map(({ status }) => status)], [200, [100]]);
    client.close();
  });

  test("interim answers pass", async () => {
    const answer = await exchange(server.port, request("GET /hints/4"));
    assert.equal(answer.interim[0]?.status, 103);
    assert.deepEqual(answer.interim[0]?.headers[0], ["link", "</style.css>; rel=preload"]);
    assert.equal(answer.body.length, 4);
  });

  test("an answer that comes before the request body is relayed at once", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("POST /early/6", ["Content-Length: 100000"], "first part"));
    const answer = await client.answer();
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, Buffer.from(sizedBytes(6, 1)));
    client.close();
  });
});

describe("answers", () => {
  test("chunked content is relayed chunked, trailers included", async () => {
    const answer = await exchange(server.port, request("GET /trailers/5000"));
    assert.equal(answer.framing, "chunked");
    assert.deepEqual(answer.body, Buffer.from(sizedBytes(5000, 1)));
    assert.deepEqual(answer.trailers.at(-1), ["x-end", "yes"]);
    assert.equal(answer.trailers.at(-2)?.[1], sha256(answer.body));
  });

  test("content that ends with the upstream's connection becomes chunked", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /close/70000"), request("GET /bytes/2"));
    const answer = await client.answer();
    assert.equal(answer.framing, "chunked");
    assert.deepEqual(answer.body, Buffer.from(sizedBytes(70_000, 1)));
    assert.equal((await client.answer()).body.length, 2);
    client.close();
  });

  test("hop-by-hop headers stay behind, Via is added, the rest is untouched", async () => {
    const answer = await exchange(server.port, request("GET /bytes/1"));
    assert.equal(header(answer, "connection"), undefined);
    assert.equal(header(answer, "keep-alive"), undefined);
    assert.equal(header(answer, "via"), "1.1 zproxy");
    assert.equal(header(answer, "content-type"), "application/octet-stream");
    assert.ok(Date.parse(header(answer, "date") ?? "") > 0);
  });
});

describe("answers of other servers", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nold", "old"],
    ["no reason", "HTTP/1.1 200 \r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc", "abc"],
    ["no spaces in fields", "HTTP/1.1 200 OK\r\nX-A:b\r\nContent-Length:3\r\n\r\nabc", "abc"],
    ["Connection: close", "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\n\r\nabc", "abc"],
    [
      "upper-case CHUNKED",
      "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
      "",
    ],
  ];
  for (const [name, text, body] of cases) {
    test(name, async () => {
      const scripted = await startHeadScript(({ socket }) => socket.end(text));
      const other = await startServer(serverSection() + proxyRoute("/", scripted.url));
      try {
        const answer = await exchange(other.port, request("GET /"));
        assert.equal(answer.status, 200);
        assert.equal(answer.body.toString(), body);
        assert.equal(header(answer, "x-a"), "b");
        assert.ok(Date.parse(header(answer, "date") ?? "") > 0, "Date is added");
      } finally {
        await scripted.stop();
        await other.stop();
      }
    });
  }

  test("cookies stay apart and a head of 12 KiB passes", async () => {
    const cookies = Array.from({ length: 12 }, (_, at) => `Set-Cookie: c${at}=${"v".repeat(1000)}`);
    const text = `HTTP/1.1 200 OK\r\n${cookies.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`;
    const scripted = await startHeadScript(({ socket }) => socket.write(text));
    const other = await startServer(serverSection() + proxyRoute("/", scripted.url));
    try {
      const answer = await exchange(other.port, request("GET /"));
      const found = answer.headers.filter(([name]) => name === "set-cookie");
      assert.deepEqual(
        found.map(([, value]) => `Set-Cookie: ${value}`),
        cookies,
      );
    } finally {
      await scripted.stop();
      await other.stop();
    }
  });
});

describe("connections", () => {
  test("one connection carries many requests, and one upstream connection serves them", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /bytes/1"));
    await client.answer();
    const before = upstream.connections();
    for (let round = 0; round < 20; round++) {
      await client.send(request(`GET /bytes/${round}?seed=${round}`));
      const answer = await client.answer();
      assert.deepEqual(answer.body, Buffer.from(sizedBytes(round, round)));
    }
    assert.equal(upstream.connections(), before);
    client.close();
  });

  test("pipelined requests are answered in order", async () => {
    const client = await RawClient.connect(server.port);
    const sizes = [3000, 0, 1, 70_000, 5, 64, 4096, 12];
    const lines = sizes.map((size, at) => {
      if (at === 2) return request("POST /x", ["Content-Length: 3"], "abc");
      return request(`GET /bytes/${size}?seed=${at}${at % 2 === 0 ? "" : "&chunked"}`);
    });
    await client.send(lines.join(""));
    for (const [at, size] of sizes.entries()) {
      const { body } = await client.answer();
      if (at === 2) assert.equal((JSON.parse(body.toString()) as Echo).bodyBytes, 3);
      else assert.deepEqual(body, Buffer.from(sizedBytes(size, at)), `answer ${at}`);
    }
    client.close();
  });

  test("a slow first answer does not let a fast second one overtake it", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /slow/200") + request("GET /bytes/2"));
    assert.equal((await client.answer()).body.toString(), "slow");
    assert.equal((await client.answer()).body.length, 2);
    client.close();
  });

  test("Connection: close is honoured after the answer", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /bytes/9", ["Connection: close"]) + request("GET /bytes/1"));
    const answer = await client.answer();
    assert.equal(answer.body.length, 9);
    assert.equal(header(answer, "connection"), "close");
    assert.equal(await client.ended(), "end");
    assert.equal(client.pending.length, 0);
    client.close();
  });

  test("HTTP/1.0 is served and closed", async () => {
    const client = await RawClient.connect(server.port);
    await client.send("GET /close/5000 HTTP/1.0\r\nHost: test\r\n\r\n");
    assert.equal(await client.ended(), "end");
    const answer = await client.answer();
    assert.equal(answer.framing, "close", "HTTP/1.0 knows no chunks");
    assert.deepEqual(answer.body, Buffer.from(sizedBytes(5000, 1)));
    client.close();
  });

  test("HTTP/1.0 with keep-alive goes on", async () => {
    const client = await RawClient.connect(server.port);
    const text = "GET /bytes/7 HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n";
    for (let round = 0; round < 3; round++) {
      await client.send(text);
      const answer = await client.answer();
      assert.equal(header(answer, "connection"), "keep-alive");
      assert.equal(answer.body.length, 7);
    }
    client.close();
  });

  test("a client that has finished sending still gets its answer", async () => {
    const client = await RawClient.connect(server.port);
    await client.send(request("GET /slow/100"));
    client.endSending();
    assert.equal((await client.answer()).body.toString(), "slow");
    assert.equal(await client.ended(), "end");
    client.close();
  });
});
