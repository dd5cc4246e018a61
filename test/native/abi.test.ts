// The table that both sides share: fresh header, one meaning for each number.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/** The surface that ABI_VERSION names. Raise the version with each new hash. */
const SURFACE = { version: 11, hash: "7591acce03cec745" };

/** The text of a source file without its comments. */
function codeOf(path: string): string {
  return readFileSync(path, "utf8").replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, "");
}

test("the version names this surface", () => {
  const { ABI_VERSION, ...rows } = abi;
  const calls = codeOf("runtime/native.ts").replace(/\s+/g, " ");
  const hash = createHash("sha256").update(JSON.stringify(rows)).update(calls).digest("hex");
  const found = { version: ABI_VERSION, hash: hash.slice(0, 16) };
  assert.deepEqual(
    found,
    SURFACE,
    "the surface has changed: raise ABI_VERSION, and note both here",
  );
});

/** The code below a folder that may use the table, as [path, text]. */
function codeBelow(folder: string, pattern: RegExp): (readonly [string, string])[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const paths = names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
  return paths.map((path) => [path, codeOf(path)] as const);
}

test("every row has a user", () => {
  const typescript = ["compiler", "runtime", "test"].flatMap((it) => codeBelow(it, /\.ts$/));
  const native = codeBelow("native", /^[^/]*(?<!generated)\.(c|cc|h)$/);
  const isUsed = (name: string): boolean =>
    typescript.some(([, text]) => new RegExp(`\\b${name}\\b`).test(text)) ||
    native.some(([, text]) => new RegExp(`\\bZP_${name}\\b`).test(text));
  assert.deepEqual(
    Object.keys(abi).filter((name) => !isUsed(name)),
    [],
  );
});

test("the kernel is asked for the operations that the data path submits", () => {
  const opcodes = (text: string): string[] => [...new Set(text.match(/\bIORING_OP_\w+/g))].sort();
  const list = /opcodes_needed\[\] = \{([^}]*)\}/.exec(codeOf("native/probe.c"));
  assert.ok(list !== null);
  const submitted = codeBelow("runtime/data", /\.ts$/).map(([, text]) => text);
  assert.deepEqual(opcodes(list[1]!), opcodes(submitted.join("\n")));
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
