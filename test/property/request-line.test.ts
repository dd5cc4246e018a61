// Lines of the access log: whatever bytes a record holds, they are one line of printable ASCII, and
// JSON that says the same.

import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import { RequestLines } from "zproxy/runtime/control/request-line.ts";
import { terminalLines } from "zproxy/runtime/control/terminal-line.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import {
  RECORD_MS,
  RECORD_SECS,
  REQUEST_BYTES,
  REQUEST_CLIENT,
  REQUEST_CLIENT_FAMILY,
  REQUEST_HOST_BYTES,
  REQUEST_ID_NUMBER,
  REQUEST_ID_PREFIX,
  REQUEST_METHOD_BYTES,
  REQUEST_PATH_BYTES,
  REQUEST_ROUTE,
  REQUEST_SERVER,
  REQUEST_STATUS,
  REQUEST_TEXT,
  REQUEST_TOTAL_US,
  REQUEST_UPSTREAM_US,
} from "zproxy/runtime/data/log-record.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 3000;
const ROUTE_KEY = 'path_routes."a"."/ü\\"';

const program = {
  routes: [{ kind: "proxy", key: ROUTE_KEY, upstream: 0 }],
  upstreams: [{ servers: [{ tls: false, host: "::1", port: 80 }] }],
} as unknown as Program;

function record(random: Random, texts: readonly Uint8Array[], groups: readonly number[]) {
  const memory = new ArrayBuffer(4096);
  const words = new Int32Array(memory);
  const doubles = new Float64Array(memory);
  const text = Buffer.from(memory);
  words[RECORD_SECS] = 4_000_000_000;
  words[RECORD_MS] = 7;
  words[REQUEST_ID_PREFIX] = -1;
  words[REQUEST_ID_NUMBER] = 10;
  words[REQUEST_CLIENT_FAMILY] = 6;
  for (const [index, group] of groups.entries()) {
    const at = REQUEST_CLIENT + (index >> 1);
    words[at] = index % 2 === 0 ? group << 16 : words[at]! | group;
  }
  words[REQUEST_ROUTE] = random.below(2) - 1;
  words[REQUEST_SERVER] = 0;
  words[REQUEST_STATUS] = 200;
  doubles[REQUEST_BYTES >> 1] = 2 ** 40;
  doubles[REQUEST_TOTAL_US >> 1] = 1234;
  doubles[REQUEST_UPSTREAM_US >> 1] = -1;
  let at = REQUEST_TEXT * 4;
  for (const [index, bytes] of texts.entries()) {
    words[[REQUEST_METHOD_BYTES, REQUEST_HOST_BYTES, REQUEST_PATH_BYTES][index]!] = bytes.length;
    text.set(bytes, at);
    at += bytes.length;
  }
  return { words, doubles, text };
}

test("whatever a client has sent", async () => {
  await withRandom((random) => {
    const lines = new RequestLines(program);
    for (let round = 0; round < ROUNDS; round++) {
      const texts = [4, 20, 200].map((length) => random.bytes(random.below(length)));
      const groups = Array.from({ length: 8 }, () => random.below(2) * random.below(0x10000));
      const memory = record(random, texts, groups);
      const line = lines.print(memory, 0);
      assert.match(line, /^[ -~]*(ü[ -~]*)?\n$/, "our own text may be more than ASCII");
      const entry = JSON.parse(line) as Record<string, unknown>;
      const latin1 = texts.map((bytes) => Buffer.from(bytes).toString("latin1"));
      assert.deepEqual([entry.method, entry.host, entry.path], latin1);
      assert.equal(entry.time, 4_000_000_000_007);
      assert.equal(entry.bytes, 2 ** 40);
      assert.equal(entry.duration_ms, 1.234);
      assert.equal(entry.upstream_ms, undefined);
      assert.equal(entry.id, "ffffffff0000000a");
      const routed = memory.words[REQUEST_ROUTE] === 0;
      assert.equal(entry.route, routed ? ROUTE_KEY : undefined);
      assert.equal(entry.upstream, routed ? "http://[::1]:80" : undefined);
      assert.ok(isIPv6(entry.client as string), String(entry.client));
      // The address as the URL parser prints it (RFC 5952).
      const full = groups.map((group) => group.toString(16)).join(":");
      assert.equal(`[${entry.client}]`, new URL(`http://[${full}]`).hostname);
      assert.match(terminalLines(line), /^[ -~]*\n$/, "nothing moves a terminal's cursor");
    }
  });
});
