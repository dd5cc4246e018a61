// Heads as they go on: what is written holds the fields it must and no others, is framed as it was,
// and fits into the room that is asked for.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyRouteSettings } from "zproxy/runtime/data/api.ts";
import { RequestHead } from "zproxy/runtime/data/http1-request.ts";
import { ResponseHead } from "zproxy/runtime/data/http1-response.ts";
import {
  REQUEST_HEAD_GROWTH,
  RESPONSE_HEAD_GROWTH,
  type ResponseDelivery,
  writeRequestHead,
  writeResponseHead,
} from "zproxy/runtime/data/proxy-head.ts";
import { ReplyWriter } from "zproxy/runtime/data/reply.ts";
import { Route } from "zproxy/runtime/data/route.ts";
import { Server, UpstreamGroup } from "zproxy/runtime/data/upstream-server.ts";
import { HeadWriter, mutatedHead } from "../lib/http1-texts.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { type ReferenceField, tokensOf, valuesOf } from "../lib/reference-head.ts";
import { type ReferenceRequest, referenceRequest } from "../lib/reference-request.ts";
import { type ReferenceResponse, referenceResponse } from "../lib/reference-response.ts";
import { SCRATCH_BYTES } from "../lib/scanned-heads.ts";

const HEADS = 12_000;
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATE_SECS = 784_111_777;
const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "te", "upgrade"];
const X_FORWARDED = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
const FORWARDED = ["host", "forwarded", ...X_FORWARDED];
/** Connection can't take these out: how a message is framed and routed is not up to a hop. */
const KEPT = ["content-length", "transfer-encoding", "expect", "host", "upgrade"];
type Pair = readonly [name: string, value: string];

const AGREED: Pair = ["Connection", "upgrade"];
/** More fields than a head may have, once ours are added. */
const FIELDS_MAX = 120;

/** The fields that go on: all but `leftOut` and what Connection names. */
function keptFields(fields: readonly ReferenceField[], leftOut: readonly string[]): Pair[] {
  const named = tokensOf(fields, "connection").filter((name) => !KEPT.includes(name));
  return fields
    .filter(({ name }) => ![...leftOut, ...named].includes(name.toLowerCase()))
    .map(({ name, value }) => [name, value]);
}

/** Fields that a stranger's request does not bring along, names of its spelling among them. */
function leftOutOf({ fields, wantsUpgrade, minorVersion }: ReferenceRequest): string[] {
  const lookalikes = fields
    .map(({ name }) => name.toLowerCase())
    .filter((name) => X_FORWARDED.includes(name.replaceAll("_", "-")));
  const expectation = minorVersion === 0 ? ["expect"] : [];
  return [...hopByHop(wantsUpgrade), ...FORWARDED, ...lookalikes, ...expectation];
}

/** The fields of a hop: with an upgrade, Upgrade goes on, and Connection is written anew. */
function hopByHop(upgrade: boolean): string[] {
  return HOP_BY_HOP.filter((name) => !upgrade || name !== "upgrade");
}

function pairsOf(fields: readonly ReferenceField[]): Pair[] {
  return fields.map(({ name, value }) => [name, value]);
}

function randomRoute(path: string, random: Random): Route {
  const boundaries = [0];
  for (let at = 1; at < path.length; at++) if (path[at] === "/") boundaries.push(at);
  if (!path.endsWith("/")) boundaries.push(path.length);
  const settings: ProxyRouteSettings = {
    kind: "proxy",
    key: "k",
    prefix: path.slice(0, random.pick(boundaries)),
    limits: {
      maxRequestBodySize: 1,
      maxChunkedBodySize: 1,
      maxRequestHeaderSize: 65536,
      clientHeaderTimeoutSecs: 1,
      clientBodyTimeoutSecs: 1,
      backendConnectTimeoutSecs: 1,
      maxIdleConnectionsPerHost: 1,
      idleConnectionTimeoutSecs: 1,
      rateLimitRequestsPerMin: 0,
    },
    upstream: 0,
    basePath: random.pick(["", "/app", `/${"b".repeat(100)}`]),
    ...(random.below(2) === 0 && { preserveHost: true }),
  };
  const authority = random.pick(["b.example:8080", "[::2]"]);
  const server = new Server(
    { tls: false, host: "b.example", port: 80, authority, weight: 1 },
    new Int32Array(32),
  );
  const group = new UpstreamGroup(
    { name: "g", algorithm: "round_robin" },
    [server],
    new Int32Array(1),
  );
  return new Route(settings, [group]);
}

