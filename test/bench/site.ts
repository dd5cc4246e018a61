// What all servers serve: a folder of files with the same bytes in every run, and which path must
// answer with which body. The bodies are letters, so that they can stand inside any config file.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../lib/random.ts";

const KIB = 1024;
const SMALL_FILE_COUNT = 8;
const SEED = 20;

/** Paths of the URL space, the same on every server. */
export const PATHS = {
  proxySmall: "/small",
  proxyLarge: "/large",
  smallFiles: Array.from({ length: SMALL_FILE_COUNT }, (_, index) => `/files/small-${index}.txt`),
  bigFile: "/files/big.bin",
  memory: "/memory",
  /** The bytes of `memory` as an ordinary file. */
  memoryFile: "/files/memory.txt",
} as const;

export interface Site {
  /** Folder that holds `files/` and `large`. */
  readonly root: string;
  /** Path to body. */
  readonly bodies: ReadonlyMap<string, Buffer>;
}

/** Writes the files below `root` and returns them with the bodies of the two proxied paths. */
export function writeSite(root: string): Site {
  const random = new Random(SEED);
  const memory = letters(random, KIB);
  const bodies = new Map<string, Buffer>([
    [PATHS.proxySmall, letters(random, 36)],
    [PATHS.proxyLarge, letters(random, 64 * KIB)],
    [PATHS.bigFile, letters(random, 10 * KIB * KIB)],
    [PATHS.memory, memory],
    [PATHS.memoryFile, memory],
  ]);
  for (const path of PATHS.smallFiles) {
    bodies.set(path, letters(random, random.between(900, 1200)));
  }
  mkdirSync(join(root, "files"), { recursive: true });
  for (const [path, body] of bodies) {
    if (path.startsWith("/files/") || path === PATHS.proxyLarge)
      writeFileSync(join(root, path), body);
  }
  return { root, bodies };
}

function letters(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = 0x61 + random.below(26);
  return bytes;
}

/** The expected body of a path; asking for one the site does not have is a mistake in a case. */
export function bodyOf(site: Site, path: string): Buffer {
  const body = site.bodies.get(path);
  if (body === undefined) throw new Error(`the bench's site has no ${path}`);
  return body;
}
