// A worker that dies leaves nothing open: neither what it entered in the owner table nor what only
// its ring knows. Counted in /proc/self/fd and by the peers.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as abi from "../../native/abi.ts";
import {
  ADDON_PATH,
  Arena,
  addon,
  connectedPair,
  ENGINE,
  succeed,
  TestRing,
  withOwner,
} from "./test-ring.ts";

const OWNER = 60;
const ACCEPT_COUNT = 9;
const READ_COUNT = 4;
/** What the worker opens beside connections: a socket and an eventfd. */
const EXTRA_COUNT = 2;

const COUNTED = /^(socket|anon_inode:\[(io_uring|eventpoll|eventfd)\])/;
/** The descriptor of a ring. */
const RING = ENGINE === abi.ENGINE_EPOLL ? /eventpoll/ : /io_uring/;

/** What the open descriptors are, sorted, for example "anon_inode:[io_uring]". */
function descriptorsLike(pattern: RegExp): string[] {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // the descriptor that read the directory
    }
  });
  return links.filter((link) => pattern.test(link)).sort();
}

/** Connects `count` times; returns what resolves when the peer has closed each connection. */
async function connectMany(port: number, count: number): Promise<Promise<unknown>[]> {
  const ends: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    ends.push(new Promise((resolve) => socket.resume().on("close", resolve)));
    await once(socket, "connect");
  }
  return ends;
}

/** Starts the worker, connects to it, and waits until it is dead; returns the connections' ends. */
async function dieWithConnections(listener: number): Promise<Promise<unknown>[]> {
  const worker = new Worker("./test/native/dying-worker.mjs", {
    workerData: {
      addonPath: ADDON_PATH,
      engine: ENGINE,
      owner: OWNER,
      listener,
      acceptCount: ACCEPT_COUNT,
      readCount: READ_COUNT,
      abi: { ...abi },
    },
  });
  let cause = "";
  worker.on("error", (error: Error) => {
    cause = error.message;
  });
  const exited = new Promise((resolve) => worker.on("exit", resolve));
  await new Promise((resolve) => worker.on("message", resolve));
  const ends = await connectMany(succeed(addon.localPort(listener)), ACCEPT_COUNT);
  await exited;
  assert.equal(cause, "the worker dies as planned");
  return ends;
}

test("releasing a dead worker closes read, unread and half-closed connections once", async () => {
  const listener = succeed(addon.listen("127.0.0.1", 0, 64));
  const ringsBefore = descriptorsLike(RING).length;
  const ends = await dieWithConnections(listener);
  assert.equal(descriptorsLike(RING).length, ringsBefore + 1, "its ring is still there");

  const before = addon.openFileCount();
  assert.equal(addon.releaseOwner(OWNER), ACCEPT_COUNT + EXTRA_COUNT);
  assert.equal(addon.openFileCount(), before - ACCEPT_COUNT - EXTRA_COUNT - 1);
  assert.equal(descriptorsLike(RING).length, ringsBefore);
  await Promise.all(ends);
  assert.ok(!addon.owners().includes(OWNER + 1));
  assert.equal(addon.releaseOwner(OWNER), 0);
  succeed(addon.close(listener));
});

test("twenty workers that die leave as many descriptors as before", async () => {
  const listener = succeed(addon.listen("127.0.0.1", 0, 64));
  const before = descriptorsLike(COUNTED);
  for (let i = 0; i < 20; i++) {
    const ends = await dieWithConnections(listener);
    assert.equal(addon.releaseOwner(OWNER), ACCEPT_COUNT + EXTRA_COUNT);
    await Promise.all(ends);
  }
  assert.deepEqual(descriptorsLike(COUNTED), before);
  succeed(addon.close(listener));
});

test("a descriptor that another owner has entered is not closed with an unread completion", () => {
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 4096);
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const other = OWNER + 1;
    // Both numbers have passed to another worker; the ring still speaks of them.
    addon.owners()[client] = other + 1;
    addon.owners()[server] = other + 1;
    ring.push({ opcode: abi.IORING_OP_CLOSE, fd: client, slot: 1 });
    assert.equal(addon.releaseOwner(OWNER), 0);
    assert.ok(succeed(addon.localPort(client)) > 0, "still open");
    assert.equal(addon.releaseOwner(other), 2);
    succeed(addon.close(listener));
  });
});

test("nothing but accept and open completions is taken for a descriptor", () => {
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 4096);
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    addon.owners()[client] = 0;
    addon.owners()[server] = 0;
    // A send whose result, a count of bytes, equals an open descriptor's number.
    ring.push({
      opcode: abi.IORING_OP_SEND,
      fd: client,
      addr: arena.address(arena.take(1024)),
      len: client,
      slot: 1,
      op: abi.USER_OP_SEND,
    });
    assert.equal(ring.enter(1, 1000), 1);
    assert.equal(addon.releaseOwner(OWNER), 0);
    assert.ok(succeed(addon.localPort(client)) > 0, "still open");
    for (const fd of [client, server, listener]) succeed(addon.close(fd));
  });
});

test("a file that the ring opened and nobody read about is closed", () => {
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 4096);
    const root = succeed(addon.openRoot("."));
    const how = arena.take(abi.OPEN_HOW_BYTES);
    ring.push({
      opcode: abi.IORING_OP_OPENAT2,
      fd: root,
      addr: arena.address(arena.put("package.json")),
      off: arena.address(how),
      len: abi.OPEN_HOW_BYTES,
      slot: 1,
      op: abi.USER_OP_FILE_OPEN,
    });
    const before = addon.openFileCount();
    // A file that is not cached is opened by a kernel thread; the completion still comes here.
    for (let i = 0; i < 200 && ring.word(abi.RING_OFFSET_CQ_TAIL) === 0; i++) ring.enter(1, 25);
    assert.equal(addon.openFileCount(), before + 1);
    assert.equal(addon.releaseOwner(OWNER), 1);
    succeed(addon.close(root));
  });
});