/** Scans and rewrites a sound request head; returns what was written. */
function forwarded(text: string, route: Route, address: string, random: Random): string {
  const server = route.group!.servers[0]!;
  const scanScratch = text.length + SCRATCH_BYTES;
  const expected = referenceRequest(text) as ReferenceRequest;
  const texts = route.basePath.length + server.hostLine.length + address.length;
  const received = expected.end - /^(?:\r\n)*/.exec(text)![0].length;
  const room = received + expected.authority.length * 2 + texts + REQUEST_HEAD_GROWTH;
  const memory = PoisonedBytes.random(text, scanScratch + room, random);
  const head = new RequestHead(memory.bytes);
  head.scan(memory.start, memory.end, memory.scratch);
  const from = Buffer.from(`??${address}??`);
  const to = memory.scratch + scanScratch;
  const end = writeRequestHead(head, route, server, from, 2, address.length, to);
  memory.expectUntouched();
  return memory.text(to, end);
}

/** Asserts that a request went on as `route` wants it. */
function expectForwarded(text: string, random: Random): void {
  const sent = referenceRequest(text) as ReferenceRequest;
  const route = randomRoute(sent.path, random);
  const { preserveHost, prefixBytes } = route;
  const basePath = Buffer.from(route.basePath).toString();
  const address = random.pick(["127.0.0.1", "2001:db8:aaaa:bbbb:cccc:dddd:255.255.255.255", ""]);
  const written = forwarded(text, route, address, random);

  const line = written.slice(0, written.indexOf("\r\n"));
  const serverWide = sent.method === "OPTIONS" && /^http:\/\/[^/?]*$/i.test(sent.target);
  const path = serverWide ? "*" : `${basePath}${sent.path.slice(prefixBytes) || "/"}`;
  assert.equal(line, `${sent.method} ${path}${sent.query} HTTP/1.1`);
  const own = Buffer.from(route.group!.servers[0]!.hostLine)
    .toString()
    .slice("Host: ".length)
    .trim();
  const host = preserveHost && sent.authority !== "" ? sent.authority : own;
  const expected: Pair[] = [
    ["Host", host],
    ...keptFields(sent.fields, leftOutOf(sent)),
    ...(sent.wantsUpgrade ? [AGREED] : []),
    ["X-Forwarded-For", address],
    ["X-Forwarded-Proto", "http"],
    ...(sent.authority === "" ? [] : ([["X-Forwarded-Host", sent.authority]] as const)),
    ["Via", "1.1 zproxy"],
  ];
  if (sent.fields.length > FIELDS_MAX) return;
  const read = referenceRequest(written);
  assert.ok(typeof read !== "string", `${read}`);
  assert.equal(read.end, written.length);
  assert.deepEqual(pairsOf(read.fields), expected);
  assert.deepEqual([read.framing, read.contentLength], [sent.framing, sent.contentLength]);
  assert.deepEqual([read.path, read.query, read.refusal], [path, sent.query, 0]);
}

