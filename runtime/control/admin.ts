// What the administrator's server shows, gathered from where it is known.

import type { ListenAddress } from "../data/api.ts";
import { type Counts, MetricsReader } from "../data/metrics.ts";
import { AdminServer } from "./admin-server.ts";
import type { Bundle, Facts } from "./bundle.ts";
import { metricsText } from "./metrics-text.ts";
import type { LoadedCertificate } from "./tls-keys.ts";
import type { GroupStatus } from "./upstream-status.ts";

/** What the supervisor knows, at the moment it is asked. */
export interface AdminView {
  /** The program that is served, and where it comes from. */
  program(): Facts;
  bundle(): Bundle;
  /** Configurations loaded so far. */
  generation(): number;
  counts(): readonly Counts[];
  /** Workers that died. */
  workerRestarts(): number;
  upstreams(): readonly GroupStatus[];
  logDropped(): number;
  /** Workers that serve, of how many. */
  workers(): { readonly serving: number; readonly wanted: number };
  /** Of the servers that clients see. */
  certificates(): readonly LoadedCertificate[];
  isStopping(): boolean;
}

interface Manifest {
  readonly compilerVersion?: string;
  readonly configHash?: string;
}

export class Admin {
  private readonly view: AdminView;
  private readonly startedSecs = Date.now() / 1000;
  private server: AdminServer | null = null;
  private address = "";
  /** What takes the server's place when the next configuration does. */
  private next: { server: AdminServer | null; address: string; url: string } | null = null;

  constructor(view: AdminView) {
    this.view = view;
  }

  /**
   * Answers on `address` beside where it answers already, until `settle` or `cancel`. Throws a
   * `StartError`.
   */
  async listen(address: ListenAddress | undefined): Promise<void> {
    const name = address === undefined ? "" : `${address.address} ${address.port}`;
    if (name === this.address) return;
    if (address === undefined) {
      this.next = { server: null, address: name, url: "" };
      return;
    }
    const server = new AdminServer({
      metrics: () => this.metrics(),
      unreadiness: () => this.unreadiness(),
      config: () => this.view.bundle().manifest,
      upstreams: () => this.view.upstreams(),
    });
    this.next = { server, address: name, url: await server.listen(address) };
  }

  /** Answers where it was last told to, and nowhere else. Returns the URL, "" if nothing is new. */
  settle(): string {
    if (this.next === null) return "";
    const { server, address, url } = this.next;
    this.server?.close();
    this.server = server;
    this.address = address;
    this.next = null;
    return url;
  }

  /** Answers where it did before it was last told to listen. */
  cancel(): void {
    this.next?.server?.close();
    this.next = null;
  }

  private metrics(): string {
    const { view } = this;
    const manifest = JSON.parse(view.bundle().manifest) as Manifest;
    return metricsText(view.program(), new MetricsReader(view.counts()), view.upstreams(), {
      workers: view.workers().serving,
      workerRestarts: view.workerRestarts(),
      logDropped: view.logDropped(),
      configHash: manifest.configHash ?? "",
      version: manifest.compilerVersion ?? "",
      generation: view.generation(),
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
