// From root to an ordinary user, between binding and the first connection. Credentials belong to
// threads, not processes: glibc changes those of all threads that there are, workers inherit what
// the main thread has when they start, and their rings use what the worker has.

import {
  accessSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  type Stats,
} from "node:fs";
import { dirname, resolve } from "node:path";
import type { PrivilegeSettings } from "../data/api.ts";
import type { Addon } from "../native.ts";
import { StartError } from "./start-error.ts";

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** "nobody (uid 65534, gid 65534)". */
  readonly text: string;
}

/** Who the settings name. Throws a `StartError` for a name that nobody has. */
export function findIdentity({ user, group }: PrivilegeSettings, addon: Addon): Identity {
  const uid = user === undefined ? 0 : idOf(user, addon.userId(user));
  if (uid < 0) throw new StartError(`drop_privileges_user: there is no user ${user}`);
  const own = user === undefined ? 0 : addon.userGroupId(user);
  const gid = group === undefined ? own : idOf(group, addon.groupId(group));
  if (group !== undefined && gid < 0)
    throw new StartError(`drop_privileges_group: there is no group ${group}`);
  if (gid < 0)
    throw new StartError(`user ${user} has no group of its own; add drop_privileges_group`);
  return { uid, gid, text: `${user ?? "root"} (uid ${uid}, gid ${gid})` };
}

function idOf(name: string, found: number): number {
  return found < 0 && /^\d{1,9}$/.test(name) ? Number(name) : found;
}

/** Changes every thread of the process, for good. Throws a `StartError` when anything is left. */
function becomeIdentity({ uid, gid, text }: Identity): void {
  try {
    process.setgroups!([]);
    process.setgid!(gid);
    process.setuid!(uid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(
      `can't become ${text}: ${code}\nGive the container the capabilities SETUID and SETGID, ` +
        "or start it as that user without drop_privileges_user.",
    );
  }
  const left = leftOver(uid, gid);
  if (left !== "") throw new StartError(`privileges are left after becoming ${text}: ${left}`);
}

/** What of the old privileges is left, "" for nothing: looked up, and tried. */
function leftOver(uid: number, gid: number): string {
  for (const task of readdirSync("/proc/self/task")) {
    const status = readStatus(task);
    if (status === undefined) continue;
    const groups = fieldOf(status, "Groups");
    if (fieldOf(status, "Uid") !== repeated(uid)) return `user of thread ${task}`;
    if (fieldOf(status, "Gid") !== repeated(gid)) return `group of thread ${task}`;
    if (groups !== "") return `groups of thread ${task}: ${groups}`;
    if (uid === 0) continue; // only the group was to change
    for (const name of ["CapPrm", "CapEff", "CapAmb"]) {
      const set = fieldOf(status, name);
      if (/[^0]/.test(set)) return `${name} of thread ${task}: ${set}`;
    }
  }
  return uid !== 0 && (succeeds(() => process.setuid!(0)) || succeeds(() => process.seteuid!(0)))
    ? "root can be had again"
    : "";
}

/** Undefined for a thread that has ended meanwhile. */
function readStatus(task: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${task}/status`, "latin1");
  } catch {
    return undefined;
  }
}

function fieldOf(status: string, name: string): string {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1] ?? "missing";
}

/** Whether a process with this /proc/PID/status has a capability, by its number. */
export function isCapable(status: string, capability: number): boolean {
  return ((BigInt(`0x${fieldOf(status, "CapEff")}`) >> BigInt(capability)) & 1n) === 1n;
}

/** Real, effective, saved and file system id. */
function repeated(id: number): string {
  return Array(4).fill(id).join("\t");
}

function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * What is wrong with a file that root would open for another user; undefined: nothing. That user
 * may write to its folder already, and can have put a link there to a file of root's.
 */
export function linkTrouble(
  path: string,
  status: Stats | undefined,
): { readonly text: string; readonly remedy: string } | undefined {
  if (status === undefined || isDevice(path)) return undefined;
  const isSymbolic = status.isSymbolicLink();
  if (!isSymbolic && !(status.isFile() && status.nlink > 1)) return undefined;
  const what = isSymbolic ? "a symbolic link" : "a hard link to another file";
  return {
    text: `${path} is ${what}, and root opens none: whoever may write to its folder chose the file`,
    remedy: "remove it, or set file_path in [logging] to a file of the log's own",
  };
}

/** Only root makes names in /dev, and /dev/stdout is a link. */
function isDevice(path: string): boolean {
  return dirname(resolve(path)) === "/dev";
}

const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/** O_NONBLOCK: a named pipe that nobody reads is an error, and nothing to wait for. */
export const APPEND_FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK;

/** Opens a file for appending that another user will have. Throws. */
export function openForAnother(path: string): number {
  const check = (status: Stats | undefined): void => {
    const trouble = linkTrouble(path, status);
    if (trouble !== undefined) throw new Error(`${trouble.text}; ${trouble.remedy}`);
  };
  check(lstatSync(path, { throwIfNoEntry: false }));
  const fd = openSync(path, APPEND_FLAGS | (isDevice(path) ? 0 : O_NOFOLLOW));
  check(fstatSync(fd)); // it may have been put there a moment ago
  return fd;
}

export interface Possessions {
  /** Opened by root, opened again by the new user. */
  readonly log: { give(uid: number, gid: number): void };
  /** Read again when a worker starts. */
  readonly files: readonly string[];
}

/**
 * Becomes whom the settings name, if this is root, and makes sure that the server can go on as that
 * user. Returns a line for the log, and whether it is a warning; throws a `StartError`.
 */
export function dropPrivileges(
  settings: PrivilegeSettings,
  { log, files }: Possessions,
  addon: Addon,
): { readonly text: string; readonly warning: boolean } {
  if (!isRoot()) {
    const text =
      "not started as root, so drop_privileges_user and drop_privileges_group do nothing";
    return { text, warning: true };
  }
  const identity = findIdentity(settings, addon);
  log.give(identity.uid, identity.gid);
  becomeIdentity(identity);
  const wrong = files
    .filter((path) => !succeeds(() => accessSync(path, constants.R_OK)))
    .map((path) => `${identity.text} can't read ${path}; let it, or put the folder where it can`);
  if (wrong.length > 0) throw new StartError(wrong.join("\n"));
  return { text: `running as ${identity.text}`, warning: identity.uid === 0 };
}
