// Rings against the kernel: what the mapped memory means, every operation the runtime uses, and the
// ways an enter can end. Long because each operation has its test.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "../../native/abi.ts";
import {
  Arena,
  addon,
  connectedPair,
  ENGINE,
  succeed,
  TestBuffers,
  TestRing,
  withOwner,
} from "./test-ring.ts";

const OWNER = 10;

/** A ring and an arena for one test. */
function withRing(body: (ring: TestRing, arena: Arena) => void): void {
  withOwner(OWNER, () => body(new TestRing(OWNER), new Arena(OWNER, 1 << 20)));
}

test("the kernel has what zproxy needs, and says nothing then", () => {
  assert.deepEqual(addon.probe(), { ioUring: true, cause: "", remedy: "" });
});

test("a new ring's memory is laid out as its offsets say", () => {
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER, 32, 128);
    assert.equal(ring.memory.sqEntries, 32);
    assert.equal(ring.memory.cqEntries, 128);
    assert.equal(ring.word(abi.RING_OFFSET_SQ_ENTRIES), 32);
    assert.equal(ring.word(abi.RING_OFFSET_SQ_MASK), 31);
    assert.equal(ring.word(abi.RING_OFFSET_CQ_ENTRIES), 128);
    assert.equal(ring.word(abi.RING_OFFSET_CQ_MASK), 127);
    assert.equal(ring.memory.sqes.byteLength, 32 * abi.SQE_WORDS * 4);
    const arrayStart = ring.memory.offsets[abi.RING_OFFSET_SQ_ARRAY]!;
    const array = new Uint32Array(ring.memory.rings, arrayStart, 32);
    assert.deepEqual([...array], [...array.keys()], "entry i is SQE i");
    const ofKernel = ENGINE === abi.ENGINE_IO_URING;
    assert.equal((ring.memory.features & abi.IORING_FEAT_NODROP) !== 0, ofKernel);
  });
});

test("user_data comes back as slot and operation, over many laps of the queues", () => {
  withRing((ring) => {
    for (let lap = 0; lap < 100; lap++) {
      for (let i = 0; i < ring.memory.sqEntries; i++) {
        ring.push({ opcode: abi.IORING_OP_NOP, slot: lap * 1000 + i, op: (i % 250) + 1 });
      }
      assert.equal(ring.enter(ring.memory.sqEntries, 1000), ring.memory.sqEntries);
      for (const [i, completion] of ring.reap().entries()) {
        assert.deepEqual(completion, {
          slot: lap * 1000 + i,
          op: (i % 250) + 1,
          result: 0,
          flags: 0,
        });
      }
    }
  });
});

test("a submission with a failing entry goes on behind it", () => {
  withRing((ring) => {
    ring.push({ opcode: abi.IORING_OP_NOP, slot: 1 });
    ring.push({ opcode: 250, slot: 2 });
    ring.push({ opcode: abi.IORING_OP_NOP, slot: 3 });
    assert.equal(ring.enter(3, 1000), 3);
    const results = ring.reap().map(({ slot, result }) => [slot, result] as const);
    // 6.1 completes the failing one first; no order is promised.
    results.sort(([a], [b]) => a - b);
    assert.deepEqual(results, [
      [1, 0],
      [2, -abi.EINVAL],
      [3, 0],
    ]);
  });
});

