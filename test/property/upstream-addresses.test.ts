// The addresses of an upstream server: what changes when its name resolves anew, and with which
// one a fresh connection begins.

import assert from "node:assert/strict";
import { test } from "node:test";
import { addressRoom, Server, type SocketAddress } from "zproxy/runtime/data/upstream-server.ts";
import { withRandom } from "../lib/random.ts";

const BASE = 4096;
const ADDRESSES_MAX = 4;
const LITERALS = Array.from({ length: 9 }, (_, host) => `192.0.2.${host}`);
const PORT = 80;

/** A server, and what has been written where in its part of the arena. */
class WatchedServer {
  readonly server: Server;
  readonly written = new Map<number, string>();

  constructor() {
    const settings = { tls: false, host: "h", port: PORT, authority: "h", weight: 1 };
    this.server = new Server(settings, new Int32Array(32));
    this.server.placeAddresses(BASE, ADDRESSES_MAX);
  }

  set(literals: readonly string[]): void {
    this.server.setAddresses(literals, (offset, literal, port) => {
      assert.equal(port, PORT);
      assert.ok(offset >= BASE && offset + 28 <= BASE + addressRoom(ADDRESSES_MAX), `${offset}`);
      this.written.set(offset, literal);
      return 16;
    });
  }

  get literals(): string[] {
    return this.server.addresses.map(({ literal }) => literal);
  }
}

test("addresses that stay are the same, others leave, and no queued connect reads another's", async () => {
  await withRandom((random) => {
    const watched = new WatchedServer();
    for (let round = 0; round < 5000; round++) {
      const before: readonly SocketAddress[] = watched.server.addresses;
      const chosen = random.below(1 << LITERALS.length);
      const literals = LITERALS.filter((_, bit) => (chosen >> bit) & 1).slice(0, ADDRESSES_MAX);
      watched.set(literals);
      const after = watched.server.addresses;
      assert.deepEqual(watched.literals, literals);
      for (const address of after) {
        assert.ok(address.current);
        const known = before.find(({ literal }) => literal === address.literal);
        assert.ok(known === undefined || known === address, address.literal);
      }
      for (const address of [...before, ...after])
        assert.equal(watched.written.get(address.offset), address.literal);
      for (const address of before) assert.equal(address.current, after.includes(address));
    }
  });
});

test("a place is written again only when all others have been", () => {
  const watched = new WatchedServer();
  const offsets: number[] = [];
  for (const literal of LITERALS) {
    watched.set([literal]);
    offsets.push(watched.server.addresses[0]!.offset);
  }
  assert.equal(new Set(offsets).size, ADDRESSES_MAX * 2);
});

test("more addresses than there is room for are left out, and what is none as well", () => {
  const watched = new WatchedServer();
  watched.set(LITERALS);
  assert.deepEqual(watched.literals, LITERALS.slice(0, ADDRESSES_MAX));
  watched.server.setAddresses(["fe80::1%none", "::1"], (_offset, literal) =>
    literal === "::1" ? 28 : -22,
  );
  assert.deepEqual(watched.literals, ["::1"]);
  assert.ok(watched.server.addresses[0]?.ipv6);
});

test("fresh connections begin at each address in turn", () => {
  const watched = new WatchedServer();
  watched.set(LITERALS.slice(0, 3));
  const first = (): number => watched.server.firstAddress(0);
  assert.deepEqual([first(), first(), first(), first()], [0, 1, 2, 0]);
  watched.set(LITERALS.slice(0, 1));
  assert.deepEqual([first(), first()], [0, 0]);
});

test("an address that could not be connected is passed over for ten seconds", () => {
  const watched = new WatchedServer();
  watched.set(LITERALS.slice(0, 3));
  const { server } = watched;
  const tenSecs = Math.round(10_000 / 128);
  server.addresses[1]!.avoid(5);
  const during = Array.from({ length: 4 }, () => server.firstAddress(5 + tenSecs - 1));
  assert.deepEqual(during, [0, 2, 0, 2]);
  assert.deepEqual([server.firstAddress(5 + tenSecs), server.firstAddress(5 + tenSecs)], [0, 1]);
});

test("with no address that works, all are still tried in turn", () => {
  const watched = new WatchedServer();
  watched.set(LITERALS.slice(0, 3));
  for (const address of watched.server.addresses) address.avoid(0);
  const tried = Array.from({ length: 4 }, () => watched.server.firstAddress(1));
  assert.deepEqual(tried, [0, 1, 2, 0]);
});
