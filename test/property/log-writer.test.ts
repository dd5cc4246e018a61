// The log's writer, with a destination that says what the kernel may say.

import assert from "node:assert/strict";
import fs, { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EAGAIN } from "../../native/abi.ts";
import { LogWriter } from "../../runtime/control/log-writer.ts";
import { patience } from "../lib/patience.ts";

test("a pipe that is full for moments is no error: it is tried again soon", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-log-"));
  const filePath = join(folder, "log");
  const { write } = fs;
  // As often as would take the pause after an error 20 s.
  let refusals = 40;
  t.mock.method(fs, "write", (...args: Parameters<typeof write>) => {
    const done = args.at(-1) as unknown as (error: NodeJS.ErrnoException | null) => void;
    if (refusals === 0) return write(...args);
    refusals--;
    setImmediate(() => done(Object.assign(new Error("full"), { errno: -EAGAIN })));
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
    rmSync(folder, { recursive: true });
  });
  const writer = new LogWriter({
    filePath,
    fileBytesMax: 0,
    forAnother: false,
    onRoom: () => {},
    onTrouble: (text) => assert.fail(text),
  });
  writer.write('{"msg":"one"}\n');
  assert.ok(await writer.flushed(patience(10_000)), `${refusals} refusals were left`);
  assert.equal(readFileSync(filePath, "utf8"), '{"msg":"one"}\n');
});
