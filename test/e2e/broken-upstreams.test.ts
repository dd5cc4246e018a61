// Upstreams that close at any byte, answer garbage, or never finish: the client gets a 502 while
// that is still possible, and otherwise a connection that ends before the answer is complete.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readAnswer } from "../lib/answer.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { withRandom } from "../lib/random.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import {
  type ScriptedConnection,
  sizedBytes,
  startHeadScript,
  startUpstream,
  type Upstream,
} from "../lib/upstreams.ts";

/** What the scripted upstream does with the next request. */
let script: (connection: ScriptedConnection) => void;
let scripted: Upstream;
let healthy: Upstream;
let server: TestServer;

before(async () => {
  scripted = await startHeadScript((connection) => script(connection));
  healthy = await startUpstream();
  const routes = [proxyRoute("/bad", scripted.url), proxyRoute("/good", healthy.url)];
  server = await startServer(serverSection() + routes.join("\n"));
});

after(async () => {
  await scripted.stop();
  await healthy.stop();
  await server.stop();
});

async function assertAlive(): Promise<void> {
  const answer = await exchange(server.port, request("GET /good/bytes/300?seed=4"));
  assert.deepEqual(answer.body, Buffer.from(sizedBytes(300, 4)));
}

function answerWith(text: string | Uint8Array, then: "keep" | "end" | "reset"): void {
  script = ({ socket }) => {
    const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
    if (bytes.length === 0) finish();
    else socket.write(bytes, finish);
    function finish(): void {
      if (then === "end") socket.end();
      if (then === "reset") socket.resetAndDestroy();
    }
  };
}

