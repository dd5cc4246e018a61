// Requests that have come through proxies: who the client is, and what goes on to the upstream,
// beside a reading of the same fields over strings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import { emit } from "zproxy/compiler/4-emit/emit.ts";
import { followForwardedFor } from "zproxy/runtime/data/forwarded-for.ts";
import { RequestHead } from "zproxy/runtime/data/http1-request.ts";
import { IpAddress } from "zproxy/runtime/data/ip-address.ts";
import { REQUEST_HEAD_GROWTH, writeRequestHead } from "zproxy/runtime/data/proxy-head.ts";
import { Route } from "zproxy/runtime/data/route.ts";
import type { Server } from "zproxy/runtime/data/upstream-server.ts";
import { Text } from "zproxy/runtime/data/words.ts";
import { loadProgram } from "../lib/generated-program.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";
import {
  randomAddress,
  randomBlock,
  referenceAddress,
  referenceClient,
} from "../lib/reference-address.ts";
import { valuesOf } from "../lib/reference-head.ts";
import { referenceRequest } from "../lib/reference-request.ts";
import { SCRATCH_BYTES } from "../lib/scanned-heads.ts";

const CONFIGS = 25;
const REQUESTS = 400;
const GARBAGE = ["unknown", "_hidden", "1.2.3", "10.0.0.1:80", "[::1]", "::1%lo", "a b", ";"];

function randomMember(random: Random): string {
  const kind = random.below(12);
  if (kind === 0) return "";
  return kind === 1 ? random.pick(GARBAGE) : randomAddress(random);
}

function randomValue(random: Random): string {
  const blank = (): string => random.pick(["", "", " ", "\t", "  "]);
  const members = Array.from({ length: random.below(4) }, () => randomMember(random));
  return members.map((member) => blank() + member + blank()).join(",");
}

function randomHead(random: Random): string {
  const fields = Array.from({ length: random.below(7) }, () =>
    random.pick([
      `X-Forwarded-For: ${randomValue(random)}`,
      `x-forwarded-for:${randomValue(random)}`,
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: public.example",
      "X-Other: 10.0.0.1",
      "Forwarded: for=10.0.0.1",
    ]),
  );
  return ["GET /a HTTP/1.1", "Host: inner", ...fields, "", ""].join("\r\n");
}

test("the client is the right-most address that is not trusted", () =>
  withRandom(async (random) => {
    let followed = 0;
    for (let config = 0; config < CONFIGS; config++) {
      const trusted = Array.from({ length: random.between(1, 8) }, () => randomBlock(random));
      const server = { listen: "[::]:80", trusted_proxies: trusted };
      const { isTrustedProxy } = (await loadProgram(emit(lower({ server })))).server;
      for (let index = 0; index < REQUESTS; index++) {
        const text = randomHead(random);
        const memory = PoisonedBytes.random(text, text.length + SCRATCH_BYTES, random);
        const head = new RequestHead(memory.bytes);
        assert.ok(head.scan(memory.start, memory.end, memory.scratch) > 0, text);
        const peerText = randomAddress(random);
        const client = new IpAddress();
        client.parse(Buffer.from(peerText), 0, peerText.length);
        if (isTrustedProxy!(client)) {
          followForwardedFor(memory.bytes, head.fields, isTrustedProxy!, client);
        }
        memory.expectUntouched();
        const request = referenceRequest(text);
        assert.ok(typeof request !== "string");
        const peer = referenceAddress(peerText)!;
        const forwardedFor = valuesOf(request.fields, "x-forwarded-for");
        const expected = new IpAddress();
        const address = referenceClient(peer, forwardedFor, trusted);
        const groups = address.toString(16).padStart(32, "0").match(/.{4}/g)!.join(":");
        assert.ok(expected.parse(Buffer.from(groups), 0, groups.length));
        assert.deepEqual(wordsOf(client), wordsOf(expected), `${peerText} ${trusted}\n${text}`);
        if (address !== peer) followed++;
      }
    }
    assert.ok(followed > CONFIGS, `${followed}`);
  }));

function wordsOf({ isIpv4, word0, word1, word2, word3 }: IpAddress): unknown[] {
  return [isIpv4, word0, word1, word2, word3];
}

/** All of a route that the head depends on is that it adds nothing. */
function someRoute(): Route {
  const limits = {
    maxRequestBodySize: 1,
    maxChunkedBodySize: 1,
    maxRequestHeaderSize: 65536,
    clientHeaderTimeoutSecs: 1,
    clientBodyTimeoutSecs: 1,
    backendConnectTimeoutSecs: 1,
    maxIdleConnectionsPerHost: 1,
    idleConnectionTimeoutSecs: 1,
    rateLimitRequestsPerMin: 0,
  };
  const mode = "sendfile";
  return new Route({ kind: "file", key: "k", prefix: "", limits, path: "/", mode, index: "" }, []);
}

test("what proxies say goes on, or is replaced", () =>
  withRandom((random) => {
    const route = someRoute();
    const hostLine = "Host: b.example\r\n";
    const server = {
      hostLine: Buffer.from(hostLine),
      versionHost: new Text(` HTTP/1.1\r\n${hostLine}`),
    } as unknown as Server;
    for (let index = 0; index < CONFIGS * REQUESTS; index++) {
      const text = randomHead(random);
      const peer = randomAddress(random);
      const scratch = text.length + SCRATCH_BYTES;
      const texts = server.hostLine.length + peer.length + "inner".length * 2;
      const room = text.length + texts + REQUEST_HEAD_GROWTH;
      const memory = PoisonedBytes.random(text, scratch + room, random);
      const head = new RequestHead(memory.bytes);
      head.scan(memory.start, memory.end, memory.scratch);
      head.isForwarded = random.below(2) === 0;
      const to = memory.scratch + scratch;
      const end = writeRequestHead(head, route, server, Buffer.from(peer), 0, peer.length, to);
      memory.expectUntouched();
      const [sent, written] = [referenceRequest(text), referenceRequest(memory.text(to, end))];
      assert.ok(typeof sent !== "string" && typeof written !== "string", text);
      const said = (name: string): string[] =>
        head.isForwarded ? valuesOf(sent.fields, name).filter((value) => value !== "") : [];
      const got = (name: string): string[] => valuesOf(written.fields, name);
      const orOurs = (values: string[], ours: string) => (values.length > 0 ? values : [ours]);
      const context = `forwarded: ${head.isForwarded}\n${text}`;
      const hops = [...said("x-forwarded-for"), peer].join(", ");
      assert.deepEqual(got("x-forwarded-for"), [hops], context);
      assert.deepEqual(
        got("x-forwarded-proto"),
        orOurs(said("x-forwarded-proto"), "http"),
        context,
      );
      assert.deepEqual(got("x-forwarded-host"), orOurs(said("x-forwarded-host"), "inner"), context);
      assert.deepEqual(got("x-other"), valuesOf(sent.fields, "x-other"), context);
    }
  }));
