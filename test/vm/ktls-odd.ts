// Kernel TLS, preferred: clients whose records come in an order that the kernel can't go on with,
// or that it hands back. Nothing of theirs ends a connection that RFC 8446 lets go on. A part of
// ktls.test.ts: the kernel's counters are of all files that run at a time.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { patience } from "../lib/patience.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { reloadInstalled } from "../lib/reload.ts";
import { startServer, type TestServer } from "../lib/server.ts";
import { ALERT, CONTENT } from "../lib/tls-records.ts";
import { CLOSE_NOTIFY, TlsWriter, USER_CANCELED } from "../lib/tls-writer.ts";
import { Wire } from "../lib/wire.ts";

const GET = request("GET /small.txt");
const TEXT = "a small text";
/** More than the sockets take. */
const LARGE_BYTES = 6_000_000;
const WAIT_MS = patience(15_000);
/** OpenSSL and we bear with so many. */
const CANCELS = 4;

let authority: Authority;
let server: TestServer;
let folder: string;

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!isSo()) {
    assert.ok(Date.now() < deadline, what);
    await sleep(10);
  }
}

async function answered(writer: TlsWriter, count: number): Promise<void> {
  await until(`${count} answers`, () => writer.answers >= count && writer.received.endsWith(TEXT));
}

async function newKeys(): Promise<void> {
  const writer = await TlsWriter.start(server.port, (first) =>
    Buffer.concat([first.keyUpdate(false), first.record(CONTENT, GET)]),
  );
  await answered(writer, 1);
  writer.send(writer.record(CONTENT, GET), writer.keyUpdate(false), writer.record(CONTENT, GET));
  await answered(writer, 3);
  assert.match(server.log(), /kTLS: the kernel did not take a connection, it stays in user space/);
  // The kernel can't be given new keys for what we send.
  writer.send(writer.keyUpdate(true), writer.record(CONTENT, GET));
  await until("the end", () => writer.ended);
  await writer.stop();
  assert.equal(writer.answers, 3, "answered with keys that it wanted changed");
}

async function userCanceled(): Promise<void> {
  const writer = await TlsWriter.start(server.port, (first) => first.record(CONTENT, GET));
  await answered(writer, 1);
  for (let said = 1; said <= CANCELS; said++) {
    writer.send(writer.record(ALERT, USER_CANCELED), writer.record(CONTENT, GET));
    await answered(writer, 1 + said);
  }
  writer.send(writer.record(ALERT, USER_CANCELED));
  await until("the end", () => writer.ended);
  await writer.stop();

  const leaver = await TlsWriter.start(server.port, (first) => first.record(CONTENT, GET));
  await answered(leaver, 1);
  leaver.send(leaver.record(ALERT, USER_CANCELED), leaver.record(ALERT, CLOSE_NOTIFY));
  await until("the end", () => leaver.ended);
  await leaver.stop();
}

async function behindTheEnd(): Promise<void> {
  const writer = await TlsWriter.start(server.port, (first) =>
    first.record(CONTENT, request("GET /large.bin")),
  );
  await once(writer.socket, "data");
  writer.socket.pause();
  writer.send(writer.record(ALERT, CLOSE_NOTIFY));
  for (let count = 0; count < 20; count++) writer.send(writer.record(CONTENT, "y".repeat(8000)));
  await sleep(patience(100));
  writer.socket.resume();
  await until("the end", () => writer.ended);
  assert.ok(writer.received.endsWith("x"));
  assert.equal(writer.received.length - writer.received.indexOf("\r\n\r\n") - 4, LARGE_BYTES);
  await writer.stop();
}

async function overReload(): Promise<void> {
  const wire = await Wire.start(server.port);
  const client = await RawClient.connectTls(wire.port);
  const get = async () => {
    await client.send(GET);
    assert.equal((await client.answer()).body.toString(), TEXT);
  };
  await get();
  await reloadInstalled(server);
  await sleep(patience(300));
  await get();
  assert.ok(!wire.bytes.includes(TEXT) && !wire.bytes.includes("HTTP/1.1"));
  client.close();
  await wire.stop();
}

export function describeOddRecords(): void {
  before(async () => {
    authority = new Authority();
    folder = mkdtempSync(join(tmpdir(), "zproxy-odd-"));
    writeFileSync(join(folder, "small.txt"), TEXT);
    writeFileSync(join(folder, "large.bin"), Buffer.alloc(LARGE_BYTES, "x"));
    const settings = ["ktls_enabled = true", "ktls_fallback_enabled = true"];
    const tls = tlsSection(authority.issue({ names: LOCAL_NAMES }), [], settings);
    server = await startServer(serverSection() + tls + fileRoute("/", folder));
  });

  after(async () => {
    await server.stop();
    authority.remove();
    rmSync(folder, { recursive: true });
  });

  test("new keys right behind the handshake: input stays in user space", newKeys);
  test("user_canceled is no failure, until it has been said too often", userCanceled);
  test("what comes behind close_notify does not cut off the answer", behindTheEnd);
  test("a connection that is in the kernel stays there over a reload", overReload);
}
