// Programs the tests drive. A missing one is installed when that is possible, and otherwise the
// test is skipped with a reason that test/run.mjs prints on a line of its own.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** Program name to the Debian package that holds it. */
const PACKAGES = {
  ab: "apache2-utils",
  chromium: "chromium",
  curl: "curl",
  haproxy: "haproxy",
  jq: "jq",
  ncat: "ncat",
  nginx: "nginx-light",
  openssl: "openssl",
  prlimit: "util-linux",
  promtool: "prometheus",
  python3: "python3",
  script: "bsdutils",
  strace: "strace",
  "systemd-analyze": "systemd",
  testssl: "testssl.sh",
  wrk: "wrk",
} as const;

export type Tool = keyof typeof PACKAGES;

/** Two test processes may want the same package at the same moment; only one may run apt-get. */
const LOCK = "/tmp/zproxy-test-apt.lock";

/** Absolute path of a program on PATH or in the administrator's folders; undefined if absent. */
export function findTool(tool: Tool): string | undefined {
  const folders = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`.split(":");
  return folders.map((folder) => join(folder, tool)).find((path) => existsSync(path));
}

/**
 * Absolute path of a program, installed on the way if need be. When it cannot be had, the test is
 * marked as skipped and undefined is returned; the test must then return.
 */
export function requireTool(context: TestContext, tool: Tool): string | undefined {
  const path = findTool(tool) ?? install(tool);
  if (path === undefined) context.skip(`${tool} is missing; install the package ${PACKAGES[tool]}`);
  return path;
}

function install(tool: Tool): string | undefined {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return undefined;
  const apt = `apt-get install -y --no-install-recommends ${PACKAGES[tool]}`;
  // A fresh container has no package lists, so a first failure earns an update and a second try.
  const script = `command -v ${tool} || ${apt} || { apt-get update && ${apt}; }`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("flock", [LOCK, "sh", "-c", script], { env, stdio: "ignore" });
  return findTool(tool);
}
