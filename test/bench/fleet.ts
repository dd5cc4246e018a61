// Starts servers in a temporary folder of their own and takes everything away again at the end.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, type Certificate } from "../lib/certificates.ts";
import { startBackend } from "./backend.ts";
import { type BenchServer, freePorts, type Surroundings } from "./bench-server.ts";
import { startHaproxy } from "./haproxy.ts";
import { type CpuPlan, pinProcess, planCpus } from "./machine.ts";
import { startNginx } from "./nginx.ts";
import type { BackendName, ServerName } from "./options.ts";
import { type Site, writeSite } from "./site.ts";
import {
  buildCommand,
  compileZproxy,
  readSavedBundle,
  type SavedBundle,
  type StartOptions,
  startBundle,
  startZproxy,
} from "./zproxy.ts";

export class Fleet {
  readonly plan: CpuPlan;
  readonly site: Site;
  readonly backend: BenchServer;
  readonly folder: string;
  readonly #backendPort: number;
  readonly #saved: SavedBundle | undefined;
  readonly #running = new Set<BenchServer>();
  readonly #dists = new Map<"zproxy" | "epoll", string>();
  #authority: Authority | undefined;
  #certificate: Certificate | undefined;
  #started = 0;

  private constructor(
    folder: string,
    plan: CpuPlan,
    site: Site,
    backend: BenchServer,
    backendPort: number,
    saved: SavedBundle | undefined,
  ) {
    this.folder = folder;
    this.plan = plan;
    this.site = site;
    this.backend = backend;
    this.#backendPort = backendPort;
    this.#saved = saved;
  }

  /** Moves this process to the load's CPU and starts the backend. */
  static async open(backendName: BackendName, againstDir: string | undefined): Promise<Fleet> {
    const plan = planCpus();
    const folder = mkdtempSync(join(tmpdir(), "zproxy-bench-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    pinProcess(process.pid, plan.load);
    const site = writeSite(join(folder, "site"));
    const saved = againstDir === undefined ? undefined : readSavedBundle(againstDir);
    const [port] = await freePorts(1);
    const ports = saved === undefined ? [port] : [port, saved.backendPort];
    const backend = await startBackend(
      backendName,
      site,
      join(folder, "backend"),
      plan.load,
      ports,
    );
    return new Fleet(folder, plan, site, backend, port, saved);
  }

  /** Starts one more server. `options` are for zproxy; the peers have none. */
  async start(name: ServerName, options: StartOptions = {}): Promise<BenchServer> {
    const server = await this.#start(name, options);
    this.#running.add(server);
    return server;
  }

  /** Starts one more server, which speaks TLS with a P-256 certificate. */
  async startSecure(name: "zproxy" | "nginx"): Promise<BenchServer> {
    this.#authority ??= new Authority();
    this.#certificate ??= this.#authority.issue({ names: ["IP:127.0.0.1"] });
    if (name === "zproxy") await buildCommand();
    const around = { ...this.#surroundings(`${name}-tls`), certificate: this.#certificate };
    const server = await (name === "nginx" ? startNginx(around) : startZproxy(around));
    this.#running.add(server);
    return server;
  }

  #surroundings(name: string): Surroundings {
    return {
      site: this.site,
      backendPort: this.#backendPort,
      folder: join(this.folder, `${name}-${this.#started++}`),
      cpu: this.plan.server,
    };
  }

  async stop(server: BenchServer): Promise<void> {
    this.#running.delete(server);
    await server.stop();
  }

  async close(): Promise<void> {
    for (const server of this.#running) await this.stop(server);
    await this.backend.stop();
    this.#authority?.remove();
  }

  async #start(name: ServerName, options: StartOptions): Promise<BenchServer> {
    const around = this.#surroundings(name);
    if (name === "nginx") return startNginx(around);
    if (name === "haproxy") return startHaproxy(around);
    if (name === "before") {
      if (this.#saved === undefined) throw new Error("there is no saved bundle to start");
      return startBundle("before", this.#saved.dist, around.cpu, options);
    }
    let dist = this.#dists.get(name);
    if (dist === undefined) {
      await buildCommand();
      const io = name === "epoll" ? "epoll" : "auto";
      dist = await compileZproxy(around.folder, this.site, this.#backendPort, io);
      this.#dists.set(name, dist);
    }
    return startBundle(name, dist, around.cpu, options);
  }
}
