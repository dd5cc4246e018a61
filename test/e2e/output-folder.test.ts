// The folder that a compilation leaves behind: complete, told apart by its manifest, the same from
// everywhere, and never half of one and half of another.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type BundleInput, bundle } from "zproxy/compiler/bundle.ts";
import { compile } from "zproxy/compiler/compile.ts";

const CONFIG = `[server]
listen = "127.0.0.1:8080"

[path_routes."example.com"."/"]
path = "/srv/www"
`;
const ADDON = "native/build/Release/zproxy.node";

function input(text = CONFIG): BundleInput {
  const { files, features } = compile({ path: "config.toml", text });
  assert.ok(files.length > 0);
  return { files, features, source: text, packageRoot: process.cwd(), addon: ADDON };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-output-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every file below a folder, by its relative path. */
function read(folder: string): Map<string, Buffer> {
  return new Map(
    readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), readFileSync(path)]),
  );
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

test("the manifest names every other file with its hash, sorted", () =>
  inFolder(async (folder) => {
    const dist = join(folder, "deep/er/dist");
    await bundle(input(), dist);
    const files = read(dist);
    const manifest = JSON.parse(String(files.get("manifest.json")));
    assert.deepEqual(Object.keys(manifest), ["compilerVersion", "configHash", "files"]);
    assert.equal(
      manifest.compilerVersion,
      JSON.parse(readFileSync("package.json", "utf8")).version,
    );
    assert.equal(manifest.configHash, sha256(CONFIG));
    const others = [...files].filter(([path]) => path !== "manifest.json");
    assert.deepEqual(
      Object.entries(manifest.files),
      others.map(([path, bytes]) => [path, sha256(bytes)]),
    );
    assert.deepEqual(
      [...files.keys()].filter((path) => !path.startsWith("generated/")),
      [
        "host-check.cjs",
        "manifest.json",
        "pino.cjs",
        "server.cjs",
        "server.cjs.map",
        "supervisor.cjs",
        "supervisor.cjs.map",
        "zproxy.node",
      ],
    );
  }));

test("the same configuration gives the same bytes in any folder", () =>
  inFolder(async (folder) => {
    await bundle(input(), join(folder, "dist"));
    await bundle(input(), join(folder, "some/other/name"));
    const first = read(join(folder, "dist"));
    assert.deepEqual(read(join(folder, "some/other/name")), first);
    for (const [path, bytes] of first) {
      if (path === "zproxy.node") continue;
      for (const place of [process.cwd(), folder]) {
        assert.ok(!bytes.includes(place), `${path} tells of ${place}`);
      }
    }
  }));

test("a second run replaces the folder as a whole and leaves nothing beside it", () =>
  inFolder(async (folder) => {
    const dist = join(folder, "dist");
    await bundle(input(), dist);
    writeFileSync(join(dist, "stale.txt"), "from before");
    const changed = CONFIG.replace("/srv/www", "/srv/other");
    await bundle(input(changed), dist);
    assert.deepEqual(readdirSync(folder), ["dist"]);
    const files = read(dist);
    assert.ok(!files.has("stale.txt"));
    assert.equal(JSON.parse(String(files.get("manifest.json"))).configHash, sha256(changed));
  }));

test("a run that fails leaves the folder of the one before", () =>
  inFolder(async (folder) => {
    const dist = join(folder, "dist");
    await bundle(input(), dist);
    const before = read(dist);
    const broken = { ...input(CONFIG.replace("www", "w")), addon: join(folder, "none.node") };
    await assert.rejects(bundle(broken, dist), { code: "ENOENT" });
    assert.deepEqual(read(dist), before);
    assert.deepEqual(readdirSync(folder), ["dist"]);
  }));

test("a folder that zproxy did not write is not replaced", () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, "thesis.txt"), "the only copy");
    await assert.rejects(bundle(input(), folder), /was not written by zproxy/);
    const file = join(folder, "thesis.txt");
    await assert.rejects(bundle(input(), file), /was not written by zproxy/);
    // A site's manifest.json is another one than ours.
    for (const text of ['{"name": "A site", "icons": []}', "null", "no JSON"]) {
      writeFileSync(join(folder, "manifest.json"), text);
      await assert.rejects(bundle(input(), folder), /was not written by zproxy/);
    }
    assert.equal(readFileSync(file, "utf8"), "the only copy");
    mkdirSync(join(folder, "empty"));
    await bundle(input(), join(folder, "empty"));
  }));
