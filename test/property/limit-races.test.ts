// Limits that workers share, asked by several threads at once and as fast as they can.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { rateWords, releaseLocks } from "zproxy/runtime/data/rate-limiter.ts";
import type { LimitResult, LimitWork } from "../lib/limit-worker.ts";

/** Each is met by two threads that spin, so there are not too many. */
const RACES = 3_000;
const THREADS = 3;
const ROUNDS = 20_000;
/** Reached late in the run: of each address there are ROUNDS × THREADS / 4. */
const REQUESTS_MAX = 13_000;
const CONNECTIONS_MAX = 2;
const SECS = 1_790_000_000;
const LOCKED_BY = 9;

async function workerCode(): Promise<string> {
  const root = process.cwd();
  const result = await build({
    absWorkingDir: root,
    entryPoints: ["test/lib/limit-worker.ts"],
    bundle: true,
    write: false,
    format: "cjs",
    platform: "node",
    target: "node20",
    alias: { zproxy: root },
    define: { CHECKS: "true" },
    logLevel: "error",
  });
  return result.outputFiles[0]!.text;
}

async function resultOf(code: string, workerData: LimitWork): Promise<LimitResult> {
  const worker = new Worker(code, { eval: true, workerData });
  return new Promise((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  });
}

test("threads that race are granted exactly the limit", async () => {
  const words = rateWords(2, 7);
  const connectionCounts = new Int32Array(new SharedArrayBuffer(THREADS * 4));
  // Few enough for two buckets of eight, so that none is evicted.
  const addresses = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1"];
  const code = await workerCode();
  const ready = new Int32Array(new SharedArrayBuffer(4));
  const work = (owner: number): LimitWork => ({
    owner,
    ready,
    rateWords: words,
    connectionCounts,
    connectionsMax: CONNECTIONS_MAX,
    requestsMax: REQUESTS_MAX,
    secs: SECS,
    rounds: ROUNDS,
    addresses,
  });
  const owners = Array.from({ length: THREADS }, (_, owner) => owner);
  const results = await Promise.all(owners.map((owner) => resultOf(code, work(owner))));
  const granted = addresses.map((_, index) =>
    results.reduce((sum, result) => sum + result.granted[index]!, 0),
  );
  assert.deepEqual(
    granted,
    addresses.map(() => REQUESTS_MAX),
  );
  for (const { admitted, passed } of results) assert.ok(admitted > 0 && passed === 0);
  assert.deepEqual([...connectionCounts], [0, 0, 0], "every connection was given back");
});

test("a thread waits for the lock of one that died until it is opened", async () => {
  const words = rateWords(1, 7);
  words[1] = LOCKED_BY + 1;
  const connectionCounts = new Int32Array(new SharedArrayBuffer(4));
  const result = resultOf(await workerCode(), {
    owner: 0,
    ready: new Int32Array(new SharedArrayBuffer(4)),
    rateWords: words,
    connectionCounts,
    connectionsMax: 1,
    requestsMax: 5,
    secs: SECS,
    rounds: 8,
    addresses: ["10.0.0.1"],
  });
  const early = await Promise.race([result, new Promise((done) => setTimeout(done, 200))]);
  assert.equal(early, undefined, "nobody is let in past a lock");
  releaseLocks(words, LOCKED_BY);
  assert.deepEqual((await result).granted, [5]);
});

test("of threads that race for the last place one gets it, every time", async () => {
  const code = await workerCode();
  const threads = 2;
  const connectionCounts = new Int32Array(new SharedArrayBuffer(threads * 4));
  const shared = {
    ready: new Int32Array(new SharedArrayBuffer(4)),
    races: new Int32Array(new SharedArrayBuffer(4)),
    rateWords: rateWords(1, 7),
    connectionCounts,
    connectionsMax: 1,
    requestsMax: 1,
    secs: SECS,
    rounds: RACES,
    addresses: ["10.0.0.1"],
  };
  const owners = Array.from({ length: threads }, (_, owner) => owner);
  const results = await Promise.all(owners.map((owner) => resultOf(code, { ...shared, owner })));
  assert.equal(
    results.reduce((sum, { won }) => sum + won, 0),
    RACES,
  );
});
