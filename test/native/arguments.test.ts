// Wrong arguments throw a TypeError that names them, and never reach the code below. Every function
// of the addon is listed here, with how each of its arguments can be wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "../../native/abi.ts";
import type { Random } from "../lib/random.ts";
import { withRandom } from "../lib/random.ts";
import { addon, ENGINE, succeedMemory } from "./test-ring.ts";

const OWNER_FIRST = 70;
const OWNER_COUNT = 3;

type Elements = "Uint8Array" | "Uint32Array" | "Float64Array";

/** A range of integers, or another kind of argument. */
type Kind =
  | { readonly name: string; readonly min: number; readonly max: number }
  | { readonly name: string; readonly type: "boolean" | "text" | Elements };

const owner = { name: "owner", min: 0, max: abi.OWNER_MAX };
const handle = { name: "handle", min: 0, max: abi.RING_COUNT_MAX - 1 };
const fd = { name: "fd", min: 0, max: 2 ** 31 - 1 };
const port = { name: "port", min: 0, max: 65535 };
const offset = { name: "offset", min: 0, max: Number.MAX_SAFE_INTEGER };
const memory = { name: "memory", type: "Uint8Array" } as const;
const context = { name: "context", min: 0, max: abi.TLS_CONTEXT_COUNT_MAX - 1 };
const connection = { name: "handle", min: 0, max: 2 ** 31 - 1 };
const address = { name: "address", type: "text" } as const;

/** What each function takes. */
const SIGNATURES: Readonly<Record<string, readonly Kind[]>> = {
  probe: [],
  ringOpen: [
    owner,
    { name: "sqEntries", min: 1, max: abi.SQ_ENTRIES_MAX },
    { name: "cqEntries", min: 1, max: abi.CQ_ENTRIES_MAX },
    { name: "engine", min: abi.ENGINE_IO_URING, max: abi.ENGINE_EPOLL },
  ],
  ringBuffers: [
    handle,
    { name: "group", min: 0, max: 65535 },
    { name: "entries", min: 1, max: abi.BUF_RING_ENTRIES_MAX },
  ],
  ringFixedFiles: [handle, { name: "count", min: 1, max: 2 ** 31 - 1 }],
  ringEnter: [
    handle,
    { name: "toSubmit", min: 0, max: abi.SQ_ENTRIES_MAX },
    { name: "minComplete", min: 0, max: abi.CQ_ENTRIES_MAX },
    { name: "timeoutMs", min: 0, max: 2 ** 31 - 1 },
  ],
  ringClock: [handle],
  ringClose: [handle],
  map: [
    owner,
    { name: "bytes", min: 1, max: abi.MAP_BYTES_MAX },
    { name: "hugePages", type: "boolean" },
  ],
  owners: [],
  releaseOwner: [owner],
  letGo: [owner, fd, { name: "tls", min: -1, max: 2 ** 31 - 1 }],
  takeUp: [owner, fd],
  close: [fd],
  userId: [{ name: "name", type: "text" }],
  userGroupId: [{ name: "name", type: "text" }],
  groupId: [{ name: "name", type: "text" }],
  listen: [address, port, { name: "backlog", min: 1, max: 2 ** 31 - 1 }],
  attachFilter: [fd, memory, offset, { name: "count", min: 0, max: abi.FILTER_COUNT_MAX }],
  adopt: [fd, memory, offset],
  notify: [address, { name: "text", type: "text" }],
  localPort: [fd],
  shutdownWrite: [fd],
  readable: [fd],
  unacknowledged: [fd],
  socket: [owner, { name: "ipv6", type: "boolean" }],
  writeSockaddr: [memory, offset, address, port],
  peerAddress: [fd, memory, offset],
  openRoot: [{ name: "path", type: "text" }],
  fileStatus: [fd, { name: "words", type: "Float64Array" }, offset],
  sendfile: [
    { ...fd, name: "socketFd" },
    { ...fd, name: "fileFd" },
    offset,
    { name: "count", min: 0, max: 2 ** 31 - 1 },
  ],
  eventfd: [owner],
  eventfdSignal: [fd],
  allowedCpus: [],
  pinThread: [{ name: "cpu", min: 0, max: 8191 }],
  raiseFileLimit: [],
  openFileCount: [],
  exitNow: [{ name: "status", min: 0, max: 255 }],
  tlsContext: [
    { name: "server", type: "boolean" },
    { name: "tls13Only", type: "boolean" },
  ],
  tlsCertificate: [context, memory, offset, memory, offset],
  tlsCertificateOf: [context, context],
  tlsName: [context, { name: "name", type: "text" }, context],
  tlsChangeTicketKeys: [],
  tlsRoots: [context, memory, offset],
  tlsContextFree: [context],
  tlsAccept: [owner, context],
  tlsPeer: [owner, context, { name: "host", type: "text" }],
  tlsConnect: [owner, { ...connection, name: "peer" }],
  tlsStep: [owner, memory, offset, { name: "words", type: "Uint32Array" }, offset],
  tlsFacts: [owner, connection],
  tlsFree: [owner, connection],
  tlsCount: [],
  tlsError: [],
  tlsContextKernel: [context],
  tlsToKernel: [owner, connection, fd, { name: "input", type: "boolean" }],
  tlsInputRest: [owner, connection],
  ktlsProbe: [],
  ktlsAttach: [fd],
  ktlsReadControl: [fd],
};

