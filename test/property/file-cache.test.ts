// The cache of open files beside a table of descriptors: each one is closed exactly once, never
// under a user, and what is found is what was opened by that path and has not changed since.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  FILE_STATUS_MTIME_NANOS,
  FILE_STATUS_MTIME_SECS,
  FILE_STATUS_SIZE,
} from "zproxy/native/abi.ts";
import { ascii } from "zproxy/runtime/data/bytes.ts";
import { CACHE_ENTRIES_MAX, FileCache } from "zproxy/runtime/data/file-cache.ts";
import type { FileEntry } from "zproxy/runtime/data/file-entry.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 40_000;
const TYPE = ascii("text/plain");
/** Ticks after which nothing may be found any more: a second. */
const TICKS_MAX = 8;

interface File {
  size: number;
  secs: number;
  nanos: number;
}

/** Descriptors that stand for files; closing one that is not open is an error. */
class Descriptors {
  readonly open = new Map<number, File>();
  private next = 10;

  add(file: File): number {
    this.open.set(this.next, file);
    return this.next++;
  }

  fileStatus(fd: number, words: Float64Array, offset: number): number {
    const file = this.open.get(fd);
    assert.ok(file !== undefined, `status of ${fd}, which is closed`);
    words[offset + FILE_STATUS_SIZE] = file.size;
    words[offset + FILE_STATUS_MTIME_SECS] = file.secs;
    words[offset + FILE_STATUS_MTIME_NANOS] = file.nanos;
    return 0;
  }

  close(fd: number): number {
    assert.ok(this.open.delete(fd), `${fd} is closed twice`);
    return 0;
  }
}

interface Opened {
  readonly key: string;
  readonly file: File;
  readonly tick: number;
}

class Model {
  readonly descriptors = new Descriptors();
  readonly cache = new FileCache(this.descriptors);
  readonly users: { entry: FileEntry; fd: number }[] = [];
  readonly opened = new Map<number, Opened>();
  private readonly random: Random;
  private readonly names: readonly string[];
  tick = 0;
  hits = 0;

  constructor(random: Random, nameCount: number) {
    this.random = random;
    const long = (at: number): string => (at % 50 === 0 ? "long/".repeat(60) : "");
    this.names = Array.from({ length: nameCount }, (_, at) => `${long(at)}folder/${at}.txt`);
  }

  step(): void {
    const { random } = this;
    const choice = random.below(100);
    if (choice < 70) this.ask();
    else if (choice < 90) this.release();
    else if (choice < 97) this.change();
    else {
      this.tick += random.below(3);
      this.cache.expire(this.tick);
      for (const fd of this.descriptors.open.keys())
        assert.ok(this.isUsed(fd) || this.tick - this.openedOf(fd).tick < TICKS_MAX, "kept long");
    }
    assert.ok(this.cache.size <= CACHE_ENTRIES_MAX);
    for (const { entry, fd } of this.users) assert.equal(entry.fd, fd);
  }

  /** As a request does: looks a path up, opens the file when it is not there. */
  private ask(): void {
    const { random, cache, descriptors, tick } = this;
    const name = random.pick(this.names);
    const rootFd = random.between(3, 4);
    const key = `${rootFd}:${name}`;
    const { bytes, start, end } = PoisonedBytes.random(name, 0, random);
    const found = cache.find(rootFd, bytes, start, end, tick);
    if (found !== null) {
      const { file, ...opened } = this.openedOf(found.fd);
      assert.equal(opened.key, key);
      assert.ok(tick - opened.tick < TICKS_MAX, "found too late");
      assert.ok(found.isSame(file.size, file.secs, file.nanos), "found, but changed");
      this.hits++;
      this.users.push({ entry: found, fd: found.fd });
      return;
    }
    const file = { size: random.below(100), secs: random.below(100), nanos: random.below(10) };
    const fd = descriptors.add(file);
    this.opened.set(fd, { key, file, tick });
    const entry = cache.add(fd, rootFd, bytes, start, end, tick);
    entry.describe(TYPE, file.size, file.secs, file.nanos, 1000);
    assert.equal(entry.fd, fd);
    this.users.push({ entry, fd });
  }

  private release(): void {
    const [user] = this.users.splice(this.random.below(this.users.length + 1), 1);
    if (user !== undefined) this.cache.release(user.entry);
  }

  /** Writes to a file, as others see it through any descriptor. */
  private change(): void {
    const files = [...this.descriptors.open.values()];
    if (files.length > 0)
      this.random.pick(files)[this.random.pick(["size", "secs", "nanos"] as const)]++;
  }

  private isUsed(fd: number): boolean {
    return this.users.some((user) => user.fd === fd);
  }

  private openedOf(fd: number): Opened {
    const opened = this.opened.get(fd);
    assert.ok(opened !== undefined);
    return opened;
  }

  /** Everything is closed when the last user has gone. */
  end(): void {
    this.cache.clear();
    assert.equal(this.cache.size, 0);
    assert.equal(this.descriptors.open.size, new Set(this.users.map(({ fd }) => fd)).size);
    while (this.users.length > 0) this.release();
    assert.equal(this.descriptors.open.size, 0);
  }
}

test("descriptors are closed once, and not under their users", async () => {
  await withRandom((random) => {
    for (const nameCount of [3, 40]) {
      const model = new Model(random, nameCount);
      for (let round = 0; round < ROUNDS / 2; round++) {
        model.step();
        if (model.users.length <= 30) continue;
        for (const { entry } of model.users.splice(0, 20)) model.cache.release(entry);
      }
      assert.ok(model.hits > ROUNDS / 20, `only ${model.hits} hits`);
      model.end();
    }
  });
});

test("a full cache lets the oldest go", () => {
  const descriptors = new Descriptors();
  const cache = new FileCache(descriptors);
  const find = (name: string): FileEntry | null => cache.find(3, ascii(name), 0, name.length, 1);
  for (let at = 0; at < CACHE_ENTRIES_MAX + 10; at++) {
    const fd = descriptors.add({ size: at, secs: 1, nanos: 2 });
    const entry = cache.add(fd, 3, ascii(`${at}`), 0, `${at}`.length, 1);
    entry.describe(TYPE, at, 1, 2, 1000);
    cache.release(entry);
  }
  assert.equal(cache.size, CACHE_ENTRIES_MAX);
  assert.equal(descriptors.open.size, CACHE_ENTRIES_MAX);
  assert.equal(find("9"), null);
  assert.equal(find("10")?.size, 10);
});