test("waiting ends by timeout without an error, and refreshes the clock", () => {
  withRing((ring) => {
    const before = [...ring.clock];
    const earliestSecs = Math.floor(Date.now() / 1000) - 1;
    // A signal may cut a wait short, as the kernel's own for a thread that once had a ring.
    let milliseconds = 0;
    for (let waits = 0; waits < 5 && milliseconds < 29; waits++) {
      assert.equal(ring.enter(1, 30), 0);
      milliseconds = (ring.clock[abi.CLOCK_MONOTONIC_MS]! - before[0]!) >>> 0;
    }
    assert.equal(ring.enter(1, 0), 0);
    milliseconds = (ring.clock[abi.CLOCK_MONOTONIC_MS]! - before[0]!) >>> 0;
    const microseconds = (ring.clock[abi.CLOCK_MONOTONIC_US]! - before[1]!) >>> 0;
    assert.ok(milliseconds >= 29, `the clock went on by ${milliseconds} ms in a wait of 30`);
    assert.ok(Math.abs(microseconds / 1000 - milliseconds) < 2, `${microseconds} us`);
    assert.ok(ring.clock[abi.CLOCK_REALTIME_SECS]! >= earliestSecs);
    assert.ok(ring.clock[abi.CLOCK_REALTIME_SECS]! <= Date.now() / 1000);
    assert.ok(ring.clock[abi.CLOCK_REALTIME_MILLIS]! < 1000);
  });
});

test("bytes go through accept, connect, send, receive into provided buffers, and close", () => {
  withRing((ring, arena) => {
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const buffers = new TestBuffers(ring, arena, 7, 4, 64);
    const receive = {
      opcode: abi.IORING_OP_RECV,
      flags: abi.IOSQE_BUFFER_SELECT,
      ioprio: abi.IORING_RECVSEND_POLL_FIRST,
      fd: server,
      bufferGroup: 7,
      slot: 1,
    };
    for (const text of ["first", "second", "third"]) {
      ring.push(receive);
      const sent = ring.run({
        opcode: abi.IORING_OP_SEND,
        fd: client,
        addr: arena.address(arena.put(text)),
        len: text.length,
        opFlags: abi.MSG_NOSIGNAL | abi.MSG_WAITALL,
        slot: 2,
      });
      assert.equal(sent.result, text.length);
      assert.equal(buffers.received(ring.wait(1)), text);
    }
    addon.owners()[client] = 0;
    assert.equal(ring.run({ opcode: abi.IORING_OP_CLOSE, fd: client, slot: 3 }).result, 0);
    assert.equal(ring.run(receive).result, 0);
    succeed(addon.close(server));
    succeed(addon.close(listener));
  });
});

test("a multishot accept brings one descriptor for each client and ends when cancelled", () => {
  withRing((ring, arena) => {
    const listener = succeed(addon.listen("127.0.0.1", 0, 16));
    const address = arena.take(abi.SOCKADDR_BYTES_MAX);
    const port = addon.localPort(listener);
    const length = addon.writeSockaddr(arena.bytes, address, "127.0.0.1", port);
    ring.push({
      opcode: abi.IORING_OP_ACCEPT,
      ioprio: abi.IORING_ACCEPT_MULTISHOT,
      fd: listener,
      opFlags: abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC,
      slot: 1,
      op: abi.USER_OP_ACCEPT,
    });
    for (let i = 0; i < 5; i++) {
      const client = succeed(addon.socket(OWNER, false));
      const target = { addr: arena.address(address), off: [length, 0] } as const;
      ring.push({ opcode: abi.IORING_OP_CONNECT, fd: client, ...target, slot: 2 });
      const accepted = ring.wait(1);
      addon.owners()[succeed(accepted.result)] = OWNER + 1;
      assert.ok(accepted.flags & abi.IORING_CQE_F_MORE);
      assert.equal(ring.wait(2).result, 0);
    }
    const cancel = {
      opcode: abi.IORING_OP_ASYNC_CANCEL,
      addr: [1, abi.USER_OP_ACCEPT << abi.USER_DATA_OP_SHIFT],
      slot: 3,
    } as const;
    assert.equal(ring.run(cancel).result, 0);
    const last = ring.wait(1);
    assert.equal(last.result, -abi.ECANCELED);
    assert.equal(last.flags & abi.IORING_CQE_F_MORE, 0);
    succeed(addon.close(listener));
  });
});