const HEAD = "HTTP/1.1 200 OK\r\nX-A: b\r\n";
const COMPLETE: readonly (readonly [string, string, string])[] = [
  ["a length", `${HEAD}Content-Length: 11\r\n\r\n`, "hello world"],
  ["chunks", `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"],
];

describe("an upstream that closes at any byte", () => {
  for (const [name, head, body] of COMPLETE) {
    for (const way of ["end", "reset"] as const) {
      test(`${name}, by ${way}`, async () => {
        const whole = head + body;
        for (let length = 0; length <= whole.length; length++) {
          answerWith(whole.slice(0, length), way);
          const client = await RawClient.connect(server.port);
          await client.send(request("GET /bad"));
          const where = `closed after byte ${length}`;
          if (length < head.length) {
            // A reset may overtake bytes that were sent before it; the status is 502 all the same.
            assert.equal((await client.answer()).status, 502, where);
          } else if (length === whole.length && way === "end") {
            assert.equal((await client.answer()).body.toString(), "hello world", where);
          } else if (length < whole.length) {
            await client.ended();
            assertIncomplete(client.pending, where);
          }
          client.close();
        }
        await assertAlive();
      });
    }
  }
});

/** Nothing, a 502 (a reset can drop what was sent before it), or an answer without its end. */
function assertIncomplete(bytes: Buffer, where: string): void {
  if (bytes.length === 0) return;
  const parsed = readAnswer(bytes, "GET", true);
  if (parsed !== undefined) assert.equal(parsed.answer.status, 502, where);
}

const OK = "HTTP/1.1 200 OK\r\n";
const GARBAGE: readonly (readonly [string, string])[] = [
  ["no HTTP at all", "hello, I am not a web server\r\n\r\n"],
  ["an empty line first", "\r\n\r\n"],
  ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
  ["HTTP/2", "HTTP/2 200\r\nContent-Length: 0\r\n\r\n"],
  ["a lower-case protocol", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of letters", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status below 100", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  ["a NUL in a value", `${OK}X: a\0b\r\nContent-Length: 0\r\n\r\n`],
  ["a bare CR in a value", `${OK}X: a\rb\r\nContent-Length: 0\r\n\r\n`],
  ["a space before the colon", `${OK}X : a\r\nContent-Length: 0\r\n\r\n`],
  ["a folded field", `${OK}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
  ["a field without a colon", `${OK}NoColon\r\nContent-Length: 0\r\n\r\n`],
  ["a negative length", `${OK}Content-Length: -1\r\n\r\n`],
  ["a list of lengths", `${OK}Content-Length: 5, 6\r\n\r\nhello`],
  ["differing lengths", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
  ["a length and chunks", `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["an unknown coding", `${OK}Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n`],
  ["a switch of protocols nobody asked for", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"],
  ["an endless head", `${OK}X: ${"y".repeat(300_000)}\r\n\r\n`],
  ["an endless list of fields", `${OK}${"X: y\r\n".repeat(60_000)}\r\n`],
];

describe("an upstream that answers garbage", () => {
  for (const [name, text] of GARBAGE) {
    test(`502: ${name}`, async () => {
      answerWith(text, "keep");
      const client = await RawClient.connect(server.port);
      await client.send(request("GET /bad") + request("GET /good/bytes/5"));
      const answer = await client.answer();
      assert.equal(answer.status, 502);
      assert.doesNotMatch(answer.body.toString(), /127\.0\.0\.1/);
      assert.equal((await client.answer()).body.length, 5, "the client's connection goes on");
      client.close();
    });
  }

  test("502: no end of interim answers; as many as may be sensible pass", async () => {
    const early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const final = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for (const [count, status] of [
      [32, 200],
      [33, 502],
    ] as const) {
      answerWith(early.repeat(count) + final, "keep");
      const answer = await exchange(server.port, request("GET /bad"));
      assert.deepEqual([answer.status, answer.interim.length], [status, 32]);
    }
  });

  const badChunks: readonly (readonly [string, string])[] = [
    ["no number", "xyz\r\nhello\r\n0\r\n\r\n"],
    ["too short a size", "4\r\nhello\r\n0\r\n\r\n"],
    ["a bare LF", "5\nhello\n0\n\n"],
    ["a huge size", "fffffffffffffffff\r\nhello"],
  ];
  for (const [name, body] of badChunks) {
    test(`the connection ends: chunks with ${name}`, async () => {
      const start = `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`;
      let goOn = () => {};
      script = ({ socket }) => {
        socket.write(start);
        goOn = () => socket.write(body);
      };
      const client = await RawClient.connect(server.port);
      await client.send(request("GET /bad"));
      while (!client.pending.includes("ok\r\n")) await client.received(client.pending.length + 1);
      goOn();
      await client.ended();
      assert.equal(readAnswer(client.pending, "GET", true), undefined, "no end of the answer");
      client.close();
      await assertAlive();
    });
  }

  for (const [name, body] of badChunks) {
    test(`502 or an end: chunks with ${name} right behind the head`, async () => {
      answerWith(`${OK}Transfer-Encoding: chunked\r\n\r\n${body}`, "keep");
      const client = await RawClient.connect(server.port);
      await client.send(request("GET /bad", ["Connection: close"]));
      await client.ended();
      assertIncomplete(client.pending, name);
      client.close();
    });
  }

  test("bytes after a complete answer are never taken for the next one", async () => {
    const extra = `${OK}Content-Length: 6\r\n\r\nforged`;
    answerWith(`${OK}Content-Length: 5\r\n\r\nhello${extra}`, "keep");
    for (let round = 0; round < 5; round++) {
      const answer = await exchange(server.port, request("GET /bad"));
      assert.equal(answer.body.toString(), "hello");
    }
  });

  test("random bytes", async () => {
    await withRandom(async (random) => {
      for (let round = 0; round < 60; round++) {
        answerWith(random.bytes(random.between(4, 3000)), random.pick(["end", "reset"] as const));
        assert.equal((await exchange(server.port, request("GET /bad"))).status, 502);
      }
    });
    await assertAlive();
  });

  test("a good answer with one byte changed", async () => {
    await withRandom(async (random) => {
      for (let round = 0; round < 200; round++) {
        const [, head, body] = random.pick(COMPLETE);
        const bytes = Buffer.from(head + body);
        bytes[random.below(bytes.length)] = random.below(256);
        answerWith(bytes, "end");
        const client = await RawClient.connect(server.port);
        await client.send(request("GET /bad", ["Connection: close"]));
        await client.ended();
        client.close();
      }
    });
    await assertAlive();
  });
});

describe("an upstream that closes its idle connections", () => {
  test("a request on a connection that has just been closed is retried on a fresh one", async () => {
    script = ({ socket }) => {
      socket.write(`${OK}Content-Length: 2\r\n\r\nok`, () => socket.end());
    };
    for (let round = 0; round < 200; round++) {
      const answer = await exchange(server.port, request("GET /bad"));
      assert.equal(answer.status, 200, `round ${round}`);
    }
  });

  test("a reused connection that dies before its answer costs the client nothing", async () => {
    // Every connection serves one request and dies at the second.
    const served = new WeakSet<object>();
    script = ({ socket }) => {
      if (served.has(socket)) {
        socket.resetAndDestroy();
        return;
      }
      served.add(socket);
      socket.write(`${OK}Content-Length: 2\r\n\r\nok`);
    };
    for (let round = 0; round < 50; round++) {
      const answer = await exchange(server.port, request("GET /bad"));
      assert.equal(answer.status, 200, `round ${round}`);
    }
  });

  test("a POST that may have been processed is not sent twice", async () => {
    const served = new WeakSet<object>();
    let posts = 0;
    script = ({ socket }) => {
      if (served.has(socket)) {
        posts++;
        socket.resetAndDestroy();
        return;
      }
      served.add(socket);
      socket.write(`${OK}Content-Length: 2\r\n\r\nok`);
    };
    assert.equal((await exchange(server.port, request("GET /bad"))).status, 200);
    const post = request("POST /bad", ["Content-Length: 4"], "once");
    assert.equal((await exchange(server.port, post)).status, 502);
    assert.equal(posts, 1);
  });
});
