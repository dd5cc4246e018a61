// The tests of a conformance run: every case of test/conformance/*.md against one engine.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type ConformanceCase, readCases } from "./conformance-cases.ts";
import type { ConformanceEngine } from "./conformance-engine.ts";
import { CutsMade, replayCase } from "./conformance-replay.ts";

const FOLDER = "test/conformance";

/** The cases of each file; a mistake in one ends the run with its place. */
function readTopics(): (readonly [string, ConformanceCase[]])[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".md") && name !== "README.md")
    .sort()
    .map((name) => {
      const path = join(FOLDER, name);
      return [name.replace(/\.md$/, ""), readCases(path, readFileSync(path, "utf8"))];
    });
}

/** Declares the tests; `start` makes the engine before the first. */
export function describeConformance(name: string, start: () => Promise<ConformanceEngine>): void {
  describe(name, () => {
    let engine: ConformanceEngine;
    const made = new CutsMade();
    let replays = 0;

    before(async () => {
      engine = await start();
    });

    after(async () => {
      await engine.stop();
      console.log(`${replays} replays`);
    });

    for (const [topic, cases] of readTopics()) {
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
}
