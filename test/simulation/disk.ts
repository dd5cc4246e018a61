// The files of a simulation: a flat map below each root, with openat2's answers for the rest.

import { EISDIR, ENOENT, EXDEV } from "zproxy/native/abi.ts";

export interface SimulatedFile {
  bytes: Uint8Array;
  mtimeSecs: number;
}

export class Disk {
  /** By root and path: "site/a.txt". */
  readonly files = new Map<string, SimulatedFile>();
  readonly folders = new Set<string>();

  add(path: string, bytes: Uint8Array, mtimeSecs: number): void {
    this.files.set(path, { bytes, mtimeSecs });
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1))
      this.folders.add(path.slice(0, at));
  }

  /** The file at `path` below `root`, "folder" for a folder, or -errno. */
  find(root: string, path: string): SimulatedFile | "folder" | number {
    if (path === ".." || path.startsWith("../") || path.startsWith("/")) return -EXDEV;
    const full = path === "" ? root : `${root}/${path}`;
    const trimmed = full.endsWith("/") ? full.slice(0, -1) : full;
    if (this.folders.has(trimmed)) return path === "" ? -ENOENT : "folder";
    if (trimmed !== full) return this.files.has(trimmed) ? -EISDIR : -ENOENT;
    return this.files.get(full) ?? -ENOENT;
  }
}
