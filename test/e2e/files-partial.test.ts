// Validators, conditions and ranges of files on real sockets, in both modes.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Answer, header } from "../lib/answer.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { runProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes } from "../lib/upstreams.ts";

const MODIFIED = Date.UTC(2024, 1, 29, 12, 34, 56) / 1000;
const LAST_MODIFIED = "Thu, 29 Feb 2024 12:34:56 GMT";
const BEFORE = "Thu, 29 Feb 2024 12:34:55 GMT";
const SMALL = "0123456789";
/** Just above what is read, and large enough to need several calls of sendfile. */
const FILES: Readonly<Record<string, Buffer>> = {
  "small.txt": Buffer.from(SMALL),
  "medium.bin": Buffer.from(sizedBytes(40_000, 3)),
  "big.bin": Buffer.from(sizedBytes(3_000_001, 7)),
  "empty.txt": Buffer.alloc(0),
};

interface Part {
  readonly range: string;
  readonly body: Buffer;
}

/** Reads multipart/byteranges strictly: every part has a type and a Content-Range. */
function partsOf(answer: Answer): Part[] {
  const type = header(answer, "content-type") ?? "";
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(type)?.[1];
  assert.ok(boundary !== undefined, type);
  const parts: Part[] = [];
  const { body } = answer;
  let at = 0;
  for (;;) {
    const delimiter = Buffer.from(`\r\n--${boundary}`);
    assert.ok(body.subarray(at, at + delimiter.length).equals(delimiter), `no delimiter at ${at}`);
    at += delimiter.length;
    if (body.subarray(at).toString("latin1") === "--\r\n") return parts;
    const headEnd = body.indexOf("\r\n\r\n", at);
    const head = body.subarray(at, headEnd).toString("latin1");
    const match = /^\r\nContent-Type: \S.*\r\nContent-Range: bytes ((\d+)-(\d+)\/\d+)$/.exec(head);
    assert.ok(match !== null, head);
    at = headEnd + 4;
    const length = Number(match[3]) - Number(match[2]) + 1;
    parts.push({ range: match[1] as string, body: body.subarray(at, at + length) });
    at += length;
  }
}

