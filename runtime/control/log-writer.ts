// The end of the log: one descriptor, written in the background and in order, never more than a
// bounded number of bytes behind. A destination that fails or hangs costs records, which are
// counted, and nothing else. Rotates a file when it has grown, opens it again when it was moved.

import { close, fchownSync, fstat, fstatSync, open, openSync, rename, write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import { promisify } from "node:util";
import { EAGAIN } from "../../native/abi.ts";
import { APPEND_FLAGS, openForAnother } from "./privileges.ts";
import { terminalLines } from "./terminal-line.ts";

/** Bytes that may wait for the destination. */
const WAITING_BYTES_MAX = 1 << 20;
/** Lines are written together up to this size, or less where files are small. */
const CHUNK_BYTES_MAX = 65536;
/** After an error, for example a full disk, the same bytes are tried again this much later. */
const RETRY_MS = 500;
/** A full pipe is none: Node makes those that it opens non-blocking. It is tried again soon. */
const FULL_RETRY_MS = 1;
const FULL_RETRY_MS_MAX = 20;
/** Rotated files that are kept: `file.1` is the newest. */
const ROTATED_MAX = 5;

const STANDARD_ERROR = 2;

const openFile = promisify(open);
const closeFile = promisify(close);
const statusOf = promisify(fstat);
const renameFile = promisify(rename);

export interface LogWriterOptions {
  /** Undefined: standard error. */
  readonly filePath: string | undefined;
  /** Size at which a file is rotated; 0 is never. */
  readonly fileBytesMax: number;
  /** Root opens the file for another user: neither rotated nor reopened before `settle`. */
  readonly forAnother: boolean;
  /** Called when half of what may wait has gone. */
  readonly onRoom: () => void;
  /** A sentence about a file that can't be rotated or opened again. */
  readonly onTrouble: (text: string) => void;
}

export class LogWriter {
  private readonly isTerminal: boolean;
  /** Lines that found no room. */
  dropped = 0;
  private readonly options: LogWriterOptions;
  private fd: number;
  private readonly isFile: boolean;
  /** Lines are written together up to this size. */
  readonly chunkBytesMax: number;
  /** Bytes in the file; counted for regular ones. */
  private fileBytes: number;
  /** Whole lines, in chunks, and those of the last one that may still grow. */
  private readonly chunks: Buffer[] = [];
  private growing: string[] = [];
  private growingBytes = 0;
  private waitingBytes = 0;
  private wantsReopen = false;
  /** Whose the file is has not been settled yet. */
  private unsettled: boolean;
  private pumping: Promise<void> | null = null;

  /** Throws when the file can't be opened for appending. */
  constructor(options: LogWriterOptions) {
    this.options = options;
    const { filePath, fileBytesMax, forAnother } = options;
    this.unsettled = forAnother;
    if (filePath === undefined) this.fd = STANDARD_ERROR;
    else this.fd = forAnother ? openForAnother(filePath) : openSync(filePath, APPEND_FLAGS);
    const status = fstatSync(this.fd);
    this.isFile = filePath !== undefined && status.isFile();
    this.fileBytes = status.size;
    this.isTerminal = isatty(this.fd);
    this.chunkBytesMax =
      fileBytesMax === 0 ? CHUNK_BYTES_MAX : Math.min(CHUNK_BYTES_MAX, fileBytesMax);
  }

  /** Whether there is room for more than anybody adds at once. */
  get hasRoom(): boolean {
    return this.waitingBytes + CHUNK_BYTES_MAX <= WAITING_BYTES_MAX;
  }

  /** Takes records, whole lines of JSON; they wait until `flush`. False: there is no room. */
  add(records: string): boolean {
    const lines = this.isTerminal ? terminalLines(records) : records;
    const bytes = Buffer.byteLength(lines);
    if (this.waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.dropped++;
      return false;
    }
    if (this.growingBytes > 0 && this.growingBytes + bytes > this.chunkBytesMax) this.closeChunk();
    this.growing.push(lines);
    this.growingBytes += bytes;
    this.waitingBytes += bytes;
    return true;
  }

  /** Takes a record and writes it soon: what pino calls. */
  write(records: string): void {
    this.add(records);
    this.flush();
  }

  /** Starts writing what waits. */
  flush(): void {
    const reopens = this.wantsReopen && !this.unsettled;
    if (this.pumping !== null || (this.waitingBytes === 0 && !reopens)) return;
    this.pumping = this.pump().finally(() => {
      this.pumping = null;
      this.flush(); // what came since the pump looked for the last time
    });
  }

  /** The file was moved away: opens its path anew before the next line is written. */
  reopen(): void {
    if (this.options.filePath === undefined) return;
    this.wantsReopen = true;
    this.flush();
  }

  /** Gives the file to the user that the process is about to become. */
  give(uid: number, gid: number): void {
    if (this.isFile) fchownSync(this.fd, uid, gid);
  }

  /** The process is now who it stays. */
  settle(): void {
    this.unsettled = false;
    this.flush();
  }

  /** Waits until everything is written, at most `limitMs`. False: something is not. */
  async flushed(limitMs: number): Promise<boolean> {
    this.flush();
    const timer = new AbortController();
    const limit = sleep(limitMs, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([this.pumping, limit]);
    timer.abort();
    return this.waitingBytes === 0;
  }

  private closeChunk(): void {
    if (this.growingBytes === 0) return;
    this.chunks.push(Buffer.from(this.growing.join("")));
    this.growing = [];
    this.growingBytes = 0;
  }

  private async pump(): Promise<void> {
    await null; // lines of the same turn go together
    for (;;) {
      if (this.wantsReopen && !this.unsettled) {
        this.wantsReopen = false;
        await this.openAnew();
      }
      if (this.chunks.length === 0) this.closeChunk();
      const chunk = this.chunks.shift();
      if (chunk === undefined) return;
      await this.rotateBefore(chunk.length);
      await this.writeWhole(chunk);
      const before = this.waitingBytes;
      this.waitingBytes -= chunk.length;
      const half = WAITING_BYTES_MAX / 2;
      if (before > half && this.waitingBytes <= half) this.options.onRoom();
    }
  }

  /** Writes all of a chunk, however often that has to be tried. */
  private async writeWhole(chunk: Buffer): Promise<void> {
    let at = 0;
    let fullRetryMs = FULL_RETRY_MS;
    while (at < chunk.length) {
      const written = await writeSome(this.fd, chunk, at);
      if (written >= 0) {
        at += written;
        fullRetryMs = FULL_RETRY_MS;
      } else if (written === -EAGAIN) {
        await sleep(fullRetryMs);
        fullRetryMs = Math.min(fullRetryMs * 2, FULL_RETRY_MS_MAX);
      } else await sleep(RETRY_MS);
    }
    this.fileBytes += chunk.length;
  }

  private async rotateBefore(bytes: number): Promise<void> {
    const { filePath, fileBytesMax } = this.options;
    if (!this.isFile || fileBytesMax === 0 || this.fileBytes === 0 || this.unsettled) return;
    if (this.fileBytes + bytes <= fileBytesMax) return;
    try {
      for (let age = ROTATED_MAX; age > 0; age--) {
        const from = age === 1 ? filePath! : `${filePath}.${age - 1}`;
        await renameFile(from, `${filePath}.${age}`).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "ENOENT") throw error;
        });
      }
    } catch (error) {
      // Tried again when as much has been written once more.
      this.fileBytes = 0;
      this.options.onTrouble(`can't rotate the log: ${(error as Error).message}`);
      return;
    }
    await this.openAnew();
  }

  /** Goes on with the file that the path names now; with the present one if that fails. */
  private async openAnew(): Promise<void> {
    try {
      const old = this.fd;
      this.fd = await openFile(this.options.filePath!, APPEND_FLAGS);
      this.fileBytes = (await statusOf(this.fd)).size;
      await closeFile(old);
    } catch (error) {
      this.fileBytes = 0;
      this.options.onTrouble(`can't open the log again: ${(error as Error).message}`);
    }
  }
}

/** Writes what the destination takes of `chunk` from `at` on; below 0: nothing, -errno is why. */
function writeSome(fd: number, chunk: Buffer, at: number): Promise<number> {
  return new Promise((done) => {
    write(fd, chunk, at, chunk.length - at, null, (error, written) => {
      done(error === null ? written : (error.errno ?? -1));
    });
  });
}
