// A TLS client of whose request the first bytes of a record had come at the stop was closed without
// a word, while a head that has begun in plain text is waited for.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { proxyRoute, serverSection } from "../lib/config.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { startFor } from "../lib/reload.ts";
import { CONTENT } from "../lib/tls-records.ts";
import { TlsWriter } from "../lib/tls-writer.ts";
import { startUpstream } from "../lib/upstreams.ts";

const PART_BYTES = 10;
const GET = request("GET /bytes/9");

test("a request whose record is cut in two by the stop is answered", async (t) => {
  const authority = new Authority();
  const upstream = await startUpstream();
  t.after(() => {
    authority.remove();
    return upstream.stop();
  });
  const tls = tlsSection(authority.issue({ names: LOCAL_NAMES }));
  const server = await startFor(t, serverSection() + tls + proxyRoute("/", upstream.url));
  const writer = await TlsWriter.start(server.port, (first) => first.record(CONTENT, GET));
  t.after(() => writer.stop());
  while (writer.answers < 1) await once(writer.socket, "data");
  const record = writer.record(CONTENT, GET);
  writer.send(record.subarray(0, PART_BYTES));
  // The one worker has seen that when it answers another client, and is stopping when it lets go
  // of that.
  const other = await RawClient.connectTls(server.port);
  t.after(() => other.close());
  await other.send(GET);
  await other.answer();
  server.process.kill("SIGTERM");
  await other.ended();
  writer.send(record.subarray(PART_BYTES));
  if (!writer.ended) await once(writer.socket, "end");
  assert.equal(writer.answers, 2);
  assert.match(writer.received, /Connection: close/);
  assert.deepEqual(await server.process.exited(), { code: 0, signal: null });
  await server.stop();
});
