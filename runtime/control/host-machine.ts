// The machine that a host check asks: the kernel's files, the addon's probes, names, permissions.
// An interface, so that a test can put a machine in its place that this one is not.

import { spawnSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";
import { release } from "node:os";
import { basename, resolve } from "node:path";
import type { Addon } from "../native.ts";

const LOOKUP_MS = 5_000;
const TRY_MS = 10_000;

/** Whom to try something as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** A file, and what has to be allowed: R_OK, W_OK and X_OK of access(2). */
export interface Access {
  readonly path: string;
  readonly mode: number;
}

export interface Machine {
  readonly platform: string;
  readonly release: string;
  readonly uid: number;
  readonly addon: Addon;
  /** A file of /proc or /sys; "" when there is none, or it is hidden. */
  readText(path: string): string;
  stat(path: string): Stats | undefined;
  /** The same of a link itself. */
  linkStat(path: string): Stats | undefined;
  /**
   * For each of them "" or the reason against it ("EACCES"); undefined when nothing can be tried as
   * that account. No account: as this process.
   */
  access(wanted: readonly Access[], account?: Account): readonly string[] | undefined;
  /** "" when the name resolves, else the reason. */
  resolve(name: string): Promise<string>;
  /** Which process holds a socket, by its inode; undefined when that can't be seen. */
  holderOf(inode: string): { readonly pid: number; readonly command: string } | undefined;
}

/** Tries accesses in a process that belongs to somebody else; its last argument lists them. */
const TRY_SCRIPT = `
const { accessSync } = require("node:fs");
const reasons = JSON.parse(process.argv.at(-1)).map(({ path, mode }) => {
  try { accessSync(path, mode); return ""; } catch (error) { return error.code; }
});
process.stdout.write(JSON.stringify(reasons));
`;

export class ThisMachine implements Machine {
  readonly platform = process.platform;
  readonly release = release();
  readonly uid = process.getuid?.() ?? 0;
  readonly addon: Addon;

  constructor(addon: Addon) {
    this.addon = addon;
  }

  readText(path: string): string {
    try {
      return readFileSync(path, "latin1");
    } catch {
      return "";
    }
  }

  stat(path: string): Stats | undefined {
    return statSync(path, { throwIfNoEntry: false });
  }

  linkStat(path: string): Stats | undefined {
    return lstatSync(path, { throwIfNoEntry: false });
  }

  access(wanted: readonly Access[], account?: Account): readonly string[] | undefined {
    if (account !== undefined) return accessAs(account, wanted);
    return wanted.map(({ path, mode }) => {
      try {
        accessSync(path, mode);
        return "";
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? "failed";
      }
    });
  }

  async resolve(name: string): Promise<string> {
    const late = new Promise<string>((done) => {
      setTimeout(done, LOOKUP_MS, `no answer in ${LOOKUP_MS / 1000} s`).unref();
    });
    const found = lookup(name).then(
      () => "",
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );
    return Promise.race([found, late]);
  }

  holderOf(inode: string): { pid: number; command: string } | undefined {
    const link = `socket:[${inode}]`;
    for (const pid of listOf("/proc").filter((name) => /^\d+$/.test(name))) {
      const folder = `/proc/${pid}/fd`;
      if (!listOf(folder).some((fd) => linkOf(`${folder}/${fd}`) === link)) continue;
      const words = this.readText(`/proc/${pid}/cmdline`)
        .split("\0")
        .filter((it) => it !== "");
      const [program = "?", ...rest] = words;
      return { pid: Number(pid), command: [basename(program), ...rest].join(" ") };
    }
    return undefined;
  }
}

/** The kernel's own answer, access lists and all, from a process that has become the account. */
function accessAs({ uid, gid }: Account, wanted: readonly Access[]): readonly string[] | undefined {
  const list = wanted.map(({ path, mode }) => ({ path: resolve(path), mode }));
  const { status, stdout } = spawnSync(
    process.execPath,
    ["-e", TRY_SCRIPT, "--", JSON.stringify(list)],
    { uid, gid, encoding: "utf8", timeout: TRY_MS, env: {}, stdio: ["ignore", "pipe", "ignore"] },
  );
  return status === 0 ? (JSON.parse(stdout) as string[]) : undefined;
}

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it has ended, or is somebody else's
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

export const { R_OK, W_OK, X_OK } = constants;
