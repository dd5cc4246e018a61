// Who may use a route: addresses of clients, and what a refused client hears.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Answer, header } from "../lib/answer.ts";
import { fileRoute, proxyRoute } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { type Echo, startUpstream, type Upstream } from "../lib/upstreams.ts";

let upstream: Upstream;
let server: TestServer;

before(async () => {
  upstream = await startUpstream();
  // "[::]" takes IPv4 as well, under IPv4-mapped addresses.
  const section = '[server]\nlisten = ["127.0.0.1:0", "[::]:0"]\nthreads = 1\n';
  const allowed = 'allowed_ips = ["127.0.0.0/30", "2001:db8::/32"]';
  const denied = 'denied_ips = ["127.0.0.2"]';
  const methods = 'allowed_methods = ["GET"]';
  const small = ["max_request_body_size = 10"];
  const elsewhere = `[[path_routes."*"."/odd".when]]
name = "api"
if = 'header("x-api")'
type = "Proxy"
url = "${upstream.url}"`;
  const routes = [
    proxyRoute("/", upstream.url),
    proxyRoute("/rules", upstream.url, [allowed, denied, methods, ...small]),
    proxyRoute("/denied", upstream.url, [denied]),
    fileRoute("/file", "site", [], [allowed, ...small]),
    fileRoute("/odd", "site", [elsewhere], ['allowed_methods = ["GET", "POST"]', ...small]),
  ];
  const prepare = (folder: string): void => {
    mkdirSync(join(folder, "site"));
    writeFileSync(join(folder, "site/index.html"), "home");
  };
  server = await startServer(section + routes.join("\n"), { listeners: 2, prepare });
});

after(async () => {
  await upstream.stop();
  await server.stop();
});

/** The answer to one request from `from`, and whether the connection stays afterwards. */
async function ask(from: string, text: string, listener = 0): Promise<Answer> {
  const host = from.includes(":") ? "::1" : "127.0.0.1";
  const client = await RawClient.connect(server.ports[listener] ?? 0, host, from);
  try {
    await client.send(text);
    return await client.answer();
  } finally {
    client.close();
  }
}

async function statusOf(from: string, target: string, listener = 0): Promise<number> {
  return (await ask(from, request(`GET ${target}`), listener)).status;
}

describe("addresses", () => {
  for (const target of ["/rules", "/file"]) {
    test(`only listed clients may use ${target}`, async () => {
      assert.equal(await statusOf("127.0.0.1", target), 200);
      assert.equal(await statusOf("127.0.0.3", target), 200);
      assert.equal(await statusOf("127.0.0.4", target), 403);
      assert.equal(await statusOf("::1", target, 1), 403);
    });
  }

  test("what is denied is denied, allowed or not", async () => {
    assert.equal(await statusOf("127.0.0.2", "/rules"), 403);
    assert.equal(await statusOf("127.0.0.2", "/denied"), 403);
    assert.equal(await statusOf("127.0.0.1", "/denied"), 200);
    assert.equal(await statusOf("::1", "/denied", 1), 200);
  });

  test("an IPv4 client of an IPv6 listener is its IPv4 address", async () => {
    assert.equal(await statusOf("127.0.0.2", "/denied", 1), 403);
    assert.equal(await statusOf("127.0.0.3", "/rules", 1), 200);
    assert.equal(await statusOf("127.0.0.4", "/rules", 1), 403);
  });

  test("nobody is asked on a route without rules", async () => {
    assert.equal(await statusOf("127.0.0.2", "/"), 200);
    assert.equal(await statusOf("::1", "/", 1), 200);
  });

  test("X-Forwarded-For of a stranger changes nothing", async () => {
    const forged = request("GET /rules", ["X-Forwarded-For: 127.0.0.1"]);
    assert.equal((await ask("127.0.0.4", forged)).status, 403);
  });
});

