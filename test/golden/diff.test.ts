// What `zproxy diff` says about one change, in every format; and that its diff of texts is one.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { type ComparedSide, compare } from "zproxy/compiler/diff/compare.ts";
import { comparisonFormats } from "zproxy/compiler/diff/comparison-format.ts";
import { unifiedDiff } from "zproxy/compiler/diff/text-diff.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";
import { expectGolden } from "../lib/golden.ts";
import { withRandom } from "../lib/random.ts";

const FOLDER = "test/golden/diff";

async function sideOf(name: string): Promise<ComparedSide> {
  const text = readFileSync(join(FOLDER, name), "utf8");
  const { files, ir, checked } = compile({ path: name, text });
  assert.ok(ir !== undefined && checked !== undefined);
  const probe = await loadProbe(files, process.cwd());
  return { name, ir, probe, config: checked.config, files };
}

test("golden: a comparison as text, JSON and Markdown", async () => {
  const comparison = compare(await sideOf("before.toml"), await sideOf("after.toml"));
  const inputs = ["before.toml", "after.toml"].map((path) => ({
    path,
    text: readFileSync(join(FOLDER, path), "utf8"),
  }));
  expectGolden(FOLDER, [
    ...inputs,
    { path: "expected.txt", text: comparisonFormats.text(comparison) },
    { path: "expected.json", text: comparisonFormats.json(comparison) },
    { path: "expected.md", text: comparisonFormats.markdown(comparison) },
  ]);
});

/** Applies a unified diff to a text, and asserts that it fits. */
function applied(before: string, diff: string): string {
  const old = before.split("\n").slice(0, -1);
  const out: string[] = [];
  let at = 0;
  for (const line of diff.split("\n").slice(2, -1)) {
    const start = /^@@ -(\d+),(\d+) /.exec(line);
    if (start !== null) {
      // A hunk without old lines stands behind the line it names, or at the start of nothing.
      const first = Math.max(0, Number(start[1]) - 1);
      while (at < first) out.push(old[at++]!);
      continue;
    }
    if (line[0] !== "+") assert.equal(line.slice(1), old[at++]);
    if (line[0] !== "-") out.push(line.slice(1));
  }
  return [...out, ...old.slice(at), ""].join("\n");
}

test("a unified diff makes the new text out of the old one", () =>
  withRandom((random) => {
    const lines = (count: number) =>
      Array.from({ length: count }, () => `${random.pick(["a", "b", "c", "d", "}"])}\n`);
    for (let count = 0; count < 2000; count++) {
      const old = lines(random.below(30));
      const young = old.flatMap((line) => {
        const edit = random.below(10);
        return edit === 0 ? [] : edit === 1 ? [line, ...lines(2)] : [line];
      });
      const before = old.join("");
      const after = random.below(5) === 0 ? lines(random.below(9)).join("") : young.join("");
      const diff = unifiedDiff("file", before, after);
      if (before === after) assert.equal(diff, "");
      else assert.equal(applied(before, diff), after || "", `${before}---\n${diff}`);
    }
  }));

async function side(targets: string): Promise<ComparedSide> {
  const head = '[server]\nlisten = "0.0.0.0:80"\n[host_routes.a]\npath = "/srv"\n';
  const { files, ir, checked } = compile({ path: "config.toml", text: head + targets });
  assert.ok(ir !== undefined && checked !== undefined);
  const probe = await loadProbe(files, process.cwd());
  return { name: "side", ir, probe, config: checked.config, files };
}

function target(at: number, condition: string, path: string): string {
  return `[[host_routes.a.when]]\nname = "t${at}"\nif = '${condition}'\npath = "${path}"\n`;
}

const TOO_MANY = {
  key: "host_routes.a.when",
  mark: "wider",
  before: "conditions",
  after: "too many cases to be compared",
};

test("hundreds of conditions are compared where they stay, and told where one changes", async () => {
  const targets = Array.from({ length: 100 }, (_, at) =>
    target(at, `header("x") == "${at}"`, `/srv/${at}`),
  );
  const last = (path: string) => target(100, 'header("x") == "100"', path);
  const one = await side(targets.join("") + last("/srv/one"));
  const two = await side(targets.join("") + last("/srv/two"));
  assert.deepEqual(compare(one, one).settings, []);
  const { changes, settings } = compare(one, two);
  assert.deepEqual(changes, []);
  assert.deepEqual(settings, [TOO_MANY]);
});

test("one condition of hundreds of tests is compared, several are not", async () => {
  const long = (at: number, value: string) => {
    const tests = Array.from({ length: 255 }, (_, it) => `header("x${it}") == "${at}"`);
    return target(at, `${tests.join(" or ")} or header("y") == "${value}"`, "/other");
  };
  const one = compare(await side(long(0, "a")), await side(long(0, "b")));
  assert.deepEqual(one.settings, []);
  assert.deepEqual(
    one.changes.map(({ witness }) => witness.headers),
    [[["y", "a"]], [["y", "b"]]],
  );
  const many = (value: string) => Array.from({ length: 8 }, (_, at) => long(at, value)).join("");
  const { changes, settings } = compare(await side(many("a")), await side(many("b")));
  assert.deepEqual(changes, []);
  assert.deepEqual(settings, [TOO_MANY]);
});