test("a receive without a free buffer says ENOBUFS and goes on when one is given", () => {
  withRing((ring, arena) => {
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const buffers = new TestBuffers(ring, arena, 3, 1, 16);
    const receive = {
      opcode: abi.IORING_OP_RECV,
      flags: abi.IOSQE_BUFFER_SELECT,
      fd: server,
      bufferGroup: 3,
      slot: 1,
    };
    const send = {
      opcode: abi.IORING_OP_SEND,
      fd: client,
      addr: arena.address(arena.put("0123456789abcdefREST")),
      len: 20,
      slot: 2,
    };
    assert.equal(ring.run(send).result, 20);
    assert.equal(buffers.received(ring.run(receive)), "0123456789abcdef");
    assert.equal(ring.run(receive).result, -abi.ENOBUFS);
    buffers.give(0);
    assert.equal(buffers.received(ring.run(receive)), "REST");
    succeed(addon.close(listener));
  });
});

test("a receive says whether the socket has more", () => {
  withRing((ring, arena) => {
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const buffers = new TestBuffers(ring, arena, 3, 8, 16);
    const bytes = arena.address(arena.put("0123456789abcdefREST"));
    const send = { opcode: abi.IORING_OP_SEND, fd: client, addr: bytes, slot: 2 };
    const receive = {
      opcode: abi.IORING_OP_RECV,
      flags: abi.IOSQE_BUFFER_SELECT,
      fd: server,
      bufferGroup: 3,
      slot: 1,
    };
    const expectReceived = (text: string, hasMore: boolean): void => {
      const completion = ring.wait(1);
      assert.equal(buffers.received(completion), text);
      assert.equal((completion.flags & abi.IORING_CQE_F_SOCK_NONEMPTY) !== 0, hasMore, text);
    };
    for (const waits of [false, true]) {
      if (waits) ring.push(receive);
      ring.run({ ...send, len: 20 });
      if (!waits) ring.push(receive);
      expectReceived("0123456789abcdef", true);
      ring.push(receive);
      expectReceived("REST", false);
      ring.run({ ...send, len: 16 });
      ring.push(receive);
      expectReceived("0123456789abcdef", false);
    }
    ring.run({ ...send, len: 4 });
    assert.equal(addon.shutdownWrite(client), 0);
    ring.push(receive);
    // Epoll knows of an end when that is the next to come.
    expectReceived("0123", ENGINE === abi.ENGINE_IO_URING);
    succeed(addon.close(listener));
  });
});

test("a message of several pieces is sent as one", () => {
  withRing((ring, arena) => {
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const pieces = ["HTTP/1.1 ", "200 ", "OK"];
    const message = arena.take(abi.MSGHDR_WORDS * 4);
    const vectors = arena.take(pieces.length * abi.IOVEC_WORDS * 4);
    const words = new Uint32Array(arena.mapping.buffer);
    for (const [i, piece] of pieces.entries()) {
      const at = (vectors >> 2) + i * abi.IOVEC_WORDS;
      words.set(arena.address(arena.put(piece)), at + abi.IOVEC_BASE_LOW);
      words[at + abi.IOVEC_LENGTH] = piece.length;
    }
    words.set(arena.address(vectors), (message >> 2) + abi.MSGHDR_IOV_LOW);
    words[(message >> 2) + abi.MSGHDR_IOV_COUNT] = pieces.length;
    const sent = ring.run({
      opcode: abi.IORING_OP_SENDMSG,
      fd: client,
      addr: arena.address(message),
      len: 1,
      opFlags: abi.MSG_NOSIGNAL,
      slot: 1,
    });
    assert.equal(sent.result, 15);
    const target = arena.take(64);
    const received = ring.run({
      opcode: abi.IORING_OP_RECV,
      fd: server,
      addr: arena.address(target),
      len: 64,
      slot: 2,
    });
    assert.equal(arena.text(target, received.result), "HTTP/1.1 200 OK");
    succeed(addon.close(listener));
  });
});

