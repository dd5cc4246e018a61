// Files that stay open for a moment, so that a busy file is not opened for each request. An entry
// lives for less than a second: a file that was replaced is seen by then, and nothing that has been
// deleted is kept on the disk. Each hit asks the kernel whether size and time are still the same.

import {
  FILE_STATUS_MTIME_NANOS,
  FILE_STATUS_MTIME_SECS,
  FILE_STATUS_SIZE,
  FILE_STATUS_WORDS,
} from "../../native/abi.ts";
import { check } from "./checks.ts";
import { FileEntry } from "./file-entry.ts";
import { hashBytes } from "./hash.ts";

/** Files held open beside those that are being sent. */
export const CACHE_ENTRIES_MAX = 1024;
/** Longer paths are opened each time. */
const KEY_BYTES_MAX = 256;
/** Seven ticks of 128 ms. */
const LIFE_TICKS = 7;
const BUCKET_COUNT = 2048;
const BUCKET_MASK = BUCKET_COUNT - 1;

/** The native calls it needs. */
export interface FileCalls {
  fileStatus(fd: number, words: Float64Array, offset: number): number;
  close(fd: number): number;
}

export class FileCache {
  private readonly calls: FileCalls;
  private readonly status = new Float64Array(FILE_STATUS_WORDS);
  private readonly buckets: (FileEntry | null)[] = new Array(BUCKET_COUNT).fill(null);
  private readonly free: FileEntry[] = [];
  private oldest: FileEntry | null = null;
  private newest: FileEntry | null = null;
  /** Entries that can be found. */
  size = 0;

  constructor(calls: FileCalls) {
    this.calls = calls;
  }

  /**
   * The open file of the path `bytes[start, end)` below `rootFd`, or null. The caller has one use
   * of it and gives that back with `release`.
   */
  find(
    rootFd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    tick: number,
  ): FileEntry | null {
    const hash = hashBytes(bytes, start, end, rootFd);
    const entry = this.entryOf(hash, rootFd, bytes, start, end);
    if (entry === null) return null;
    const { status } = this;
    if (
      tick - entry.openedTick >= LIFE_TICKS ||
      this.calls.fileStatus(entry.fd, status, 0) < 0 ||
      !entry.isSame(
        status[FILE_STATUS_SIZE]!,
        status[FILE_STATUS_MTIME_SECS]!,
        status[FILE_STATUS_MTIME_NANOS]!,
      )
    ) {
      this.drop(entry);
      return null;
    }
    entry.users++;
    return entry;
  }

  /**
   * Takes over an open file that was reached by the path `bytes[start, end)`. The caller describes
   * the entry; it has one use of it, the cache another when it keeps it.
   */
  add(
    fd: number,
    rootFd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    tick: number,
  ): FileEntry {
    const entry = this.free.pop() ?? new FileEntry(KEY_BYTES_MAX);
    entry.fd = fd;
    entry.users = 1;
    if (end - start > KEY_BYTES_MAX) return entry;
    const hash = hashBytes(bytes, start, end, rootFd);
    const before = this.entryOf(hash, rootFd, bytes, start, end);
    if (before !== null) this.drop(before);
    else if (this.size === CACHE_ENTRIES_MAX) this.drop(this.oldest!);
    entry.hash = hash;
    entry.rootFd = rootFd;
    entry.keyBytes = end - start;
    for (let at = start; at < end; at++) entry.key[at - start] = bytes[at]!;
    entry.openedTick = tick;
    this.list(entry);
    return entry;
  }

  /** Gives one use back; the file is closed with the last. */
  release(entry: FileEntry): void {
    check(entry.users > 0);
    if (--entry.users > 0) return;
    check(!entry.listed);
    this.calls.close(entry.fd);
    entry.fd = -1;
    this.free.push(entry);
  }

  /** Lets go of what has lived its time; called once a turn. */
  expire(tick: number): void {
    while (this.oldest !== null && tick - this.oldest.openedTick >= LIFE_TICKS)
      this.drop(this.oldest);
  }

  /** Lets go of everything. */
  clear(): void {
    while (this.oldest !== null) this.drop(this.oldest);
  }

  private entryOf(
    hash: number,
    rootFd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): FileEntry | null {
    let entry = this.buckets[hash & BUCKET_MASK] ?? null;
    while (entry !== null && !isKey(entry, hash, rootFd, bytes, start, end)) entry = entry.next;
    return entry;
  }

  private list(entry: FileEntry): void {
    const bucket = entry.hash & BUCKET_MASK;
    entry.listed = true;
    entry.users++;
    entry.next = this.buckets[bucket] ?? null;
    this.buckets[bucket] = entry;
    entry.older = this.newest;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
    this.size++;
  }

  private drop(entry: FileEntry): void {
    const bucket = entry.hash & BUCKET_MASK;
    let before = this.buckets[bucket] ?? null;
    if (before === entry) this.buckets[bucket] = entry.next;
    else {
      while (before !== null && before.next !== entry) before = before.next;
      before!.next = entry.next;
    }
    if (entry.older === null) this.oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === null) this.newest = entry.older;
    else entry.newer.older = entry.older;
    entry.next = null;
    entry.older = null;
    entry.newer = null;
    entry.listed = false;
    this.size--;
    this.release(entry);
  }
}

function isKey(
  entry: FileEntry,
  hash: number,
  rootFd: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (entry.hash !== hash || entry.rootFd !== rootFd || entry.keyBytes !== end - start)
    return false;
  const { key } = entry;
  for (let at = start; at < end; at++) if (key[at - start] !== bytes[at]) return false;
  return true;
}