describe("behind trusted proxies", () => {
  let inner: TestServer;
  let innerUpstream: Upstream;

  before(async () => {
    innerUpstream = await startUpstream();
    const { url } = innerUpstream;
    const section =
      '[server]\nlisten = "127.0.0.1:0"\nthreads = 1\ntrusted_proxies = ["127.0.0.2", "10.0.0.0/8"]\n';
    const rules = ['allowed_ips = ["127.0.0.1", "192.0.2.0/24", "2001:db8::/32"]'];
    const elsewhere = [
      '[[path_routes."*"."/page".when]]',
      'name = "api"\nif = \'header("x-api")\'\ntype = "Proxy"',
      `url = "${url}"\n`,
    ];
    const routes = [
      proxyRoute("/", url),
      proxyRoute("/rules", url, rules),
      fileRoute("/page", "page.txt", elsewhere),
    ];
    inner = await startServer(section + routes.join("\n"), {
      prepare: (folder) => writeFileSync(join(folder, "page.txt"), "a page"),
    });
  });

  after(async () => {
    await innerUpstream.stop();
    await inner.stop();
  });

  async function echoOf(from: string, fields: readonly string[], target = "/"): Promise<Echo> {
    const client = await RawClient.connect(inner.port, "127.0.0.1", from);
    await client.send(request(`GET ${target}`, fields));
    const answer = await client.answer();
    client.close();
    return JSON.parse(answer.body.toString()) as Echo;
  }

  async function statusFor(from: string, forwardedFor: string): Promise<number> {
    const client = await RawClient.connect(inner.port, "127.0.0.1", from);
    await client.send(request("GET /rules", [`X-Forwarded-For: ${forwardedFor}`]));
    const { status } = await client.answer();
    client.close();
    return status;
  }

  test("rules are about the client that a trusted proxy names", async () => {
    assert.equal(await statusFor("127.0.0.2", "192.0.2.7"), 200);
    assert.equal(await statusFor("127.0.0.2", "198.51.100.1, 2001:db8::1, 10.1.2.3"), 200);
    assert.equal(await statusFor("127.0.0.2", "192.0.2.7, 198.51.100.1"), 403);
    assert.equal(await statusFor("127.0.0.2", "192.0.2.7, unknown, 10.0.0.1"), 403);
    assert.equal(await statusFor("127.0.0.2", ""), 403);
  });

  test("a stranger is believed nothing", async () => {
    assert.equal(await statusFor("127.0.0.3", "192.0.2.7"), 403);
    assert.equal(await statusFor("127.0.0.1", "198.51.100.1"), 200);
  });

  test("what a trusted proxy says goes on, our peer appended", async () => {
    const said = [
      "Host: inner.test",
      "X-Forwarded-For: 192.0.2.7",
      "X-Forwarded-Proto: https",
      "X-Forwarded-For: 10.1.2.3,10.4.5.6",
      "X-Forwarded-Host: public.test",
    ];
    const { headers } = await echoOf("127.0.0.2", said);
    assert.equal(headers["x-forwarded-for"], "192.0.2.7, 10.1.2.3,10.4.5.6, 127.0.0.2");
    assert.equal(headers["x-forwarded-proto"], "https");
    assert.equal(headers["x-forwarded-host"], "public.test");
  });

  test("what it does not say is said by us", async () => {
    const { headers } = await echoOf("127.0.0.2", ["Host: inner.test"]);
    assert.equal(headers["x-forwarded-for"], "127.0.0.2");
    assert.equal(headers["x-forwarded-proto"], "http");
    assert.equal(headers["x-forwarded-host"], "inner.test");
  });

  test("what a stranger says is replaced", async () => {
    const said = ["Host: a", "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https"];
    const { headers } = await echoOf("127.0.0.1", said);
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-forwarded-proto"], "http");
  });

  test("who it was is asked for another target than the route's own", async () => {
    const said = ["Host: a", "X-API: 1", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"];
    for (const [from, target, forwardedFor, proto] of [
      ["127.0.0.2", "/page", "192.0.2.7, 127.0.0.2", "https"],
      ["127.0.0.2", "/", "192.0.2.7, 127.0.0.2", "https"],
      ["127.0.0.1", "/page", "127.0.0.1", "http"], // and not what the request before it was
    ] as const) {
      const { headers } = await echoOf(from, said, target);
      assert.equal(headers["x-forwarded-for"], forwardedFor);
      assert.equal(headers["x-forwarded-proto"], proto);
    }
  });
});

describe("the order of checks", () => {
  test("address before method, method before body", async () => {
    const post = request("POST /rules", ["Content-Length: 11"], "hello world");
    assert.equal((await ask("127.0.0.4", post)).status, 403);
    assert.equal((await ask("127.0.0.1", post)).status, 405);
    const get = request("GET /rules", ["Content-Length: 11"], "hello world");
    assert.equal((await ask("127.0.0.1", get)).status, 413);
  });

  test("likewise for files, which refuse methods by themselves", async () => {
    const body = ["Content-Length: 11"];
    const post = request("POST /file", body, "hello world");
    assert.equal((await ask("127.0.0.4", post)).status, 403);
    const refused = await ask("127.0.0.1", post);
    assert.equal(refused.status, 405);
    assert.equal(header(refused, "allow"), "GET, HEAD");
    const get = request("GET /file", body, "hello world");
    assert.equal((await ask("127.0.0.1", get)).status, 413);
  });

  test("and for files that are one target of several", async () => {
    const body = ["Content-Length: 11"];
    const text = "hello world";
    for (const [head, status, allow] of [
      [request("POST /odd", body, text), 405, "GET"], // allowed, but not for a file
      [request("PUT /odd", body, text), 405, "GET"],
      [request("GET /odd", body, text), 413, undefined],
      [request("POST /odd", [...body, "X-API: 1"], text), 413, undefined],
      [request("POST /odd", ["X-API: 1"]), 200, undefined],
    ] as const) {
      const answer = await ask("127.0.0.1", head);
      assert.equal(answer.status, status, head);
      assert.equal(header(answer, "allow"), allow, head);
    }
  });
});

test("a refused client keeps its connection", async () => {
  const client = await RawClient.connect(server.port, "127.0.0.1", "127.0.0.4");
  for (const [target, body, status] of [
    ["/rules", "", 403],
    ["/rules", "some body", 403],
    ["/", "", 200],
  ] as const) {
    const length = [`Content-Length: ${body.length}`];
    await client.send(request(`GET ${target}`, length, body));
    assert.equal((await client.answer()).status, status);
  }
  client.close();
});
