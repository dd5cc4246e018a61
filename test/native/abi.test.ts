// The table that both sides share: fresh header, one meaning for each number.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as abi from "../../native/abi.ts";
import { generate } from "../../native/generate.ts";
import { addon } from "./test-ring.ts";

test("the committed header is what the table prints", () => {
  for (const { path, text } of generate()) {
    assert.equal(readFileSync(path, "utf8"), text, `${path} is stale: run "npm run generate"`);
  }
});

test("the addon was built from this table", () => {
  assert.equal(addon.abiVersion, abi.ABI_VERSION);
});

test("numbers of one kind differ, and indexes lie below their count", () => {
  const kinds = [
    [/^RING_OFFSET_(?!COUNT)/, abi.RING_OFFSET_COUNT],
    [/^FILE_STATUS_(?!WORDS)/, abi.FILE_STATUS_WORDS],
    [/^CLOCK_(?!WORDS)/, abi.CLOCK_WORDS],
    [/^USER_OP_/, 256],
    [/^IORING_OP_/, 256],
    [/^E[A-Z0-9]+$/, 4096],
  ] as const;
  for (const [pattern, limit] of kinds) {
    const rows = Object.entries(abi).filter(([name]) => pattern.test(name));
    assert.ok(rows.length > 3, `${pattern} finds nothing`);
    const values = rows.map(([, value]) => value);
    assert.equal(new Set(values).size, values.length, `${pattern}: two rows are equal`);
    assert.ok(Math.max(...values) < limit, `${pattern}: a row is at or past ${limit}`);
  }
});

test("no user operation is 0, so that an empty user_data names none", () => {
  for (const [name, value] of Object.entries(abi)) {
    if (name.startsWith("USER_OP_")) assert.ok(value > 0, name);
  }
});
