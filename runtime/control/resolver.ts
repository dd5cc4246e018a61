// Upstream names to addresses, on the main thread: at start, again every half minute, and every
// second while a name has no address at all. A name that does not resolve never stops the start;
// its server has no addresses until it does. A reload begins with what was known before it.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "pino";
import type { Facts } from "./bundle.ts";
import type { ServerAddresses } from "./messages.ts";
import { ADDRESSES_MAX } from "./worker-sizes.ts";

const REFRESH_MS = 30_000;
/** Nothing can be sent to a server whose name has never resolved. */
const RETRY_MS = 1_000;
/** How long the start waits for names; what is not known by then comes with a later try. */
const START_WAIT_MS = 5_000;

/** Names to their addresses. */
export type KnownNames = ReadonlyMap<string, ServerAddresses>;

export type OnAddresses = (group: number, server: number, addresses: ServerAddresses) => void;

/** All addresses of a name, the preferred ones first; rejects with an error that has a `code`. */
export type Lookup = (host: string) => Promise<ServerAddresses>;

interface Name {
  readonly host: string;
  /** The servers that it stands for: group and index. */
  readonly servers: (readonly [group: number, server: number])[];
  addresses: ServerAddresses;
  /** A lookup is under way; one that hangs must not have others pile up behind it. */
  asked: boolean;
  /** The last lookup has failed. */
  failing: boolean;
  /** It was said that not all of its addresses are used. */
  cut: boolean;
}

export class Resolver {
  private readonly logger: Logger;
  private readonly onAddresses: OnAddresses;
  private readonly lookup: Lookup;
  private readonly names = new Map<string, Name>();
  private readonly current: ServerAddresses[][];
  private readonly timers: NodeJS.Timeout[] = [];
  private stopped = false;

  /** `known`: what was found before, which is used until names resolve anew. */
  constructor(
    { upstreams }: Pick<Facts, "upstreams">,
    logger: Logger,
    onAddresses: OnAddresses,
    known: KnownNames = new Map(),
    lookup: Lookup = systemLookup,
  ) {
    this.logger = logger;
    this.onAddresses = onAddresses;
    this.lookup = lookup;
    this.current = upstreams.map(({ servers }, group) =>
      servers.map(({ host }, server) => {
        if (isIP(host) !== 0) return [host];
        const name = this.nameOf(host, known.get(host) ?? []);
        name.servers.push([group, server]);
        return name.addresses;
      }),
    );
  }

  get addresses(): readonly (readonly ServerAddresses[])[] {
    return this.current;
  }

  get known(): KnownNames {
    return new Map([...this.names.values()].map(({ host, addresses }) => [host, addresses]));
  }

  /** Resolves every name once, waiting a bounded time, and keeps them fresh from then on. */
  async start(): Promise<void> {
    if (this.names.size === 0) return;
    const waited = new Promise<void>((done) => setTimeout(done, START_WAIT_MS).unref());
    await Promise.race([this.refresh(), waited]);
    if (this.stopped) return;
    this.timers.push(
      setInterval(() => void this.refresh(), REFRESH_MS),
      setInterval(() => this.retry(), RETRY_MS),
    );
    for (const timer of this.timers) timer.unref();
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
  }

  private nameOf(host: string, addresses: ServerAddresses): Name {
    const named = this.names.get(host);
    if (named !== undefined) return named;
    const name: Name = {
      host,
      servers: [],
      addresses,
      asked: false,
      failing: false,
      cut: false,
    };
    this.names.set(host, name);
    return name;
  }

  private async refresh(): Promise<void> {
    await Promise.all([...this.names.values()].map((name) => this.resolve(name, true)));
  }

  private retry(): void {
    for (const name of this.names.values())
      if (name.addresses.length === 0) void this.resolve(name, false);
  }

  /** Keeps the last known addresses when a name fails to resolve. `says`: in the log. */
  private async resolve(name: Name, says: boolean): Promise<void> {
    if (name.asked) return;
    name.asked = true;
    const found = await this.lookup(name.host).catch((error: NodeJS.ErrnoException) => error);
    name.asked = false;
    if (found instanceof Error) {
      name.failing = true;
      const text = `Upstream name "${name.host}" does not resolve (${found.code}); will try again`;
      if (says) this.logger.warn(text);
      return;
    }
    if (name.failing) this.logger.info(`Upstream name "${name.host}" resolves now`);
    name.failing = false;
    this.take(name, found);
  }

  private take(name: Name, found: ServerAddresses): void {
    const all = [...new Set(found)];
    const addresses = all.slice(0, ADDRESSES_MAX);
    if (all.length > addresses.length && !name.cut) {
      name.cut = true;
      this.logger.warn(
        `Upstream name "${name.host}" has ${all.length} addresses; the first ${ADDRESSES_MAX} are used`,
      );
    }
    if (addresses.join() === name.addresses.join()) return;
    name.addresses = addresses;
    for (const [group, server] of name.servers) {
      this.current[group]![server] = addresses;
      this.onAddresses(group, server, addresses);
    }
  }
}

async function systemLookup(host: string): Promise<ServerAddresses> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}