const FUNCTIONS = Object.keys(SIGNATURES);

function call(name: string, args: readonly unknown[]): unknown {
  return Reflect.apply(Reflect.get(addon, name), addon, args);
}

/** A descriptor number that nobody has, so that a call with right arguments touches nothing. */
const FD_NOBODY = 2 ** 30;

/** A value of a kind that is right and does no harm. */
function rightValue(kind: Kind): unknown {
  if ("min" in kind) return kind.name.toLowerCase().endsWith("fd") ? FD_NOBODY : kind.min;
  if (kind.type === "boolean") return false;
  if (kind.type === "text") return "0.0.0.0";
  return newArray(kind.type, 128);
}

function newArray(type: Elements, length: number): Uint8Array | Uint32Array | Float64Array {
  if (type === "Uint8Array") return new Uint8Array(length);
  return type === "Uint32Array" ? new Uint32Array(length) : new Float64Array(length);
}

/** Values that are wrong for a kind. */
function wrongValues(kind: Kind): unknown[] {
  const never = [undefined, null, {}, [], Symbol("s"), 1n, () => 1];
  if ("min" in kind) {
    const numbers = [kind.min - 1, kind.max + 1, kind.min + 0.5, Number.NaN, -Infinity, Infinity];
    return [...never, "1", true, 2 ** 63, -(2 ** 63), ...numbers];
  }
  if (kind.type === "boolean") return [...never, 0, 1, "true"];
  if (kind.type === "text") return [...never, 1, true, "nul\0", "x".repeat(5000)];
  const types: readonly Elements[] = ["Uint8Array", "Uint32Array", "Float64Array"];
  const arrays = [...types.map((type) => newArray(type, 64)), new Uint8ClampedArray(64)];
  const others = arrays.filter((array) => array.constructor.name !== kind.type);
  return [...never, 1, "text", new ArrayBuffer(64), new DataView(new ArrayBuffer(64)), ...others];
}

test("every function of the addon is listed", () => {
  const found = Object.entries(addon).filter(([, value]) => typeof value === "function");
  assert.deepEqual(found.map(([name]) => name).sort(), [...FUNCTIONS].sort());
});

for (const name of FUNCTIONS) {
  test(`${name} refuses wrong arguments by name`, () => {
    const kinds = SIGNATURES[name]!;
    for (const [index, kind] of kinds.entries()) {
      for (const value of wrongValues(kind)) {
        const args = kinds.map(rightValue);
        args[index] = value;
        assert.throws(
          () => call(name, args),
          (error) => error instanceof TypeError && error.message.startsWith(`${kind.name} `),
          `${name}, ${kind.name} = ${String(value)}`,
        );
      }
    }
    if (kinds.length > 0) assert.throws(() => call(name, []), TypeError);
  });
}

test("entries that are no powers of two, or too few completions, are refused", () => {
  assert.throws(() => addon.ringOpen(OWNER_FIRST, 3, 8, ENGINE), TypeError);
  assert.throws(() => addon.ringOpen(OWNER_FIRST, 4, 12, ENGINE), TypeError);
  assert.throws(() => addon.ringOpen(OWNER_FIRST, 8, 4, ENGINE), TypeError);
  assert.throws(() => addon.ringBuffers(0, 0, 6), TypeError);
});

