// Upstream names to addresses, on the main thread: at start and again every half minute. A name
// that does not resolve never stops the start; its server has no addresses until it does.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "pino";
import type { Facts } from "./bundle.ts";
import type { ServerAddresses } from "./messages.ts";

const REFRESH_MS = 30_000;
/** How long the start waits for names; what is not known by then comes with the refresh. */
const START_WAIT_MS = 5_000;

export type OnAddresses = (group: number, server: number, addresses: ServerAddresses) => void;

export class Resolver {
  private readonly program: Facts;
  private readonly logger: Logger;
  private readonly onAddresses: OnAddresses;
  private readonly current: ServerAddresses[][];
  private timer: NodeJS.Timeout | null = null;

  constructor(program: Facts, logger: Logger, onAddresses: OnAddresses) {
    this.program = program;
    this.logger = logger;
    this.onAddresses = onAddresses;
    this.current = program.upstreams.map((group) =>
      group.servers.map((server) => (isIP(server.host) === 0 ? [] : [server.host])),
    );
  }

  get addresses(): readonly (readonly ServerAddresses[])[] {
    return this.current;
  }

  /** Resolves every name once, waiting a bounded time, and keeps them fresh from then on. */
  async start(): Promise<void> {
    if (this.program.upstreams.every((group) => group.servers.every((s) => isIP(s.host) !== 0)))
      return;
    const waited = new Promise<void>((done) => setTimeout(done, START_WAIT_MS).unref());
    await Promise.race([this.refresh(), waited]);
    this.timer = setInterval(() => void this.refresh(), REFRESH_MS);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  private async refresh(): Promise<void> {
    const names = new Map<string, Promise<ServerAddresses | null>>();
    const work: Promise<void>[] = [];
    this.program.upstreams.forEach((group, groupIndex) => {
      group.servers.forEach((server, serverIndex) => {
        if (isIP(server.host) !== 0) return;
        const found = names.get(server.host) ?? this.resolve(server.host);
        names.set(server.host, found);
        work.push(found.then((addresses) => this.set(groupIndex, serverIndex, addresses)));
      });
    });
    await Promise.all(work);
  }

  private async resolve(host: string): Promise<ServerAddresses | null> {
    try {
      const found = await lookup(host, { all: true });
      return found.map((entry) => entry.address);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.logger.warn(`Upstream name "${host}" does not resolve (${code}); will try again`);
      return null;
    }
  }

  /** Keeps the last known addresses when a name fails to resolve. */
  private set(group: number, server: number, addresses: ServerAddresses | null): void {
    const servers = this.current[group]!;
    if (addresses === null || addresses.join() === servers[server]!.join()) return;
    servers[server] = addresses;
    this.onAddresses(group, server, addresses);
  }
}
