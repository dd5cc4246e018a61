// The helpers judge everything else, so they are judged first: a strict reader that lets something
// through would make other tests pass for the wrong reason.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { header, readAnswer } from "./answer.ts";
import { runProcess, TestProcess } from "./process.ts";
import { Random, withRandom } from "./random.ts";
import { cutsOf, exchange, RawClient, request } from "./raw-client.ts";
import { type Echo, sha256, sizedBytes, startHeadScript, startUpstream } from "./upstreams.ts";

const OK = "HTTP/1.1 200 OK\r\n";

function read(text: string, method = "GET", ended = false): ReturnType<typeof readAnswer> {
  return readAnswer(Buffer.from(text, "latin1"), method, ended);
}

describe("the strict reader", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n"],
    ["a missing reason's space", "HTTP/1.1 200\r\n\r\n"],
    ["a bare LF", `${OK}A: b\nContent-Length: 0\r\n\r\n`],
    ["a space before the colon", `${OK}A : b\r\nContent-Length: 0\r\n\r\n`],
    ["a NUL", `${OK}A: \0\r\nContent-Length: 0\r\n\r\n`],
    ["two lengths", `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`],
    ["length and chunks", `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a length with a sign", `${OK}Content-Length: +1\r\n\r\na`],
    ["a 204 with a length", "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n"],
    ["a chunk size with a space", `${OK}Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n`],
    ["a chunk without its CRLF", `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`],
  ];
  for (const [name, text] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(() => read(text, "GET", true));
    });
  }

  test("reads lengths, chunks with trailers, interim answers, and content up to the end", () => {
    const plain = read(`${OK}Content-Length: 3\r\n\r\nabcNEXT`);
    assert.deepEqual([plain?.answer.body.toString(), plain?.bytes], ["abc", 41]);
    const chunks = read(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n`);
    assert.deepEqual(chunks?.answer.trailers, [["x", "y"]]);
    const hints = read(`HTTP/1.1 103 Hints\r\n\r\n${OK}Content-Length: 0\r\n\r\n`);
    assert.deepEqual([hints?.answer.status, hints?.answer.interim.length], [200, 1]);
    const text = `${OK}\r\nabc`;
    assert.equal(read(text), undefined);
    assert.equal(read(text, "GET", true)?.answer.framing, "close");
    assert.equal(read(`${OK}Content-Length: 9\r\n\r\n`, "HEAD")?.answer.body.length, 0);
  });

  test("waits for every byte", () => {
    const text = `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n`;
    for (let length = 0; length < text.length; length++) {
      assert.equal(read(text.slice(0, length), "GET", true), undefined, `${length} bytes`);
    }
  });
});

describe("the raw client and the upstreams", () => {
  test("an echo and sized content, without a proxy between", async () => {
    const upstream = await startUpstream("direct");
    const text = request("POST /x", ["Content-Length: 5", "Connection: close"], "hello");
    const answer = await exchange(upstream.port, [...cutsOf(Buffer.from(text))].at(-1) ?? []);
    const echo = JSON.parse(answer.body.toString()) as Echo;
    assert.deepEqual([echo.server, echo.bodySha256], ["direct", sha256(Buffer.from("hello"))]);
    for (const target of ["/bytes/5000?seed=4", "/bytes/5000?seed=4&chunked"]) {
      const sized = await exchange(upstream.port, request(`GET ${target}`));
      assert.deepEqual(sized.body, Buffer.from(sizedBytes(5000, 4)));
    }
    assert.deepEqual([upstream.requests(), upstream.connections()], [3, 3]);
    await upstream.stop();
  });

  test("an end and a reset are told apart", async () => {
    const upstream = await startHeadScript(({ socket, index }) => {
      if (index === 0) socket.end("bye");
      else socket.resetAndDestroy();
    });
    for (const ending of ["end", "reset"]) {
      const client = await RawClient.connect(upstream.port);
      await client.send(request("GET /"));
      assert.equal(await client.ended(), ending);
      client.close();
    }
    await upstream.stop();
  });

  test("an answer that is cut off is an error", async () => {
    const upstream = await startHeadScript(({ socket }) => {
      socket.end(`${OK}Content-Length: 5\r\n\r\nhell`);
    });
    await assert.rejects(exchange(upstream.port, request("GET /")), /inside an answer/);
    await upstream.stop();
  });

  test("a repeated header is noticed", () => {
    const headers = [
      ["a", "1"],
      ["a", "2"],
    ] as const;
    assert.throws(() => header({ headers }, "A"), /repeated/);
  });

  test("cuts are complete", () => {
    const cuts = [...cutsOf(Buffer.from("abcd"))];
    assert.equal(cuts.length, 4);
    for (const cut of cuts) assert.equal(Buffer.concat(cut).toString(), "abcd");
  });
});

describe("randomness", () => {
  test("a seed is a sequence", () => {
    const draw = (seed: number) =>
      Array.from(
        { length: 5 },
        (
          (r) => () =>
            r.next()
        )(new Random(seed)),
      );
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
    assert.equal(new Random(1).bytes(7).length, 7);
  });

  test("a failure says how to replay it", async () => {
    await assert.rejects(
      withRandom(() => {
        throw new Error("found");
      }),
      /found\nreplay: SEED=0x[0-9a-f]+/,
    );
  });
});

describe("child processes", () => {
  test("their end and their output are known", async () => {
    const script =
      "process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 9); console.log('up')";
    const child = new TestProcess(process.execPath, ["-e", script]);
    await child.until("a line", () => (child.stdout.includes("up") ? true : undefined));
    assert.deepEqual(await child.stop("SIGTERM"), { code: 3, signal: null });
    const failed = await runProcess(process.execPath, ["-e", "process.exit(4)"]);
    assert.deepEqual([failed.ok, failed.code], [false, 4]);
    await assert.rejects(
      child.until("more", () => undefined),
      /the process ended without more/,
    );
  });
});