test("a request goes on with its fields, ours added and none of the hop's", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    let sound = 0;
    for (let index = 0; index < HEADS; index++) {
      const whole = writer.request();
      const text = random.below(2) === 0 ? whole : mutatedHead(whole, random);
      const head = referenceRequest(text);
      if (typeof head === "string" || head.refusal !== 0 || head.isAsterisk) continue;
      sound++;
      try {
        expectForwarded(text, random);
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${JSON.stringify(text)}`, { cause: error });
      }
    }
    assert.ok(sound > HEADS / 4, `${sound}`);
  });
});

/** A delivery that fits the answer: chunks are added and removed only where that is needed. */
function randomDelivery(head: ReferenceResponse, random: Random): ResponseDelivery {
  const minorVersion = random.below(2);
  const addChunks = head.framing === "close" && minorVersion === 1;
  const removeChunks = head.framing === "chunked" && minorVersion === 0;
  const endsByClose = removeChunks || (head.framing === "close" && !addChunks);
  return {
    addChunks,
    removeChunks,
    minorVersion,
    keepAlive: !endsByClose && random.below(2) === 0,
  };
}

function delivered(text: string, toHead: boolean, to: ResponseDelivery, random: Random): string {
  const { end } = referenceResponse(text, toHead) as ReferenceResponse;
  const memory = PoisonedBytes.random(text, end + RESPONSE_HEAD_GROWTH, random);
  const head = new ResponseHead(memory.bytes);
  head.scan(memory.start, memory.end, toHead);
  const replies = new ReplyWriter(memory.bytes, "00000000");
  replies.setClock(DATE_SECS);
  const writtenEnd = writeResponseHead(head, to, replies, memory.scratch);
  memory.expectUntouched();
  return memory.text(memory.scratch, writtenEnd);
}

/** What frames the answer for the client. */
function framingFor(head: ReferenceResponse, delivery: ResponseDelivery): string {
  if (delivery.addChunks) return "chunked";
  return delivery.removeChunks ? "close" : head.framing;
}

function expectDelivered(text: string, toHead: boolean, random: Random): void {
  const sent = referenceResponse(text, toHead) as ReferenceResponse;
  const delivery = randomDelivery(sent, random);
  const written = delivered(text, toHead, delivery, random);
  const unframed = sent.status < 200 || sent.status === 204;
  const leftOut = hopByHop(sent.status === 101);
  if (unframed) leftOut.push("content-length");
  if (unframed || delivery.minorVersion === 0) leftOut.push("transfer-encoding");
  const kept = keptFields(sent.fields, leftOut);
  const expected = [...kept];
  if (sent.status === 101) expected.push(AGREED);
  if (sent.status >= 200) {
    if (!kept.some(([name]) => name.toLowerCase() === "date")) expected.push(["Date", DATE]);
    expected.push(["Via", "1.1 zproxy"]);
    if (delivery.addChunks) expected.push(["Transfer-Encoding", "chunked"]);
    if (!delivery.keepAlive) expected.push(["Connection", "close"]);
    else if (delivery.minorVersion === 0) expected.push(["Connection", "keep-alive"]);
  }
  if (sent.fields.length > FIELDS_MAX) return;
  assert.ok(written.startsWith(`HTTP/1.1 ${sent.status} ${sent.reason}\r\n`), written);
  const read = referenceResponse(written, toHead);
  assert.ok(typeof read !== "string", `${read}`);
  assert.equal(read.end, written.length);
  assert.deepEqual(pairsOf(read.fields), expected);
  const noBody = toHead || unframed || sent.status === 304;
  assert.equal(read.framing, noBody ? "none" : framingFor(sent, delivery));
  if (!unframed) assert.equal(read.contentLength, sent.contentLength);
  if (sent.status >= 200) assert.equal(read.keepAlive, delivery.keepAlive);
  assert.ok(valuesOf(read.fields, "date").length > 0 || sent.status < 200);
}

test("an answer goes on with its fields, framed for its client", async () => {
  await withRandom((random) => {
    const writer = new HeadWriter(random);
    let sound = 0;
    for (let index = 0; index < HEADS; index++) {
      const whole = writer.response();
      const text = random.below(2) === 0 ? whole : mutatedHead(whole, random);
      const toHead = random.below(5) === 0;
      if (typeof referenceResponse(text, toHead) === "string") continue;
      sound++;
      try {
        expectDelivered(text, toHead, random);
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${JSON.stringify(text)}`, { cause: error });
      }
    }
    assert.ok(sound > HEADS / 4, `${sound}`);
  });
});
