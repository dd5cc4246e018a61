// Sockets and addresses, IPv4 and IPv6.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "../../native/abi.ts";
import { Arena, addon, succeed, TestRing, withOwner } from "./test-ring.ts";

const OWNER = 30;

/** Connects to a listener from `target`; returns the address that the listener's side sees. */
function addressSeen(listener: number, target: string): string | number {
  let seen: string | number = 0;
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER);
    const arena = new Arena(OWNER, 4096);
    const address = arena.take(abi.SOCKADDR_BYTES_MAX);
    const port = succeed(addon.localPort(listener));
    const length = succeed(addon.writeSockaddr(arena.bytes, address, target, port));
    const client = succeed(addon.socket(OWNER, target.includes(":")));
    const connected = ring.run({
      opcode: abi.IORING_OP_CONNECT,
      fd: client,
      addr: arena.address(address),
      off: [length, 0],
      slot: 1,
    });
    if (connected.result < 0) {
      seen = connected.result;
      return;
    }
    const server = ring.run({ opcode: abi.IORING_OP_ACCEPT, fd: listener, slot: 2 }).result;
    addon.owners()[succeed(server)] = OWNER + 1;
    const text = arena.take(abi.ADDRESS_TEXT_BYTES_MAX);
    seen = arena.text(text, succeed(addon.peerAddress(server, arena.bytes, text)));
  });
  return seen;
}

test('a listener is seen from its own family, and "::" from both', () => {
  const cases = [
    ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1", "127.0.0.1"],
    ["::1", "::1", "::1"],
    ["::", "::1", "::1"],
    ["::", "127.0.0.1", "127.0.0.1"],
    ["::1", "127.0.0.1", -abi.ECONNREFUSED],
  ] as const;
  for (const [listen, connect, seen] of cases) {
    const listener = succeed(addon.listen(listen, 0, 8));
    assert.equal(addressSeen(listener, connect), seen, `${connect} to ${listen}`);
    succeed(addon.close(listener));
  }
});

test("several sockets listen on one port, and a port of somebody else is refused", () => {
  const first = succeed(addon.listen("127.0.0.1", 0, 8));
  const port = succeed(addon.localPort(first));
  const second = succeed(addon.listen("127.0.0.1", port, 8));
  assert.equal(addon.localPort(second), port);
  succeed(addon.close(second));
  succeed(addon.close(first));
  assert.equal(addon.listen("192.0.2.1", 0, 8), -abi.EADDRNOTAVAIL);
});

test("only literal addresses are taken", () => {
  for (const text of [
    "localhost",
    "",
    "127.0.0.1:80",
    "[::1]",
    "1.2.3",
    "256.1.1.1",
    "fe80::1%lo",
  ]) {
    assert.equal(addon.listen(text, 0, 8), -abi.EINVAL, text);
    assert.equal(addon.writeSockaddr(new Uint8Array(28), 0, text, 80), -abi.EINVAL, text);
  }
});

test("a socket address is written as the kernel reads it, and nothing around it", () => {
  const memory = new Uint8Array(60).fill(0xee);
  assert.equal(addon.writeSockaddr(memory, 4, "192.0.2.7", 8080), abi.SOCKADDR_IN_BYTES);
  const ipv4 = [abi.AF_INET, 0, 0x1f, 0x90, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0];
  assert.deepEqual([...memory.subarray(4, 20)], ipv4);
  assert.ok(memory.subarray(0, 4).every((byte) => byte === 0xee));
  assert.ok(memory.subarray(20).every((byte) => byte === 0xee));

  memory.fill(0xee);
  assert.equal(addon.writeSockaddr(memory, 32, "2001:db8::1", 443), abi.SOCKADDR_IN6_BYTES);
  const ipv6 = [abi.AF_INET6, 0, 1, 0xbb, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 1];
  assert.deepEqual([...memory.subarray(32)], [...ipv6, 0, 0, 0, 0]);
  assert.ok(memory.subarray(0, 32).every((byte) => byte === 0xee));
});

test("a view into a larger buffer is written at the view's own offset", () => {
  const whole = new Uint8Array(64);
  const view = whole.subarray(16, 48);
  succeed(addon.writeSockaddr(view, 2, "192.0.2.7", 80));
  assert.equal(whole[18], abi.AF_INET);
});

test("descriptors that are no TCP sockets are errors", () => {
  const memory = new Uint8Array(64);
  const fd = succeed(addon.eventfd(OWNER));
  assert.ok(addon.peerAddress(fd, memory, 0) < 0);
  assert.ok(addon.localPort(fd) < 0);
  assert.equal(addon.releaseOwner(OWNER), 1);
  assert.equal(addon.localPort(fd), -abi.EBADF);
  assert.equal(addon.close(fd), -abi.EBADF);
});