test("memory is never written past its end", () => {
  const bytes = new Uint8Array(100);
  const words = new Float64Array(20);
  const room = [
    [abi.SOCKADDR_BYTES_MAX, 100, (at: number) => addon.writeSockaddr(bytes, at, "::1", 1)],
    [abi.SOCKADDR_BYTES_MAX, 100, (at: number) => addon.adopt(FD_NOBODY, bytes, at)],
    [abi.ADDRESS_TEXT_BYTES_MAX, 100, (at: number) => addon.peerAddress(FD_NOBODY, bytes, at)],
    [abi.FILE_STATUS_WORDS, 20, (at: number) => addon.fileStatus(FD_NOBODY, words, at)],
  ] as const;
  for (const [needed, length, use] of room) {
    assert.equal(typeof use(length - needed), "number", "the last place is right");
    for (const at of [length - needed + 1, length, length + 1, Number.MAX_SAFE_INTEGER]) {
      assert.throws(() => use(at), TypeError, `offset ${at}`);
    }
  }
  assert.throws(() => addon.writeSockaddr(new Uint8Array(0), 0, "::1", 1), TypeError);
});

test("detached memory has no room", () => {
  const bytes = new Uint8Array(100);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assert.throws(() => addon.writeSockaddr(bytes, 0, "::1", 1), TypeError);
});

/** A random value: right, on the edge of right, or of any kind at all. */
function randomValue(random: Random, kind: Kind, fds: readonly number[]): unknown {
  if (random.below(8) === 0) return random.pick(wrongValues(kind));
  if (!("min" in kind)) {
    if (kind.type === "boolean") return random.below(2) === 0;
    if (kind.type === "text") {
      const path = String.fromCodePoint(...random.bytes(random.below(40)));
      return random.pick(["127.0.0.1", "::1", "::", ".", "package.json", path]);
    }
    const length = random.below(90);
    if (kind.type === "Uint8Array") return random.bytes(length);
    const array = newArray(kind.type, length);
    return kind.type === "Uint32Array" ? array.map(() => random.below(100)) : array;
  }
  // Never a descriptor of Node itself: closing that would end the test, not the bug.
  if (kind.name.toLowerCase().endsWith("fd")) return random.pick([...fds, FD_NOBODY, kind.max]);
  if (kind.name === "owner") return OWNER_FIRST + random.below(OWNER_COUNT);
  if (kind.name === "cpu") return random.below(2);
  if (kind.name === "timeoutMs") return random.below(2);
  if (kind.name === "bytes") return random.pick([1, 4095, 4096, 1 + random.below(1 << 24)]);
  if (kind.name.toLowerCase().endsWith("entries")) return 1 << random.below(8);
  return random.pick([kind.min, kind.max, kind.min + random.below(100)]);
}

/** Calls that bring a descriptor which belongs to the fuzzer from then on. */
const OPENERS = new Set(["listen", "socket", "openRoot", "eventfd"]);

/** What returns: the test would end with the first right call of the other. */
const RETURNING = FUNCTIONS.filter((name) => name !== "exitNow");

test("random calls return integers, objects or TypeErrors, and leave nothing behind", async () => {
  await withRandom((random) => {
    const before = addon.openFileCount();
    let fds: number[] = [];
    const isOpen = (it: number): boolean =>
      addon.fileStatus(it, new Float64Array(abi.FILE_STATUS_WORDS), 0) === 0;
    for (let i = 0; i < 6000; i++) {
      const name = random.pick(RETURNING);
      const args = SIGNATURES[name]!.map((kind) => randomValue(random, kind, fds));
      let result: unknown;
      try {
        result = call(name, args);
      } catch (error) {
        assert.ok(error instanceof TypeError, `${name}(${args.map(String)}): ${String(error)}`);
        continue;
      }
      assert.ok(
        typeof result === "number"
          ? Number.isInteger(result)
          : typeof result === (name === "tlsError" ? "string" : "object"),
        `${name} returned ${String(result)}`,
      );
      if (OPENERS.has(name) && Number(result) >= 0) fds.push(Number(result));
      if (name === "close" || name === "releaseOwner") fds = fds.filter(isOpen);
    }
    for (const it of fds) addon.close(it);
    for (let i = 0; i < OWNER_COUNT; i++) addon.releaseOwner(OWNER_FIRST + i);
    for (let it = 0; it < abi.TLS_CONTEXT_COUNT_MAX; it++) addon.tlsContextFree(it);
    assert.equal(addon.openFileCount(), before);
  });
});

test("after all that, a ring still opens", () => {
  const ring = succeedMemory(addon.ringOpen(OWNER_FIRST, 4, 8, ENGINE));
  assert.equal(addon.ringEnter(ring.handle, 0, 0, 0), 0);
  assert.equal(addon.releaseOwner(OWNER_FIRST), 0);
});
