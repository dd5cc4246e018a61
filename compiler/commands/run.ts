// zproxy run: compile to a cache folder and serve from there.

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { constants, homedir, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { isatty } from "node:tty";
import {
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  parseCommandLine,
  readConfig,
  UsageError,
} from "./command.ts";
import { compileInto } from "./compile.ts";

const FORWARDED: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGUSR1"];
/** What a shell says for a process that a signal ended. */
const EXIT_SIGNAL_BASE = 128;

export const runCommand: Command = {
  summary: "compile a configuration and serve it",
  help: `zproxy run [config.toml]

Compiles into a cache folder and starts the server from there. Signals are passed on: SIGTERM and
SIGINT stop it, SIGUSR1 reopens the log, and SIGHUP compiles the file again and reloads it. A
configuration with mistakes is reported and the server goes on with the one it has. When the
terminal closes, the server stops.

Exit status: the server's own; 1 the configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { file } = parseCommandLine(args, {});
    if (file === "-") throw new UsageError("run needs a file, which it reads again on SIGHUP");
    if (process.platform !== "linux") {
      process.stderr.write("zproxy: the server runs on Linux only; check and compile work here\n");
      return EXIT_ERRORS;
    }
    const folder = cacheFolder(file);
    const status = await compileInto(readConfig(file), folder);
    return status === EXIT_OK ? serve(file, folder) : status;
  },
};

/** One folder for each configuration file, below the user's cache folder or the temporary one. */
function cacheFolder(file: string): string {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const path = resolve(file);
  const key = createHash("sha256").update(path).digest("hex").slice(0, 16);
  // Root's own folder is closed to the user that the server may become.
  if (process.getuid?.() === 0 && !XDG_CACHE_HOME)
    return join("/var/cache/zproxy", `${basename(path, ".toml")}-${key}`);
  const base = XDG_CACHE_HOME || (HOME ? join(homedir(), ".cache") : tmpdir());
  return join(base, "zproxy", `${basename(path, ".toml")}-${key}`);
}

/** Runs the server until it ends, and returns the status to exit with. */
function serve(file: string, folder: string): Promise<number> {
  // In a process group of its own: Ctrl-C reaches a whole group, and the server would take the
  // terminal's signal and the forwarded one for two, of which the second means "at once".
  const server = spawn(process.execPath, [join(folder, "server.cjs")], {
    stdio: "inherit",
    detached: true,
  });
  const onSignal = (signal: NodeJS.Signals) => server.kill(signal);
  for (const signal of FORWARDED) process.on(signal, onSignal);
  // A terminal that closes sends SIGHUP as well.
  const atTerminal = isatty(0);
  let reloads = Promise.resolve();
  process.on("SIGHUP", () => {
    if (atTerminal && !isatty(0)) server.kill("SIGTERM");
    else reloads = reloads.then(() => reload(file, folder, server)); // one at a time: one folder
  });
  return new Promise((done, fail) => {
    server.once("error", fail);
    server.once("exit", (code, signal) => {
      done(code ?? EXIT_SIGNAL_BASE + constants.signals[signal!]);
    });
  });
}

/** Compiles again and tells the server; with mistakes, tells only the user. */
async function reload(file: string, folder: string, server: ChildProcess): Promise<void> {
  try {
    if ((await compileInto(readConfig(file), folder)) === EXIT_OK) server.kill("SIGHUP");
  } catch (error) {
    process.stderr.write(`zproxy: not reloaded: ${(error as Error).message}\n`);
  }
}
