// The command as a user types it, in a folder, until it ends.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { COMMAND } from "./server.ts";

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `zproxy`; a stack on standard error is a defect, whatever went wrong. */
export function runCommand(folder: string, args: readonly string[], stdin = ""): CommandResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    cwd: folder,
    input: stdin,
    encoding: "utf8",
  });
  assert.doesNotMatch(stderr, /^\s+at /m, "no stack");
  return { status, stdout, stderr };
}
