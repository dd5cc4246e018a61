// Files below a root: what opens, what must not, what is told about it, and how it is sent.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as abi from "../../native/abi.ts";
import { Arena, addon, connectedPair, succeed, TestRing, withOwner } from "./test-ring.ts";

const OWNER = 40;

const base = mkdtempSync(join(tmpdir(), "zproxy-native-"));
const root = join(base, "root");
mkdirSync(join(root, "sub"), { recursive: true });
writeFileSync(join(base, "secret"), "secret");
writeFileSync(join(root, "page.html"), "0123456789");
writeFileSync(join(root, "sub", "deep.txt"), "deep");
writeFileSync(join(root, "noted..txt"), "dots");
symlinkSync("sub/deep.txt", join(root, "inside"));
symlinkSync("../root/page.html", join(root, "out-and-in"));
symlinkSync("../secret", join(root, "outside"));
symlinkSync(join(base, "secret"), join(root, "absolute"));
symlinkSync("..", join(root, "parent"));
symlinkSync("loop", join(root, "loop"));
symlinkSync("/proc/self/root", join(root, "magic"));
after(() => rmSync(base, { recursive: true }));

/** Paths below the root and how opening them ends: 0 is success. */
const PATHS = [
  ["page.html", 0],
  ["sub/deep.txt", 0],
  ["sub/../page.html", 0],
  ["./page.html", 0],
  ["noted..txt", 0],
  ["inside", 0],
  ["sub", 0],
  ["missing", -abi.ENOENT],
  ["", -abi.ENOENT],
  ["page.html/", -abi.ENOTDIR],
  ["page.html/below", -abi.ENOTDIR],
  ["..", -abi.EXDEV],
  ["../secret", -abi.EXDEV],
  ["sub/../../secret", -abi.EXDEV],
  ["/etc/passwd", -abi.EXDEV],
  ["outside", -abi.EXDEV],
  ["absolute", -abi.EXDEV],
  ["parent/secret", -abi.EXDEV],
  ["out-and-in", -abi.EXDEV],
  ["magic/etc/passwd", -abi.EXDEV],
  ["loop", -abi.ELOOP],
  ["x".repeat(300), -abi.ENAMETOOLONG],
] as const;

test("openat2 opens what lies below the root and nothing else", () => {
  withOwner(OWNER, () => {
    const rootFd = succeed(addon.openRoot(root));
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 1 << 16);
    const how = arena.take(abi.OPEN_HOW_BYTES);
    const words = new Uint32Array(arena.mapping.buffer, how);
    words[abi.OPEN_HOW_FLAGS] = abi.O_RDONLY | abi.O_NONBLOCK | abi.O_CLOEXEC | abi.O_NOCTTY;
    words[abi.OPEN_HOW_RESOLVE] = abi.RESOLVE_BENEATH | abi.RESOLVE_NO_MAGICLINKS;
    for (const [path, expected] of PATHS) {
      const { result } = ring.run({
        opcode: abi.IORING_OP_OPENAT2,
        fd: rootFd,
        addr: arena.address(arena.put(path)),
        off: arena.address(how),
        len: abi.OPEN_HOW_BYTES,
        slot: 1,
        op: abi.USER_OP_FILE_OPEN,
      });
      assert.equal(Math.min(result, 0), expected, JSON.stringify(path));
      if (result >= 0) succeed(addon.close(result));
    }
    succeed(addon.close(rootFd));
  });
});

test("a root is a directory or a regular file", () => {
  const file = succeed(addon.openRoot(join(root, "page.html")));
  const status = new Float64Array(abi.FILE_STATUS_WORDS);
  assert.equal(addon.fileStatus(file, status, 0), 0);
  assert.equal(status[abi.FILE_STATUS_IS_REGULAR], 1);
  succeed(addon.close(file));
  assert.equal(addon.openRoot("/dev/null"), -abi.EINVAL);
  assert.equal(addon.openRoot(join(base, "missing")), -abi.ENOENT);
  assert.equal(addon.openRoot(`/${"x".repeat(300)}`), -abi.ENAMETOOLONG);
  const pipe = join(base, "pipe");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  assert.equal(addon.openRoot(pipe), -abi.EINVAL, "and does not wait for a writer");
});

test("a file's status is what it was given", () => {
  const path = join(root, "page.html");
  utimesSync(path, 1_700_000_000, 1_700_000_000.25);
  const fd = succeed(addon.openRoot(path));
  const words = new Float64Array(abi.FILE_STATUS_WORDS + 3).fill(-1);
  assert.equal(addon.fileStatus(fd, words, 2), 0);
  const at = (index: number): number => words[2 + index]!;
  assert.equal(at(abi.FILE_STATUS_SIZE), 10);
  assert.equal(at(abi.FILE_STATUS_MTIME_SECS), 1_700_000_000);
  assert.equal(at(abi.FILE_STATUS_MTIME_NANOS), 250_000_000);
  assert.equal(at(abi.FILE_STATUS_IS_DIRECTORY), 0);
  assert.equal(at(abi.FILE_STATUS_IS_REGULAR), 1);
  assert.deepEqual([words[0], words[1], words.at(-1)], [-1, -1, -1]);
  succeed(addon.close(fd));
  assert.equal(addon.fileStatus(fd, words, 0), -abi.EBADF);

  const directory = succeed(addon.openRoot(root));
  assert.equal(addon.fileStatus(directory, words, 0), 0);
  assert.equal(words[abi.FILE_STATUS_IS_DIRECTORY], 1);
  succeed(addon.close(directory));
});

test("read and sendfile take a file from any offset, and EAGAIN stops a full socket", () => {
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 1 << 22);
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const file = succeed(addon.openRoot(join(root, "page.html")));
    const target = arena.take(64);
    const read = { opcode: abi.IORING_OP_READ, fd: file, addr: arena.address(target), len: 64 };
    assert.equal(ring.run({ ...read, off: [4, 0], slot: 1 }).result, 6);
    assert.equal(arena.text(target, 6), "456789");

    assert.equal(addon.sendfile(server, file, 3, 4), 4);
    assert.equal(addon.sendfile(server, file, 8, 100), 2, "no more than there is");
    assert.equal(addon.sendfile(server, file, 10, 100), 0, "behind the end");
    const receive = {
      opcode: abi.IORING_OP_RECV,
      fd: client,
      addr: arena.address(target),
      len: 64,
    };
    assert.equal(ring.run({ ...receive, slot: 2 }).result, 6);
    assert.equal(arena.text(target, 6), "345689");
    succeed(addon.close(file));

    const bigPath = join(root, "big");
    writeFileSync(bigPath, new Uint8Array(1 << 20));
    const big = succeed(addon.openRoot(bigPath));
    let result = 0;
    for (let i = 0; i < 1000 && result >= 0; i++) result = addon.sendfile(server, big, 0, 1 << 20);
    assert.equal(result, -abi.EAGAIN);
    succeed(addon.close(big));
    assert.equal(addon.sendfile(server, big, 0, 1), -abi.EBADF);
    succeed(addon.close(listener));
  });
});
