// A client that goes on sending behind its close_notify: closing with its bytes unread would reset
// the connection under the answer.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { startFor } from "../lib/reload.ts";
import { ALERT, CONTENT } from "../lib/tls-records.ts";
import { CLOSE_NOTIFY, TlsWriter } from "../lib/tls-writer.ts";

const CONTENT_BYTES = 6_000_000;
/** How long the client reads nothing: the server has sent all that the sockets take. */
const PAUSE_MS = 300;

test("the answer arrives whole", async (t) => {
  const authority = new Authority();
  const folder = mkdtempSync(join(tmpdir(), "zproxy-behind-"));
  t.after(() => {
    authority.remove();
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, "large.bin"), Buffer.alloc(CONTENT_BYTES, "x"));
  const tls = tlsSection(authority.issue({ names: LOCAL_NAMES }));
  const server = await startFor(t, serverSection() + tls + fileRoute("/", folder));
  const writer = await TlsWriter.start(server.port, (first) =>
    first.record(CONTENT, request("GET /large.bin")),
  );
  await once(writer.socket, "data");
  writer.socket.pause();
  writer.send(writer.record(ALERT, CLOSE_NOTIFY));
  for (let count = 0; count < 20; count++) writer.send(writer.record(CONTENT, "y".repeat(8000)));
  await sleep(PAUSE_MS);
  writer.socket.resume();
  if (!writer.ended) await once(writer.socket, "end");
  const body = writer.received.slice(writer.received.indexOf("\r\n\r\n") + 4);
  assert.equal(body.length, CONTENT_BYTES);
  await writer.stop();
  await server.stop();
});