test("half-closing, poll, refused connections and errors of a peer come as results", () => {
  withRing((ring, arena) => {
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const writable = { opcode: abi.IORING_OP_POLL_ADD, fd: client, opFlags: abi.POLLOUT };
    assert.ok(ring.run({ ...writable, slot: 1 }).result & abi.POLLOUT);
    assert.deepEqual([addon.readable(server), addon.unacknowledged(server)], [0, 0]);
    assert.equal(addon.shutdownWrite(client), 0);
    assert.equal(addon.readable(server), 1);
    const target = arena.take(16);
    const receive = { opcode: abi.IORING_OP_RECV, addr: arena.address(target), len: 16 };
    assert.equal(ring.run({ ...receive, fd: server, slot: 3 }).result, 0);
    const send = { opcode: abi.IORING_OP_SEND, addr: arena.address(target), len: 16 };
    assert.equal(
      ring.run({ ...send, fd: client, opFlags: abi.MSG_NOSIGNAL, slot: 4 }).result,
      -abi.EPIPE,
    );
    const port = addon.localPort(listener);
    succeed(addon.close(listener));
    const address = arena.take(abi.SOCKADDR_BYTES_MAX);
    const length = addon.writeSockaddr(arena.bytes, address, "127.0.0.1", port);
    const connect = { opcode: abi.IORING_OP_CONNECT, addr: arena.address(address) };
    const fd = succeed(addon.socket(OWNER, false));
    assert.equal(ring.run({ ...connect, fd, off: [length, 0], slot: 5 }).result, -abi.ECONNREFUSED);
    assert.equal(ring.run({ ...receive, fd: 65535, slot: 6 }).result, -abi.EBADF);
  });
});

test("a closed handle is refused and then used again", () => {
  withOwner(OWNER, () => {
    const before = addon.openFileCount();
    for (let i = 0; i < 600; i++) {
      const ring = new TestRing(OWNER, 2, 4);
      const { handle, clock } = ring;
      ring.close();
      assert.equal(addon.ringEnter(handle, 0, 0, 0), -abi.EBADF);
      assert.equal(addon.ringClose(handle), -abi.EBADF);
      assert.equal(addon.ringBuffers(handle, 0, 4), -abi.EBADF);
      assert.throws(() => addon.ringClock(handle), TypeError);
      assert.ok(clock[abi.CLOCK_MONOTONIC_MS]! >= 0, "clock words outlive their ring");
    }
    assert.equal(addon.openFileCount(), before);
  });
});

test("there are as many rings as handles, no more", () => {
  withOwner(OWNER, () => {
    const handles = new Set<number>();
    for (let i = 0; i < abi.RING_COUNT_MAX; i++) handles.add(new TestRing(OWNER, 1, 1).handle);
    assert.equal(handles.size, abi.RING_COUNT_MAX);
    assert.equal(addon.ringOpen(OWNER, 1, 1, ENGINE), -abi.EMFILE);
  });
});

test("closing a ring lets go of the sockets that its operations waited on", () => {
  withOwner(OWNER, () => {
    const arena = new Arena(OWNER, 4096);
    const address = arena.take(abi.SOCKADDR_BYTES_MAX);
    for (let i = 0; i < 50; i++) {
      const listener = succeed(addon.listen("127.0.0.1", 0, 8));
      const port = succeed(addon.localPort(listener));
      const ring = new TestRing(OWNER, 4, 8);
      ring.push({
        opcode: abi.IORING_OP_ACCEPT,
        ioprio: abi.IORING_ACCEPT_MULTISHOT,
        fd: listener,
        slot: 1,
        op: abi.USER_OP_ACCEPT,
      });
      assert.equal(ring.enter(0, 0), 1);
      ring.close();
      succeed(addon.close(listener));

      const other = new TestRing(OWNER, 4, 8);
      const length = addon.writeSockaddr(arena.bytes, address, "127.0.0.1", port);
      const { result } = other.run({
        opcode: abi.IORING_OP_CONNECT,
        fd: succeed(addon.socket(OWNER, false)),
        addr: arena.address(address),
        off: [length, 0],
        slot: 1,
      });
      assert.equal(result, -abi.ECONNREFUSED, "nobody listens any more");
      other.close();
    }
  });
});

