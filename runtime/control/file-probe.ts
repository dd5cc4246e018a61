// What a file route answers on this machine, as this user: the path is walked as the kernel walks
// it for the server, which proves that it stays below the route's root.

import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { FileStore } from "../data/file-store.ts";
import { contentTypes } from "./file-loader.ts";
import type { FileAnswer, FileQuestion } from "./probe-types.ts";

/** As in Linux. */
const LINKS_MAX = 40;

const OUTSIDE = "leads out of the folder of the route";

/**
 * Answers a GET without conditions. Names are bytes, and not every one is UTF-8: in here they are
 * latin1 strings, one character a byte.
 */
export function probeFile({ root, index, rest, ...question }: FileQuestion): FileAnswer {
  const answer = probeBytes({
    ...question,
    root: Buffer.from(root).toString("latin1"),
    index: Buffer.from(index).toString("latin1"),
    rest: rest.replace(/%../g, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16))),
  });
  return { ...answer, path: bytesOf(answer.path).toString() };
}

function bytesOf(latin1: string): Buffer {
  return Buffer.from(latin1, "latin1");
}

/** `rest` has no escapes any more. */
function probeBytes({ root, mode, index, prefix, rest }: FileQuestion): FileAnswer {
  try {
    if (!statSync(bytesOf(root)).isDirectory()) {
      if (rest === "" || (prefix === "" && rest === "/")) return served(root);
      return refused(404, root, "is a single file, which answers its own path alone");
    }
  } catch {
    return { status: undefined, path: root, reason: "cannot be read: the server does not start" };
  }
  const walk = mode === "memory" ? walkLoaded : walkBeneath;
  const name = rest.replace(/^\/+/, "");
  if (name === "" || name.endsWith("/")) return walk(root, `${name}${index}`) ?? asFile();
  return walk(root, name) ?? walk(root, `${name}/${index}`) ?? asFile();

  function asFile(): FileAnswer {
    return refused(404, join(root, name, index), "is a folder");
  }
}

/** RESOLVE_BENEATH: links are followed while they are relative and stay. Undefined: a folder. */
function walkBeneath(root: string, name: string): FileAnswer | undefined {
  const waiting = name.split("/").reverse();
  const path: string[] = [];
  let links = 0;
  const whole = join(root, name);
  while (waiting.length > 0) {
    const step = waiting.pop()!;
    if (step === "" || step === ".") continue;
    if (step === "..") {
      if (path.pop() === undefined) return refused(403, whole, OUTSIDE);
      continue;
    }
    const at = join(root, ...path, step);
    try {
      if (lstatSync(bytesOf(at)).isSymbolicLink()) {
        const target = readlinkSync(bytesOf(at), "latin1");
        if (target.startsWith("/") || ++links > LINKS_MAX) return refused(403, whole, OUTSIDE);
        waiting.push(...target.split("/").reverse());
        continue;
      }
    } catch (error) {
      return refusedBy(error, whole);
    }
    path.push(step);
  }
  return answered(join(root, ...path), whole);
}

/**
 * What is loaded at the start: links of either kind, as long as they end below the root, and not
 * in a folder that they are in.
 */
function walkLoaded(root: string, name: string): FileAnswer | undefined {
  const whole = join(root, name);
  const steps = name.split("/").filter((step) => step !== "");
  try {
    const above = [realPath(root)];
    for (const at of steps.keys()) {
      const real = realPath(join(root, ...steps.slice(0, at + 1)));
      const isLast = at === steps.length - 1;
      if (!real.startsWith(`${above[0]}/`)) {
        return isLast ? refused(403, whole, OUTSIDE) : refused(404, whole, "does not exist");
      }
      if (isLast) break;
      if (above.includes(real)) return refused(404, whole, "leads back to a folder that it is in");
      above.push(real);
    }
  } catch (error) {
    return refusedBy(error, whole);
  }
  return answered(whole, whole);
}

/** The one of the system: Node's own makes text of the bytes. */
function realPath(path: string): string {
  return realpathSync.native(bytesOf(path), "latin1");
}

function answered(real: string, path: string): FileAnswer | undefined {
  try {
    const status = statSync(bytesOf(real));
    if (status.isDirectory()) return undefined;
    if (!status.isFile()) return refused(403, path, "is no regular file");
    accessSync(bytesOf(real), constants.R_OK);
    return served(path);
  } catch (error) {
    return refusedBy(error, path);
  }
}

function served(path: string): FileAnswer {
  const bytes = bytesOf(path);
  const store = new FileStore(contentTypes(), "");
  const type = Buffer.from(store.typeOf(bytes, 0, bytes.length)).toString("latin1");
  return { status: 200, path, reason: `${type}, ${statSync(bytes).size} bytes`, type };
}

function refusedBy(error: unknown, path: string): FileAnswer {
  const { code = "" } = error as NodeJS.ErrnoException;
  const forbidden = code === "EACCES" || code === "EPERM" || code === "ELOOP";
  return forbidden
    ? refused(403, path, "may not be read by this user")
    : refused(404, path, "does not exist");
}

function refused(status: 403 | 404, path: string, reason: string): FileAnswer {
  return { status, path, reason };
}
