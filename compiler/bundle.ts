// From generated files to a folder that can be shipped: one script without dependencies, the
// native addon, the generated text for review, and a manifest. The folder appears as a whole or
// not at all.

import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { OutFile } from "./4-emit/emit.ts";
import {
  bundleHostCheck,
  bundlePackage,
  bundleServer,
  bundleSupervisor,
  packagesOf,
} from "./bundle-server.ts";
import type { Features } from "./ir/features.ts";
import { packageVersion } from "./package-root.ts";

const ADDON = "zproxy.node";
const MANIFEST = "manifest.json";
const KEY_MAP = "key-map.json";

export interface BundleInput {
  /** What `compile` returned. */
  readonly files: readonly OutFile[];
  readonly features: Features;
  /** The configuration's text, of which the manifest holds the hash. */
  readonly source: string;
  /** Which keys the lines of the files come from, as `printKeyMap` says it. */
  readonly keyMap?: string;
  /** The folder of this package's package.json. */
  readonly packageRoot: string;
  /** The addon to ship; undefined where there is none, as it is on systems other than Linux. */
  readonly addon: string | undefined;
}

/** What is wrong with the output folder or the installation, in a sentence for the user. */
export class BundleError extends Error {}

/** Where the addon of this package is, or undefined when it was not built. */
export function findAddon(packageRoot: string): string | undefined {
  const path = join(packageRoot, "native", "build", "Release", ADDON);
  return existsSync(path) ? path : undefined;
}

/**
 * Bundles into `outFolder`, replacing a folder that an earlier run wrote. Throws `BundleError` when
 * something else is there.
 */
export async function bundle(input: BundleInput, outFolder: string): Promise<void> {
  const target = resolve(outFolder);
  await refuseForeignFolder(target);
  const files = new Map<string, Uint8Array>();
  for (const { path, text } of input.files) files.set(path, Buffer.from(text));
  const { packageRoot, keyMap } = input;
  if (keyMap !== undefined) files.set(KEY_MAP, Buffer.from(keyMap));
  const scripts = await Promise.all([bundleServer(input), bundleSupervisor(packageRoot)]);
  for (const [path, bytes] of scripts.flat()) files.set(path, bytes);
  files.set(...(await bundleHostCheck(packageRoot)));
  for (const name of packagesOf(input.features)) {
    files.set(`${name}.cjs`, await bundlePackage(packageRoot, name));
  }
  if (input.addon !== undefined) files.set(ADDON, await readFile(input.addon));
  files.set(MANIFEST, printManifest(input, files));
  await writeFolder(target, files);
}

/** A folder without our manifest is not ours to replace, unless it is empty. */
async function refuseForeignFolder(target: string): Promise<void> {
  if (!existsSync(target) || (await hasOurManifest(target))) return;
  const names = await readdir(target).catch(() => undefined);
  if (names?.length === 0) return;
  throw new BundleError(`${target} exists and was not written by zproxy; remove it first`);
}

/** Sites have a file of that name as well, which says nothing of a compiler. */
async function hasOurManifest(target: string): Promise<boolean> {
  try {
    const manifest = JSON.parse(await readFile(join(target, MANIFEST), "utf8"));
    return typeof manifest.compilerVersion === "string";
  } catch {
    return false;
  }
}

/** Everything about the output that depends on more than the configuration's meaning. */
function printManifest(
  { packageRoot, source }: BundleInput,
  files: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  const paths = [...files.keys()].sort();
  const manifest = {
    compilerVersion: packageVersion(packageRoot),
    configHash: sha256(source),
    files: Object.fromEntries(paths.map((path) => [path, sha256(files.get(path)!)])),
  };
  return Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Writes beside `target`, then puts the finished folder in its place. */
async function writeFolder(target: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  // Not mkdtemp: its folders are closed to other users, and the server may run as one.
  const fresh = join(dirname(target), `.${basename(target)}-${randomBytes(6).toString("hex")}`);
  await mkdir(fresh);
  try {
    for (const [path, bytes] of files) {
      await mkdir(dirname(join(fresh, path)), { recursive: true });
      await writeFile(join(fresh, path), bytes);
    }
    await replaceFolder(target, fresh, `${fresh}-old`);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** A folder cannot be renamed over a full one, so the old one steps aside first. */
async function replaceFolder(target: string, fresh: string, old: string): Promise<void> {
  const existed = existsSync(target);
  if (existed) await rename(target, old);
  try {
    await rename(fresh, target);
  } catch (error) {
    if (existed) await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}
