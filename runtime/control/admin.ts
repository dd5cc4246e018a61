// What the administrator's server shows, gathered from where it is known.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Program } from "../data/api.ts";
import { MetricsReader, metricsMemory } from "../data/metrics.ts";
import { AdminServer } from "./admin-server.ts";
import { metricsText } from "./metrics-text.ts";
import type { CertificateTime } from "./tls-keys.ts";
import type { GroupStatus } from "./upstream-status.ts";

/** What the supervisor knows, at the moment it is asked. */
export interface AdminView {
  upstreams(): readonly GroupStatus[];
  logDropped(): number;
  /** Workers that serve, of how many. */
  workers(): { readonly serving: number; readonly wanted: number };
  /** Of the servers that clients see. */
  certificates(): readonly CertificateTime[];
  isStopping(): boolean;
}

interface Manifest {
  readonly compilerVersion?: string;
  readonly configHash?: string;
}

export class Admin {
  /** Workers that died. */
  workerRestarts = 0;
  private readonly program: Program;
  private readonly view: AdminView;
  private readonly manifestText: string;
  private readonly manifest: Manifest;
  /** By worker; a worker that takes another one's place goes on counting there. */
  private readonly memories = new Map<number, SharedArrayBuffer>();
  private readonly startedSecs = Date.now() / 1000;

  /** `folder` holds the bundle. */
  constructor(program: Program, folder: string, view: AdminView) {
    this.program = program;
    this.view = view;
    this.manifestText = readManifest(folder);
    this.manifest = JSON.parse(this.manifestText) as Manifest;
  }

  memoryFor(owner: number): SharedArrayBuffer {
    const memory = this.memories.get(owner) ?? metricsMemory(this.program.routes.length);
    this.memories.set(owner, memory);
    return memory;
  }

  /** Answers from now on. Returns the URL; throws `StartError`. */
  listen(): Promise<string> {
    const server = new AdminServer({
      metrics: () => this.metrics(),
      unreadiness: () => this.unreadiness(),
      config: () => this.manifestText,
      upstreams: () => this.view.upstreams(),
    });
    return server.listen(this.program.server.admin!);
  }

  private metrics(): string {
    const { view, manifest } = this;
    const reader = new MetricsReader([...this.memories.values()]);
    return metricsText(this.program, reader, view.upstreams(), {
      workers: view.workers().serving,
      workerRestarts: this.workerRestarts,
      logDropped: view.logDropped(),
      configHash: manifest.configHash ?? "",
      version: manifest.compilerVersion ?? "",
      generation: 1,
      startedSecs: this.startedSecs,
      certificates: view.certificates(),
      residentBytes: process.memoryUsage.rss(),
    });
  }

  private unreadiness(): string {
    if (this.view.isStopping()) return "stopping";
    const { serving, wanted } = this.view.workers();
    return serving > 0 && serving === wanted ? "" : `${serving} of ${wanted} workers serve`;
  }
}

/** A bundle that was put together in another way may come without its manifest. */
function readManifest(folder: string): string {
  try {
    return readFileSync(join(folder, "manifest.json"), "utf8");
  } catch {
    return "{}\n";
  }
}
