// What is left of TLS connections in the server's memory: of the handshake's secrets nothing once
// it is done, and nothing of any when they have ended. Of kernel TLS: test/vm.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { SUITES } from "../lib/tls-bodies.ts";
import { foundInMemory, type Needles, noteKeys } from "../lib/tls-secrets.ts";
import { SUITES_13, Tls13Client } from "../lib/tls13-client.ts";
import { Wire } from "../lib/wire.ts";

const MARK = "what the search has to find";
const GET = request("GET /mark.txt");
/** What OpenSSL needs for as long as a connection lasts, or might. */
const LASTING = /: ([cs] ap traffic|(exp|res) master|(client|server) (key|Finished)|ticket \d)$/;

let authority: Authority;
let server: TestServer;
let folder: string;

before(async () => {
  authority = new Authority();
  folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
  writeFileSync(join(folder, "mark.txt"), MARK);
  const tls = tlsSection(authority.issue({ names: LOCAL_NAMES }));
  server = await startServer(serverSection() + tls + fileRoute("/", folder));
});

after(async () => {
  await server.stop();
  authority.remove();
  rmSync(folder, { recursive: true });
});

/** Asserts what is found while connections last, and that it is nothing when they have ended. */
async function assertWiped(needles: Needles, lasting: RegExp, end: () => void): Promise<void> {
  const found = foundInMemory(server.pid, needles, MARK);
  end();
  assert.ok(found.length > 0, "the search finds nothing at all");
  assert.deepEqual(
    found.filter((name) => !lasting.test(name)),
    [],
  );
  await server.settled();
  assert.deepEqual(foundInMemory(server.pid, needles, MARK), []);
}

test("TLS 1.3: every suite, full handshakes and resumed sessions", async () => {
  const start = async (tickets: readonly (Tls13Client | undefined)[]) => {
    const clients = SUITES_13.map(
      (suite, index) => new Tls13Client(server.port, suite, GET, tickets[index]?.tickets[0]),
    );
    await Promise.all(clients.map((client) => client.answered(MARK)));
    const needles: Needles = new Map(clients.flatMap((client) => [...client.needles]));
    await assertWiped(needles, LASTING, () => {
      for (const client of clients) client.close();
    });
    return clients;
  };
  const first = await start([]);
  const second = await start(first);
  // A resumed session gets one ticket, a new one two.
  assert.deepEqual(
    [...first, ...second].map((client) => client.tickets.length),
    [2, 2, 2, 1, 1, 1],
  );
});

test("TLS 1.2: every suite, full handshakes and resumed sessions", async () => {
  const start = async (sessions: readonly (Buffer | undefined)[]) => {
    const needles: Needles = new Map();
    const clients = SUITES.slice(3).map(async (options, index) => {
      const wire = await Wire.start(server.port);
      const session = sessions[index];
      const more = session === undefined ? {} : { session };
      const socket = connect({ ...options, ...more, port: wire.port, rejectUnauthorized: false });
      socket.on("error", () => {});
      const lines: string[] = [];
      socket.on("keylog", (line: Buffer) => lines.push(line.toString()));
      await once(socket, "secureConnect");
      assert.equal(socket.isSessionReused(), session !== undefined);
      socket.write(GET);
      await once(socket, "data");
      for (const line of lines) noteKeys(needles, options.ciphers!, line, wire.fromServer);
      return { wire, socket, made: socket.getSession() };
    });
    const all = await Promise.all(clients);
    await assertWiped(needles, /master secret|key \d$/, () => {
      for (const { socket } of all) socket.destroy();
    });
    for (const { wire } of all) await wire.stop();
    return all.map(({ made }) => made);
  };
  await start(await start([]));
});
