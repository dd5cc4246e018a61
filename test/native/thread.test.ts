// Threads: the CPUs they may use, the descriptors they may open, how they are woken, and that each
// ring stays with the thread that opened it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as abi from "../../native/abi.ts";
import { ADDON_PATH, Arena, addon, ENGINE, succeed, TestRing, withOwner } from "./test-ring.ts";

const OWNER = 50;

/** Runs a piece of JavaScript in a thread of its own, with `addon` loaded; returns its value. */
function inThread(code: string): Promise<unknown> {
  const whole = `
    const { parentPort } = require("node:worker_threads");
    const module_ = { exports: {} };
    process.dlopen(module_, ${JSON.stringify(ADDON_PATH)});
    const addon = module_.exports;
    parentPort.postMessage((() => { ${code} })());`;
  return new Promise((resolve, reject) => {
    const worker = new Worker(whole, { eval: true });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** "0-1,4" of /proc/self/status as a list. */
function cpusOfProc(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]!;
  return list.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

test("the allowed CPUs are those of the kernel", () => {
  assert.deepEqual(addon.allowedCpus(), cpusOfProc());
});

test("pinning holds for the thread that asks, and only for an existing CPU", async () => {
  const all = addon.allowedCpus();
  const cpu = all.at(-1)!;
  const pinned = await inThread(`
    return [addon.pinThread(${cpu}), addon.allowedCpus(), addon.pinThread(8191)];`);
  assert.deepEqual(pinned, [0, [cpu], -abi.EINVAL]);
  assert.deepEqual(addon.allowedCpus(), all);
});

test("the limit of open files reaches the hard one, as far as the owner table goes", () => {
  const limit = addon.raiseFileLimit();
  const line = /^Max open files\s+(\d+)\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))!;
  assert.equal(limit, Number(line[1]));
  assert.equal(limit, Math.max(Math.min(Number(line[2]), abi.OWNER_TABLE_BYTES), limit));
  assert.equal(addon.raiseFileLimit(), limit);
});

test("a signalled eventfd completes the ring's read with the count of signals", () => {
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 4096);
    const fd = succeed(addon.eventfd(OWNER));
    const target = arena.take(8);
    const read = { opcode: abi.IORING_OP_READ, fd, addr: arena.address(target), len: 8, slot: 1 };
    ring.push(read);
    assert.equal(ring.enter(0, 0), 1);
    assert.deepEqual(ring.reap(), [], "nobody has signalled yet");
    assert.equal(addon.eventfdSignal(fd), 0);
    assert.equal(ring.wait(1).result, 8);
    assert.equal(arena.bytes[target], 1);
    addon.eventfdSignal(fd);
    addon.eventfdSignal(fd);
    assert.equal(ring.run(read).result, 8);
    assert.equal(arena.bytes[target], 2);
    succeed(addon.close(fd));
    assert.equal(addon.eventfdSignal(fd), -abi.EBADF);
  });
});

test("a ring answers to its own thread alone", async () => {
  const ring = new TestRing(OWNER);
  try {
    const results = await inThread(`
      const own = addon.ringOpen(${OWNER + 1}, 4, 8, ${ENGINE});
      return [
        addon.ringEnter(${ring.handle}, 0, 0, 0),
        addon.ringBuffers(${ring.handle}, 1, 4),
        addon.ringEnter(own.handle, 0, 0, 0),
        addon.ringClose(own.handle),
      ];`);
    assert.deepEqual(results, [-abi.EEXIST, -abi.EEXIST, 0, 0]);
    assert.equal(ring.run({ opcode: abi.IORING_OP_NOP, slot: 1 }).result, 0);
  } finally {
    addon.releaseOwner(OWNER);
  }
});

test("the addon may be loaded twice in one thread", async () => {
  const loaded = await inThread(`
    const again = { exports: {} };
    process.dlopen(again, ${JSON.stringify(ADDON_PATH)});
    return again.exports.abiVersion;`);
  assert.equal(loaded, abi.ABI_VERSION);
});

test("threads share the owner table and its descriptors", async () => {
  const fd = await inThread(`return addon.socket(${OWNER + 2}, true);`);
  assert.ok(typeof fd === "number" && fd >= 0);
  assert.equal(addon.owners()[fd], OWNER + 3);
  const memory = new Uint8Array(abi.ADDRESS_TEXT_BYTES_MAX);
  assert.equal(addon.peerAddress(fd, memory, 0), -abi.ENOTCONN);
  assert.equal(addon.releaseOwner(OWNER + 2), 1);
  assert.equal(addon.owners()[fd], 0);
});
