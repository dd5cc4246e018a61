// Replays every case of this folder's Markdown files against the shipped server.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type ConformanceCase, readCases } from "../lib/conformance-cases.ts";
import type { ConformanceEngine } from "../lib/conformance-engine.ts";
import { CutsMade, replayCase } from "../lib/conformance-replay.ts";
import { ServerEngine } from "../lib/conformance-server.ts";

const FOLDER = "test/conformance";

/** The cases of each file; a mistake in one ends the run with its place. */
const TOPICS: readonly (readonly [string, ConformanceCase[]])[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".md") && name !== "README.md")
  .sort()
  .map((name) => {
    const path = join(FOLDER, name);
    return [name.replace(/\.md$/, ""), readCases(path, readFileSync(path, "utf8"))];
  });

describe("conformance", () => {
  let engine: ConformanceEngine;
  const made = new CutsMade();
  let replays = 0;

  before(async () => {
    engine = await ServerEngine.start();
  });

  after(async () => {
    await engine.stop();
    console.log(`${replays} replays`);
  });

  for (const [topic, cases] of TOPICS) {
    describe(topic, () => {
      for (const given of cases) {
        test(given.title, async () => {
          const count = await replayCase(engine, given, made);
          assert.ok(count > 0);
          replays += count;
        });
      }
    });
  }
});
