// zproxy itself: compiled by the real command, started from the shipped bundle. A bundle can be
// saved with the files it serves, so that a later build is compared with exactly what was shipped.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Certificate, tlsSection } from "../lib/certificates.ts";
import { runProcess, TestProcess } from "../lib/process.ts";
import { type BenchServer, freePorts, type Surroundings } from "./bench-server.ts";
import { pinned } from "./machine.ts";
import { PATHS, type Site, writeSite } from "./site.ts";

/** The command under measurement. */
export const COMMAND = resolve("build/zproxy.mjs");
/** What makes the command and the addon from this checkout; the latter only when it is stale. */
const BUILDS = ["native/build.mjs", "compiler/build.mjs"];
const READY_LINE = /^zproxy listening on (https?:\/\/\S+)$/m;

export interface StartOptions {
  /** Options of Node itself, such as --expose-gc. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Builds command and addon from this checkout, so that no stale one is measured. */
export async function buildCommand(): Promise<void> {
  for (const script of BUILDS) {
    const result = await runProcess(process.execPath, [script]);
    if (!result.ok) throw new Error(`${script} failed:\n${result.stdout}${result.stderr}`);
  }
  if (!existsSync(COMMAND)) throw new Error(`compiler/build.mjs did not make ${COMMAND}`);
}

/** Compiles the bench's configuration into `folder`/dist. */
export async function compileZproxy(
  folder: string,
  site: Site,
  backendPort: number,
  io: "auto" | "epoll" = "auto",
  certificate?: Certificate,
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const performance = `[performance]\nio = "${io}"\n`;
  const tls = certificate === undefined ? "" : tlsSection(certificate);
  writeFileSync(join(folder, "config.toml"), zproxyConfig(site, backendPort) + performance + tls);
  const args = [COMMAND, "compile", "config.toml", "-o", "dist"];
  const result = await runProcess(process.execPath, args, { cwd: folder });
  if (!result.ok) throw new Error(`zproxy compile failed:\n${result.stdout}${result.stderr}`);
  return join(folder, "dist");
}

/** Starts a bundle pinned to one CPU and waits for its ready line. */
export async function startBundle(
  name: "zproxy" | "epoll" | "before",
  dist: string,
  cpu: number,
  options: StartOptions = {},
): Promise<BenchServer> {
  const node = [process.execPath, ...(options.nodeArgs ?? []), "server.cjs"];
  const [command, ...args] = [...pinned(cpu), ...node];
  const child = new TestProcess(command, args, { cwd: dist, env: options.env ?? {} });
  const origin = await child.until("its ready line", () => READY_LINE.exec(child.stdout)?.[1]);
  return {
    name,
    origin,
    pids: [child.pid],
    process: child,
    stop: async () => void (await child.stop("SIGTERM")),
  };
}

export async function startZproxy(around: Surroundings): Promise<BenchServer> {
  const { folder, site, backendPort, certificate } = around;
  const dist = await compileZproxy(folder, site, backendPort, "auto", certificate);
  return startBundle("zproxy", dist, around.cpu);
}

/** The backend's address is compiled into a bundle, so a saved one says which port it needs. */
export interface SavedBundle {
  readonly dist: string;
  readonly backendPort: number;
}

const SAVED = "bench.json";

/** Writes `dir`: the bundle, the files it serves, and the port it expects the backend on. */
export async function saveBundle(dir: string): Promise<void> {
  const root = resolve(dir);
  if (existsSync(join(root, SAVED))) throw new Error(`${root} already holds a saved bundle`);
  const [backendPort] = await freePorts(1);
  mkdirSync(root, { recursive: true });
  await compileZproxy(root, writeSite(join(root, "site")), backendPort);
  writeFileSync(join(root, SAVED), `${JSON.stringify({ backendPort })}\n`);
}

export function readSavedBundle(dir: string): SavedBundle {
  const root = resolve(dir);
  if (!existsSync(join(root, SAVED))) throw new Error(`${root} was not made by --save-dir`);
  const { backendPort } = JSON.parse(readFileSync(join(root, SAVED), "utf8")) as SavedBundle;
  return { dist: join(root, "dist"), backendPort };
}

function zproxyConfig(site: Site, backendPort: number): string {
  const host = 'path_routes."127.0.0.1"';
  return `[server]
listen = "127.0.0.1:0"
threads = 1

[logging]
level = "warn"

[${host}."/"]
type = "Proxy"
url = "http://127.0.0.1:${backendPort}"

[${host}."/".security]
max_idle_connections_per_host = 256

[${host}."/files"]
type = "File"
path = "${site.root}/files"

[${host}."${PATHS.memory}"]
type = "File"
path = "${site.root}${PATHS.memoryFile}"
mode = "memory"
`;
}
