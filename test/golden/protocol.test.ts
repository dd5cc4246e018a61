// A reload may bring a bundle of another build to a main thread that stays: PROTOCOL_VERSION says
// whether the two understand each other. What they share lies in these files, so no change of one
// goes by without somebody asking whether the version has to rise.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PROTOCOL_VERSION } from "../../runtime/control/bundle.ts";
import { expectGolden } from "../lib/golden.ts";

/** Messages, what a bundle says of itself, and words of memory that both sides read or write. */
const SHARED = [
  "runtime/control/balance-memory.ts",
  "runtime/control/huge-pages.ts",
  "runtime/control/messages.ts",
  "runtime/control/tls-keys.ts",
  "runtime/data/api.ts",
  "runtime/data/connection-limit.ts",
  "runtime/data/hash.ts",
  "runtime/data/log-record.ts",
  "runtime/data/log-ring.ts",
  "runtime/data/metrics.ts",
  "runtime/data/rate-limiter.ts",
  "runtime/data/server-state.ts",
];

const FOLDER = "test/golden/protocol";

/** Without comments and layout, which nobody has to agree on. */
function fingerprint(path: string): string {
  const text = readFileSync(path, "utf8")
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/(^|\s)\/\/.*$/gm, "")
    .replace(/\s+/g, " ");
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

test("what main thread and workers share is as PROTOCOL_VERSION has it", () => {
  const lines = SHARED.map((path) => `${fingerprint(path)} ${path}`);
  const golden = join(FOLDER, "shared.txt");
  const known = existsSync(golden) ? readFileSync(golden, "utf8").split("\n") : [];
  if (process.env.UPDATE_GOLDEN !== "1") {
    const changed = lines.filter((line) => !known.includes(line)).map((line) => line.slice(17));
    assert.deepEqual(
      changed,
      [],
      `${changed.join(", ")} has changed. If a main thread of the build before would misread it, ` +
        "or a worker be misread, raise PROTOCOL_VERSION in runtime/control/bundle.ts. Then, in " +
        "either case, run this test with UPDATE_GOLDEN=1.",
    );
  }
  const text = [`version ${PROTOCOL_VERSION}`, ...lines, ""].join("\n");
  expectGolden(FOLDER, [{ path: "shared.txt", text }]);
});
