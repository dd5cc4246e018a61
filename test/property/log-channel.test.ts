// From the workers' rings to the log: order, and the count of what is lost, where the log's
// destination is small or stands still.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import pino from "pino";
import { LogChannels } from "../../runtime/control/log-channel.ts";
import { LogWriter } from "../../runtime/control/log-writer.ts";
import type { RequestLines } from "../../runtime/control/request-line.ts";
import { writeSentence } from "../../runtime/control/worker-log.ts";
import {
  KIND_NOTICE,
  KIND_REQUEST,
  RECORD_KIND,
  RECORD_LENGTH,
  REQUEST_TEXT,
} from "../../runtime/data/log-record.ts";
import { LogRingWriter, recordLength } from "../../runtime/data/log-ring.ts";
import { patience } from "../lib/patience.ts";

const RECORDS_MAX = 4000;

function writeRequest(ring: LogRingWriter): void {
  const length = recordLength(REQUEST_TEXT * Int32Array.BYTES_PER_ELEMENT);
  const at = ring.reserve(length);
  assert.ok(at >= 0);
  ring.words[at + RECORD_LENGTH] = length;
  ring.words[at + RECORD_KIND] = KIND_REQUEST;
  ring.publish(length);
}

/** Prints each request as the next number. */
function countingLines(name: string): RequestLines {
  let count = 0;
  const print = () => `${JSON.stringify({ msg: `${name}${count++}` })}\n`;
  return { print } as unknown as RequestLines;
}

function makeLog(t: TestContext, fileBytesMax: number) {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-log-"));
  const filePath = join(folder, "log");
  const writer = new LogWriter({
    filePath,
    fileBytesMax,
    forAnother: false,
    onRoom: () => channels.drain(),
    onTrouble: (text) => assert.fail(text),
  });
  const logger = pino({ base: null, timestamp: false }, writer);
  const channels = new LogChannels(writer, logger, RECORDS_MAX, 3_600_000);
  t.after(() => {
    channels.stop();
    rmSync(folder, { recursive: true });
  });
  const messages = () =>
    readFileSync(filePath, "utf8")
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { msg: string }).msg]));
  return { folder, writer, channels, messages };
}

function ringOf(memory: SharedArrayBuffer): LogRingWriter {
  return new LogRingWriter(memory, RECORDS_MAX, () => {});
}

test("what a worker says stands where it said it, among its requests", async (t) => {
  const { channels, writer, messages } = makeLog(t, 0);
  const ring = ringOf(channels.memoryFor(0, countingLines("r")));
  for (let round = 0; round < 3; round++) {
    writeRequest(ring);
    writeSentence(ring, KIND_NOTICE, `said ${round}`);
  }
  channels.flush();
  assert.ok(await writer.flushed(patience(10_000)));
  assert.deepEqual(messages(), ["r0", "said 0", "r1", "said 1", "r2", "said 2"]);
});

test("where files are tiny, pieces are, and none of many records is lost as one", async (t) => {
  const fileBytesMax = 5000;
  const { channels, writer, folder } = makeLog(t, fileBytesMax);
  // More than the writer holds in all, in the memory of its worker.
  const count = 3000;
  let printed = 0;
  const line = `${JSON.stringify({ msg: "x".repeat(450) })}\n`;
  const print = () => {
    printed++;
    return line;
  };
  const ring = ringOf(channels.memoryFor(0, { print } as unknown as RequestLines));
  for (let index = 0; index < count; index++) writeRequest(ring);
  channels.flush();
  // What there was no room for is read when there is.
  do assert.ok(await writer.flushed(patience(10_000)));
  while (printed < count);
  assert.equal(channels.dropped, 0);
  for (const name of readdirSync(folder)) {
    const { length } = readFileSync(join(folder, name));
    assert.ok(length <= fileBytesMax, `${name} has ${length} bytes`);
  }
});

test("while the log stands still, reloads keep a ring a worker, and count the rest", () => {
  const writer = {
    hasRoom: false,
    chunkBytesMax: 65536,
    dropped: 0,
    added: "",
    add(text: string) {
      this.added += text;
    },
    flush() {},
  };
  const logger = pino({ enabled: false });
  const channels = new LogChannels(writer as unknown as LogWriter, logger, RECORDS_MAX, 3_600_000);
  for (const [name, records] of [
    ["a", 3],
    ["b", 2],
    ["c", 1],
  ] as const) {
    const ring = ringOf(channels.memoryFor(0, countingLines(name)));
    for (let index = 0; index < records; index++) writeRequest(ring);
  }
  assert.equal(channels.dropped, 3, "the records of the first");
  writer.hasRoom = true;
  channels.drain();
  assert.deepEqual(writer.added.match(/[abc]\d/g), ["b0", "b1", "c0"]);
  assert.equal(channels.dropped, 3);
  channels.stop();
});