test("a group of buffers is registered once", () => {
  withRing((ring) => {
    assert.notEqual(typeof addon.ringBuffers(ring.handle, 1, 8), "number");
    assert.equal(addon.ringBuffers(ring.handle, 1, 8), -abi.EEXIST);
  });
});

test("a multishot accept loses no client when the completion queue is short", () => {
  const clients = 60;
  withOwner(OWNER, () => {
    const ring = new TestRing(OWNER, 4, 8);
    const arena = new Arena(OWNER, 8192);
    const listener = succeed(addon.listen("127.0.0.1", 0, clients));
    const address = arena.take(abi.SOCKADDR_BYTES_MAX);
    const port = succeed(addon.localPort(listener));
    const length = succeed(addon.writeSockaddr(arena.bytes, address, "127.0.0.1", port));
    for (let i = 0; i < clients; i++) {
      const fd = succeed(addon.socket(OWNER, false));
      const to = { addr: arena.address(address), off: [length, 0] } as const;
      succeed(ring.run({ opcode: abi.IORING_OP_CONNECT, fd, ...to, slot: 1 }).result);
    }
    const flags = abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC;
    const accept = { opcode: abi.IORING_OP_ACCEPT, ioprio: abi.IORING_ACCEPT_MULTISHOT };
    ring.push({ ...accept, fd: listener, opFlags: flags, slot: 2, op: abi.USER_OP_ACCEPT });
    const accepted = new Set<number>();
    for (let i = 0; i < clients; i++) {
      const { result, flags: more } = ring.wait(2);
      accepted.add(succeed(result));
      addon.owners()[result] = OWNER + 1;
      // The kernel ends it when completions overflow; it goes on when it is asked again.
      if ((more & abi.IORING_CQE_F_MORE) === 0)
        ring.push({ ...accept, fd: listener, opFlags: flags, slot: 2, op: abi.USER_OP_ACCEPT });
    }
    assert.equal(accepted.size, clients);
    succeed(addon.close(listener));
  });
});

/** A receive that stays armed, as multishot.ts submits it. */
const ARMED = {
  opcode: abi.IORING_OP_RECV,
  flags: abi.IOSQE_BUFFER_SELECT,
  ioprio: abi.IORING_RECV_MULTISHOT | abi.IORING_RECVSEND_POLL_FIRST,
  bufferGroup: 7,
  slot: 1,
  op: abi.USER_OP_RECEIVE,
} as const;

const CANCEL_ARMED = {
  opcode: abi.IORING_OP_ASYNC_CANCEL,
  addr: [ARMED.slot, abi.USER_OP_RECEIVE << abi.USER_DATA_OP_SHIFT],
  slot: 3,
} as const;

/** Epoll has single receives only, and the runtime asks it for no others. */
const WITHOUT_ARMED = ENGINE === abi.ENGINE_EPOLL;

test("an armed receive brings what comes, until no buffer is left or the peer ends", () => {
  if (WITHOUT_ARMED) return;
  withRing((ring, arena) => {
    const { client, server, listener } = connectedPair(ring, arena, OWNER);
    const buffers = new TestBuffers(ring, arena, 7, 2, 8);
    const send = (text: string): void => {
      const bytes = { addr: arena.address(arena.put(text)), len: text.length };
      const { result } = ring.run({ opcode: abi.IORING_OP_SEND, fd: client, ...bytes, slot: 2 });
      assert.equal(result, text.length);
    };
    const expectText = (text: string): void => {
      const completion = ring.wait(1);
      assert.ok(completion.flags & abi.IORING_CQE_F_MORE, "it stays armed");
      assert.equal(buffers.received(completion), text);
    };
    ring.push({ ...ARMED, fd: server });
    for (const text of ["first", "second"]) {
      send(text);
      expectText(text);
    }
    send("third");
    const { result, flags } = ring.wait(1);
    assert.deepEqual([result, flags & abi.IORING_CQE_F_MORE], [-abi.ENOBUFS, 0]);
    buffers.give(0);
    buffers.give(1);
    ring.push({ ...ARMED, fd: server });
    expectText("third");
    assert.equal(addon.shutdownWrite(client), 0);
    const end = ring.wait(1);
    assert.deepEqual([end.result, end.flags & abi.IORING_CQE_F_MORE], [0, 0]);
    succeed(addon.close(listener));
  });
});