for (const mode of ["sendfile", "memory"]) {
  describe(`parts of files, mode ${mode}`, () => {
    let folder: string;
    let server: TestServer;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
      mkdirSync(join(folder, "site"));
      for (const [name, content] of Object.entries(FILES)) {
        writeFileSync(join(folder, "site", name), content);
        utimesSync(join(folder, "site", name), MODIFIED, MODIFIED);
      }
      const route = fileRoute("/", join(folder, "site"), [`mode = "${mode}"`]);
      server = await startServer(serverSection() + route);
    });

    after(async () => {
      await server.stop();
      rmSync(folder, { recursive: true });
    });

    const get = (target: string, fields: readonly string[] = [], method = "GET") =>
      exchange(server.port, request(`${method} ${target}`, fields));
    const tagOf = async (target: string): Promise<string> =>
      header(await get(target), "etag") as string;

    test("a file has its validators", async () => {
      for (const [name, content] of Object.entries(FILES)) {
        for (const method of ["GET", "HEAD"]) {
          const answer = await get(`/${name}`, [], method);
          assert.equal(answer.status, 200);
          assert.equal(header(answer, "last-modified"), LAST_MODIFIED);
          assert.match(header(answer, "etag") ?? "", /^"[0-9a-f]+-0-[0-9a-f]+"$/);
          assert.equal(header(answer, "accept-ranges"), "bytes");
          assert.equal(header(answer, "content-length"), String(content.length));
        }
      }
      const tags = new Set(await Promise.all(Object.keys(FILES).map((name) => tagOf(`/${name}`))));
      assert.equal(tags.size, Object.keys(FILES).length);
    });

    const conditions: readonly (readonly [string, readonly string[], number])[] = [
      ["its tag", ["If-None-Match: TAG"], 304],
      ["its tag, weak", ["If-None-Match: W/TAG"], 304],
      ["a list with its tag", ['If-None-Match: "a,b", W/"c" ,TAG'], 304],
      ["two fields, the second with its tag", ['If-None-Match: "a"', "If-None-Match: TAG"], 304],
      ["any", ["If-None-Match: *"], 304],
      ["another tag", ['If-None-Match: "a"'], 200],
      [
        "another tag and its date",
        ['If-None-Match: "a"', `If-Modified-Since: ${LAST_MODIFIED}`],
        200,
      ],
      ["its date", [`If-Modified-Since: ${LAST_MODIFIED}`], 304],
      ["its date as of old", ["If-Modified-Since: Thursday, 29-Feb-24 12:34:56 GMT"], 304],
      ["its date by asctime", ["If-Modified-Since: Thu Feb 29 12:34:56 2024"], 304],
      ["a date before", [`If-Modified-Since: ${BEFORE}`], 200],
      ["no date", ["If-Modified-Since: yesterday"], 200],
      ["its tag wanted", ["If-Match: TAG"], 200],
      ["its tag wanted, weak", ["If-Match: W/TAG"], 412],
      ["any wanted", ["If-Match: *"], 200],
      ["another tag wanted", ['If-Match: "a"'], 412],
      ["unmodified since", [`If-Unmodified-Since: ${LAST_MODIFIED}`], 200],
      ["modified since", [`If-Unmodified-Since: ${BEFORE}`], 412],
      ["tag wanted before date", ["If-Match: TAG", `If-Unmodified-Since: ${BEFORE}`], 200],
      ["wanted, but known", ["If-Match: TAG", "If-None-Match: TAG"], 304],
      ["known, in part", ["If-None-Match: TAG", "Range: bytes=0-1"], 304],
      ["not wanted, in part", ['If-Match: "a"', "Range: bytes=0-1"], 412],
    ];
    for (const [name, fields, status] of conditions) {
      test(`${name}: ${status}`, async () => {
        for (const [target, content] of [
          ["/small.txt", FILES["small.txt"]],
          ["/big.bin", FILES["big.bin"]],
        ] as const) {
          const tag = await tagOf(target);
          const sent = fields.map((field) => field.replace("TAG", tag));
          const client = await RawClient.connect(server.port);
          await client.send(request(`GET ${target}`, sent) + request(`HEAD ${target}`, sent));
          const answer = await client.answer();
          assert.equal(answer.status, status);
          assert.equal((await client.answer("HEAD")).status, status);
          client.close();
          if (status === 200) assert.ok(answer.body.equals(content as Buffer));
          if (status !== 304) continue;
          assert.equal(answer.body.length, 0);
          assert.equal(header(answer, "etag"), tag);
          assert.equal(header(answer, "content-length"), undefined);
        }
      });
    }

    test("conditions of what is not there change nothing", async () => {
      assert.equal((await get("/none", ["If-None-Match: *"])).status, 404);
      assert.equal((await get("/none", ["If-Match: *", "Range: bytes=0-1"])).status, 404);
    });

    const ranges: readonly (readonly [string, number, number])[] = [
      ["0-0", 0, 1],
      ["2-4", 2, 5],
      ["5-", 5, Number.POSITIVE_INFINITY],
      ["9-99999999999999999999999", 9, Number.POSITIVE_INFINITY],
      ["-3", -3, Number.POSITIVE_INFINITY],
      ["-99999999", 0, Number.POSITIVE_INFINITY],
      ["99999999999-, 1-2", 1, 3],
    ];
    for (const [spec, from, to] of ranges) {
      test(`bytes=${spec} is a part`, async () => {
        for (const name of ["small.txt", "medium.bin", "big.bin"]) {
          const content = FILES[name] as Buffer;
          const answer = await get(`/${name}`, [`Range: bytes=${spec}`]);
          const expected = content.subarray(from, Math.min(to, content.length));
          const start = from < 0 ? content.length + from : from;
          assert.equal(answer.status, 206);
          assert.ok(answer.body.equals(expected));
          const range = `bytes ${start}-${start + expected.length - 1}/${content.length}`;
          assert.equal(header(answer, "content-range"), range);
          assert.equal(header(answer, "accept-ranges"), "bytes");
          assert.equal(header(answer, "last-modified"), LAST_MODIFIED);
        }
      });
    }

    for (const spec of ["bytes=10000000-", "bytes=-0", "bytes=10000000-,20000000-30000000"]) {
      test(`${spec} is 416, and the connection goes on`, async () => {
        const client = await RawClient.connect(server.port);
        for (const [name, content] of Object.entries(FILES)) {
          await client.send(request(`GET /${name}`, [`Range: ${spec}`]));
          const answer = await client.answer();
          assert.equal(answer.status, 416);
          assert.equal(header(answer, "content-range"), `bytes */${content.length}`);
          assert.equal(header(answer, "accept-ranges"), "bytes");
        }
        client.close();
      });
    }

    for (const spec of ["lines=0-1", "bytes=4-2", "bytes=", "bytes=a-b", "bytes=0-5,3-7", "0-1"]) {
      test(`${spec} is ignored`, async () => {
        const answer = await get("/small.txt", [`Range: ${spec}`]);
        assert.equal(answer.status, 200);
        assert.equal(answer.body.toString(), SMALL);
      });
    }

    test("HEAD knows no ranges, an empty file no suffix", async () => {
      assert.equal((await get("/small.txt", ["Range: bytes=0-1"], "HEAD")).status, 200);
      assert.equal((await get("/empty.txt", ["Range: bytes=-5"])).status, 200);
    });

    test("several ranges are several parts, and the next answer follows", async () => {
      for (const name of ["small.txt", "medium.bin", "big.bin"]) {
        const content = FILES[name] as Buffer;
        const { length } = content;
        const client = await RawClient.connect(server.port);
        const asked = request(`GET /${name}`, [`Range: bytes=-2, 0-0,3-5, ${length}-`]);
        await client.send(asked + request("GET /small.txt") + asked);
        for (const round of [0, 1]) {
          const answer = await client.answer();
          assert.equal(answer.status, 206);
          const parts = partsOf(answer);
          assert.deepEqual(
            parts.map(({ range }) => range),
            [`${length - 2}-${length - 1}`, "0-0", "3-5"].map((range) => `${range}/${length}`),
          );
          assert.ok(parts[0]?.body.equals(content.subarray(-2)));
          assert.ok(parts[2]?.body.equals(content.subarray(3, 6)));
          if (round === 0) assert.equal((await client.answer()).body.toString(), SMALL);
        }
        client.close();
      }
    });

    test("large parts and many parts are complete", async () => {
      const content = FILES["big.bin"] as Buffer;
      const specs = Array.from(
        { length: 16 },
        (_, at) => `${at * 180_000}-${at * 180_000 + 150_000}`,
      );
      const answer = await get("/big.bin", [`Range: bytes=${specs.join(",")}`]);
      const parts = partsOf(answer);
      assert.equal(parts.length, 16);
      for (const [at, { body }] of parts.entries())
        assert.ok(body.equals(content.subarray(at * 180_000, at * 180_000 + 150_001)));
      const more = await get("/big.bin", [`Range: bytes=${specs.join(",")},2999999-`]);
      assert.equal(more.status, 200);
      assert.ok(more.body.equals(content));
    });

    const ifRanges: readonly (readonly [string, number])[] = [
      ["TAG", 206],
      ["W/TAG", 200],
      ['"a"', 200],
      [LAST_MODIFIED, 206],
      [BEFORE, 200],
      ["Fri, 01 Mar 2030 00:00:00 GMT", 200],
      ["soon", 200],
    ];
    for (const [value, status] of ifRanges) {
      test(`If-Range: ${value} is ${status}`, async () => {
        const field = `If-Range: ${value.replace("TAG", await tagOf("/small.txt"))}`;
        const answer = await get("/small.txt", [field, "Range: bytes=1-2"]);
        assert.equal(answer.status, status);
        assert.equal(answer.body.toString(), status === 206 ? "12" : SMALL);
      });
    }

    test("curl goes on where it stopped, and asks only for news", async () => {
      const target = join(folder, `copy-${mode}`);
      const content = FILES["big.bin"] as Buffer;
      writeFileSync(target, content.subarray(0, 1_234_567));
      const url = `${server.url}/big.bin`;
      const resumed = await runProcess("curl", ["-sS", "-f", "-C", "-", "-o", target, url]);
      assert.ok(resumed.ok, resumed.stderr);
      const same = await runProcess("cmp", [target, join(folder, "site/big.bin")]);
      assert.ok(same.ok, same.stdout);
      const news = await runProcess("curl", [
        "-sS",
        "-z",
        LAST_MODIFIED,
        "-w",
        "%{http_code}",
        url,
      ]);
      assert.equal(news.stdout, "304");
    });

    test("a client that leaves between parts does no harm", async () => {
      for (const reset of [false, true]) {
        const client = await RawClient.connect(server.port);
        await client.send(request("GET /big.bin", ["Range: bytes=0-1400000,1500000-"]));
        await client.received(1000);
        client.close(reset);
      }
      assert.equal((await get("/small.txt")).body.toString(), SMALL);
    });
  });
}
