// What is said about an io_uring that can't be had. The kernel's answers come from a seccomp
// filter, the sysctl from a file that stands in its place for the one process.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import type { KernelProbe } from "../../runtime/native.ts";
import { requireTool } from "../lib/tools.ts";

const ADDON = JSON.stringify(resolve("native/build/Release/zproxy.node"));
const PROBE = `process.stdout.write(JSON.stringify(require(${ADDON}).probe()))`;
const LAUNCHER = resolve("test/lib/without-io-uring.py");
const SYSCTLS = "/proc/sys/kernel";
// enum io_uring_register_op of the kernel.
const REGISTER_PROBE = 8;
const REGISTER_PBUF_RING = 22;

/** What the addon finds in a process to which a filter forbids something; undefined: skipped. */
function probe(t: TestContext, options: string[], ...launcher: string[]): KernelProbe | undefined {
  const python = requireTool(t, "python3");
  if (python === undefined) return undefined;
  const command = [...launcher, python, LAUNCHER, ...options, process.execPath, "-e", PROBE];
  const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as KernelProbe;
}

const CASES: readonly (readonly [
  what: string,
  options: string[],
  cause: RegExp,
  remedy: RegExp,
])[] = [
  ["EPERM", [], /most likely by a container's seccomp profile/, /Allow io_uring_setup/],
  ["EACCES", ["--errno=EACCES"], /seccomp profile/, /--security-opt seccomp=FILE/],
  ["ENOSYS", ["--errno=ENOSYS"], /This kernel \(\d\S+\) has no io_uring/, /from 6\.1 on/],
  ["EINVAL", ["--errno=EINVAL"], /This kernel \(\d\S+\) is older than 6\.1/, /Upgrade/],
  ["ENOMEM", ["--errno=ENOMEM"], /io_uring_setup failed: Cannot allocate memory/, /limits/],
  [
    "no list of operations",
    [`--register=${REGISTER_PROBE}`],
    /io_uring cannot be probed: Operation not permitted/,
    /lift the sandbox's restrictions/,
  ],
  [
    "no provided-buffer rings",
    ["--errno=EINVAL", `--register=${REGISTER_PBUF_RING}`],
    /refuses provided-buffer rings: Invalid argument/,
    /Upgrade the kernel to 6\.1/,
  ],
];

for (const [what, options, cause, remedy] of CASES) {
  test(`cause and remedy: ${what}`, (t) => {
    const found = probe(t, options);
    if (found === undefined) return;
    assert.equal(found.ioUring, false);
    assert.match(found.cause, cause);
    assert.match(found.remedy, remedy);
  });
}

for (const value of [1, 2]) {
  test(`cause and remedy: kernel.io_uring_disabled = ${value}`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "zproxy-probe-"));
    writeFileSync(join(folder, "io_uring_disabled"), `${value}\n`);
    // The real one is the whole machine's; a mount namespace makes the folder this process's alone.
    const mount = `mount --bind ${folder} ${SYSCTLS} && exec "$@"`;
    const inside = ["unshare", "--mount", "sh", "-c", mount, "sh"];
    const possible = spawnSync(inside[0]!, [...inside.slice(1), "true"]).status === 0;
    if (!possible) t.skip("needs root, for a mount namespace");
    else {
      const found = probe(t, [], ...inside);
      if (found === undefined) return;
      assert.equal(found.ioUring, false);
      assert.match(found.cause, new RegExp(`sysctl kernel\\.io_uring_disabled is ${value}\\.`));
      assert.match(found.remedy, /sysctl kernel\.io_uring_disabled=0/);
    }
    rmSync(folder, { recursive: true });
  });
}
