// Builds the addon when npm installs the package: native/build/Release/zproxy.node. Says nothing
// when all goes well.
//
//   node native/build.mjs              builds unless the addon is newer than its sources
//   node native/build.mjs --sanitize   builds a copy for tests in native/build-sanitize/, with the
//                                      address and undefined-behaviour sanitizers and -Werror
//
// The work is done in a folder of its own and the result renamed into place, so that two builds at
// once, or a server that starts meanwhile, never see half an addon.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const ADDON = join("Release", "zproxy.node");
const SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined";
const LOG_LINES_MAX = 30;

/** How node-gyp, make and the shell say that make or a compiler is not there. */
const NO_COMPILER =
  /\b(make|cc|gcc|[cg]\+\+): .*(not found|No such file)|(not found|No such file).*\b(make|cc|gcc|[cg]\+\+)/;

/** What the addon is made of: a change of any of these makes it stale. */
function sourceFiles() {
  return readdirSync(folder).filter((name) => /\.(c|cc|h|gyp|mjs)$/.test(name));
}

function isFresh(output) {
  if (!existsSync(output)) return false;
  const builtMs = statSync(output).mtimeMs;
  return sourceFiles().every((name) => statSync(join(folder, name)).mtimeMs < builtMs);
}

/** node-gyp's script: the one npm names, else the one inside the npm on PATH, else undefined. */
function findNodeGyp() {
  const named = process.env.npm_config_node_gyp;
  if (named !== undefined && existsSync(named)) return named;
  const script = join("node_modules", "node-gyp", "bin", "node-gyp.js");
  return [...(process.env.PATH ?? "").split(delimiter), dirname(process.execPath)]
    .map((bin) => join(bin, "npm"))
    .filter((npm) => existsSync(npm))
    .map((npm) => join(dirname(dirname(realpathSync(npm))), script))
    .find((path) => existsSync(path));
}

/** `--nodedir` when this Node brought its headers along, so that nothing is downloaded. */
function headerArguments() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : [];
}

/** What to do about a failed build, judged by node-gyp's output. */
function remedyFor(log) {
  if (/find Python|PYTHON/.test(log)) return "Install Python 3 (Debian: apt install python3).";
  if (NO_COMPILER.test(log)) {
    return "Install make, a C and a C++ compiler (Debian: apt install build-essential).";
  }
  if (/linux\/(io_uring|openat2)\.h|static assertion/.test(log)) {
    return "Install kernel headers of 6.1 or newer (Debian 12: apt install linux-libc-dev).";
  }
  if (/getaddrinfo|ECONNREFUSED|ETIMEDOUT/.test(log)) {
    return "Install Node's headers beside it (include/node), or let node-gyp download them.";
  }
  return "The lines above say why; it takes Python 3, make, a C and a C++ compiler.";
}

function fail(cause, remedy) {
  console.error(`zproxy: ${cause} ${remedy}`);
  process.exitCode = 1;
}

/** Runs node-gyp in `workshop`. `flags` go to compiler and linker. Returns whether it worked. */
function runNodeGyp(workshop, flags) {
  const script = findNodeGyp();
  if (script === undefined) {
    fail("node-gyp was not found.", "Install npm, which brings it, and run npm install again.");
    return false;
  }
  // What node-gyp says is shown only when it fails; then it is needed, however quiet npm is to be.
  const env = { ...process.env, npm_config_loglevel: "warn" };
  if (flags !== "") {
    env.CFLAGS = `${flags} -Werror`;
    env.CXXFLAGS = env.CFLAGS;
    env.LDFLAGS = flags;
  }
  const args = [script, "rebuild", "--loglevel=warn", ...headerArguments()];
  const child = spawnSync(process.execPath, args, { cwd: workshop, env, encoding: "utf8" });
  if (child.status === 0) return true;
  const log = `${child.stdout}${child.stderr}${child.error?.message ?? ""}`;
  console.error(log.trimEnd().split("\n").slice(-LOG_LINES_MAX).join("\n"));
  fail("the native addon could not be built.", remedyFor(log));
  return false;
}

/** Builds into `target`/Release/zproxy.node. */
function build(target, flags) {
  const startSecs = Date.now() / 1000;
  mkdirSync(join(target, dirname(ADDON)), { recursive: true });
  const workshop = mkdtempSync(join(target, "work-"));
  try {
    for (const name of sourceFiles()) copyFileSync(join(folder, name), join(workshop, name));
    if (!runNodeGyp(workshop, flags)) return;
    const built = join(workshop, "build", ADDON);
    // As old as the sources it was made from, so that an edit during the build makes it stale.
    utimesSync(built, startSecs, startSecs);
    renameSync(built, join(target, ADDON));
  } finally {
    rmSync(workshop, { recursive: true });
  }
}

function main() {
  if (process.platform !== "linux") {
    console.log("zproxy: the server needs Linux; here only the compiler's commands will work.");
    return;
  }
  const sanitize = process.argv.includes("--sanitize");
  const target = join(folder, sanitize ? "build-sanitize" : "build");
  if (isFresh(join(target, ADDON))) return;
  build(target, sanitize ? SANITIZERS : "");
}

main();