test("an armed receive is found by a cancellation, whatever it is about to do", () => {
  if (WITHOUT_ARMED) return;
  // Nothing is here; or more than newer kernels take in one go, and some of that is taken already.
  for (const [here, turns] of [
    [0, 0],
    [5, 0],
    [15_000, 0],
    [15_000, 1],
  ] as const) {
    withOwner(OWNER, () => {
      const ring = new TestRing(OWNER, 16, 1024); // completions that don't fit would end it
      const arena = new Arena(OWNER, 1 << 16);
      const { client, server, listener } = connectedPair(ring, arena, OWNER);
      new TestBuffers(ring, arena, 7, 1024, 16);
      const bytes = { addr: arena.address(arena.take(here)), len: here };
      if (here > 0) ring.run({ opcode: abi.IORING_OP_SEND, fd: client, ...bytes, slot: 2 });
      ring.push({ ...ARMED, fd: server });
      for (let turn = 0; turn < turns; turn++) {
        succeed(ring.enter(1, 1000));
        assert.notEqual(ring.reap().length, 0);
      }
      ring.push(CANCEL_ARMED);
      assert.equal(ring.wait(3).result, 0, `${here} bytes here, turn ${turns}`);
      let last = ring.wait(1);
      while (last.flags & abi.IORING_CQE_F_MORE) last = ring.wait(1);
      assert.equal(last.result, -abi.ECANCELED);
      succeed(addon.close(listener));
    });
  }
});

test("a registered socket that is removed is closed at once, whatever else is registered", () => {
  withRing((ring, arena) => {
    const count = addon.ringFixedFiles(ring.handle, 8);
    if (count === -abi.EOPNOTSUPP) return; // a kernel that would delay it, or epoll
    assert.equal(count, 8);
    const words = new Int32Array(arena.mapping.buffer);
    const update = (slot: number, fd: number): void => {
      const at = arena.take(4);
      words[at >> 2] = fd;
      const file = { addr: arena.address(at), off: [slot, 0], len: 1 } as const;
      assert.equal(ring.run({ opcode: abi.IORING_OP_FILES_UPDATE, ...file, slot: 10 }).result, 1);
    };
    const quiet = connectedPair(ring, arena, OWNER);
    const ended = connectedPair(ring, arena, OWNER);
    update(1, quiet.server);
    update(2, ended.server);
    const target = arena.take(16);
    const receive = { opcode: abi.IORING_OP_RECV, addr: arena.address(target), len: 16 };
    ring.push({ ...receive, flags: abi.IOSQE_FIXED_FILE, fd: 1, slot: 1 }); // stays under way
    const text = arena.put("through slot 2");
    const send = { opcode: abi.IORING_OP_SEND, addr: arena.address(text), len: 14 };
    assert.equal(ring.run({ ...send, flags: abi.IOSQE_FIXED_FILE, fd: 2, slot: 2 }).result, 14);
    assert.equal(ring.run({ ...receive, fd: ended.client, slot: 3 }).result, 14);
    assert.equal(arena.text(target, 14), "through slot 2");
    update(2, -1);
    addon.owners()[ended.server] = 0;
    ring.run({ opcode: abi.IORING_OP_CLOSE, fd: ended.server, slot: 4 });
    assert.equal(ring.run({ ...receive, fd: ended.client, slot: 5 }).result, 0, "FIN has come");
    for (const { listener } of [quiet, ended]) succeed(addon.close(listener));
  });
});
