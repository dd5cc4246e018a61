// File routes at start: opens their roots, finds out which are single files, and reads what
// `mode = "memory"` serves.

import { randomBytes } from "node:crypto";
import { accessSync, constants, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { mimes } from "mrmime";
import type { FileRouteSettings, Program } from "../data/api.ts";
import { ByteMap } from "../data/byte-map.ts";
import { READY_BYTES_MAX } from "../data/file-entry.ts";
import { FileStore } from "../data/file-store.ts";
import type { Route } from "../data/route.ts";
import type { Addon } from "../native.ts";
import type { Facts } from "./bundle.ts";

interface MemoryFile {
  readonly route: number;
  /** Path below the route's root, or the route's own path when it is a single file. */
  readonly key: Buffer;
  /** Null: the name is there, but must or can't be served. */
  readonly content: Buffer | null;
  readonly mtimeNs: bigint;
}

/** Text types whose encoding we name; others carry their own, or none. */
const UTF8_TYPES = /^(text\/|application\/(javascript|json|xml|manifest\+json)|image\/svg\+xml)/;

/** By extension, without the dot. */
export function contentTypes(): Map<string, string> {
  const types = new Map<string, string>();
  for (const [extension, type] of Object.entries(mimes))
    types.set(extension, UTF8_TYPES.test(type) ? `${type}; charset=utf-8` : type);
  return types;
}

/** Every file that memory routes serve, read whole. Throws when a route's own file can't be. */
export function readMemoryFiles(program: Program): MemoryFile[] {
  const files: MemoryFile[] = [];
  program.routes.forEach((route, index) => {
    if (route.kind !== "file" || route.mode !== "memory") return;
    if (statSync(route.path).isDirectory()) {
      new FolderReader(route.path, index, files).read();
      return;
    }
    // Below a folder this is not an error; a route to one file is nothing without it.
    const file = readStill(Buffer.from(route.path));
    files.push({ route: index, key: Buffer.from(resolve(route.path)), ...file });
  });
  return files;
}

/** Tries to read a file while nobody writes to it, so that one entity tag means one content. */
const READ_TRIES = 3;

function readStill(path: Buffer): { content: Buffer; mtimeNs: bigint } {
  for (let tries = 1; ; tries++) {
    const { mtimeNs } = statSync(path, { bigint: true });
    const content = readFileSync(path);
    const after = statSync(path, { bigint: true });
    if (after.mtimeNs === mtimeNs || tries === READ_TRIES) return { content, mtimeNs };
  }
}

const SEPARATOR = Buffer.from("/");

/** Reads a folder's files. Names are bytes: not every one is UTF-8. */
class FolderReader {
  private readonly root: string;
  private readonly route: number;
  private readonly files: MemoryFile[];

  constructor(root: string, route: number, files: MemoryFile[]) {
    this.root = realpathSync(root);
    this.route = route;
    this.files = files;
  }

  read(): void {
    this.readFolder(Buffer.from(this.root), Buffer.alloc(0), [this.root]);
  }

  /** `prefix`: the folder's path below the root; `above`: real paths of it and all above it. */
  private readFolder(folder: Buffer, prefix: Buffer, above: readonly string[]): void {
    for (const name of readdirSync(folder, { encoding: "buffer" })) {
      const key = prefix.length === 0 ? name : Buffer.concat([prefix, SEPARATOR, name]);
      this.readName(Buffer.concat([folder, SEPARATOR, name]), key, above);
    }
  }

  private readName(path: Buffer, key: Buffer, above: readonly string[]): void {
    try {
      const status = statSync(path);
      const real = realpathSync.native(path, "buffer").toString("latin1");
      if (!this.isInside(real)) this.forbid(key);
      else if (status.isFile()) this.files.push({ route: this.route, key, ...readStill(path) });
      else if (!status.isDirectory()) this.forbid(key);
      else if (!above.includes(real)) this.readFolder(path, key, [...above, real]);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EPERM" || code === "ELOOP") this.forbid(key);
      else if (code !== "ENOENT") throw error; // a link to nothing is no file
    }
  }

  /** Whether a real path, as bytes in a latin1 string, is below the root. */
  private isInside(real: string): boolean {
    return real.startsWith(`${Buffer.from(this.root).toString("latin1")}/`);
  }

  private forbid(key: Buffer): void {
    this.files.push({ route: this.route, key, content: null, mtimeNs: 0n });
  }
}

/** Bytes of arena that `placeMemoryFiles` fills at most. */
export function memoryBytes(files: readonly MemoryFile[]): number {
  return files.reduce((sum, { content }) => sum + READY_BYTES_MAX + (content?.length ?? 0), 0);
}

/** Copies the files into the arena from `start` and makes their routes know them. */
export function placeMemoryFiles(
  files: readonly MemoryFile[],
  routes: readonly Route[],
  bytes: Uint8Array,
  start: number,
): FileStore {
  const store = new FileStore(contentTypes(), randomBytes(16).toString("hex"));
  const nowSecs = Math.floor(Date.now() / 1000);
  let at = start;
  for (const { route, key, content, mtimeNs } of files) {
    const entry = store.addMemoryFile();
    const type = store.typeOf(key, 0, key.length);
    const mtimeSecs = mtimeNs / NANOS;
    const length = content?.length ?? 0;
    entry.describe(type, length, Number(mtimeSecs), Number(mtimeNs - mtimeSecs * NANOS), nowSecs);
    entry.forbidden = content === null;
    if (content !== null) at = entry.place(bytes, at, content);
    const owner = routes[route]!;
    if (!owner.isDirectory) owner.memoryFile = entry;
    owner.memory ??= new ByteMap();
    owner.memory.set(key, store.memory.length - 1);
  }
  return store;
}

const NANOS = 1_000_000_000n;

/**
 * Opens the roots of file routes for a worker. A route to a single file opens the directory it is
 * in.
 */
export function openRoots(
  program: Program,
  routes: readonly Route[],
  addon: Addon,
  owner: number,
): void {
  program.routes.forEach((settings, index) => {
    if (settings.kind !== "file") return;
    const route = routes[index]!;
    route.isDirectory = statSync(settings.path).isDirectory();
    route.filePath = Buffer.from(resolve(settings.path));
    if (route.isDirectory && settings.mode === "memory") route.memory ??= new ByteMap();
    const root = route.isDirectory ? settings.path : dirname(settings.path);
    const fd = addon.openRoot(resolve(root));
    if (fd < 0) throw new Error(`can't open "${root}" (errno ${-fd})`);
    addon.owners()[fd] = owner + 1; // closed with the rest should the worker die
    route.rootFd = fd;
  });
}

/** What is wrong with the paths of file routes on this machine: a sentence each. */
export function checkRoots(program: Facts): string[] {
  const wrong: string[] = [];
  for (const route of program.routes) {
    if (route.kind !== "file") continue;
    const reason = rootProblem(route);
    if (reason !== "") wrong.push(`${route.key}: ${reason}`);
  }
  return wrong;
}

function rootProblem(route: FileRouteSettings): string {
  try {
    const stat = statSync(route.path);
    accessSync(route.path, stat.isDirectory() ? constants.X_OK : constants.R_OK);
    if (stat.isDirectory() || stat.isFile()) return "";
    return `"${route.path}" is neither a file nor a directory`;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return `"${route.path}" does not exist; create it or correct the path`;
    return `"${route.path}" can't be read (${code}); check its permissions`;
  }
}
