// Active health checks, on the main thread: asks each server of a group for a path, again and
// again, and tells the workers by a word of shared memory which of them to use.

import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { isIP, type LookupFunction } from "node:net";
import type { Client } from "undici";
import type { HealthCheckSettings } from "../data/api.ts";
import { ServerState } from "../data/server-state.ts";
import { type GroupMemory, serverUrl } from "./balance-memory.ts";
import type { Facts } from "./bundle.ts";
import type { ServerAddresses } from "./messages.ts";
import type { ServerTrust } from "./tls-keys.ts";

/** Of an answer's body this much is read and dropped; the status is what counts. */
const BODY_BYTES_MAX = 65536;

/**
 * The folder that the main thread was started from need not have it, or be there: a link may lead
 * to another one by now.
 */
async function loadClient(bundlePath: string): Promise<typeof import("undici")> {
  try {
    return await import("undici");
  } catch {
    // Node itself remembers where a link has led.
    return createRequire(realpathSync(bundlePath))("./undici.cjs") as typeof import("undici");
  }
}

/** Consecutive results of one server's checks, and what they come to. */
export class HealthVerdict {
  private readonly settings: Pick<HealthCheckSettings, "unhealthyThreshold" | "healthyThreshold">;
  private readonly state: ServerState;
  /** Results in a row that contradict the present state. */
  private against = 0;

  constructor(
    settings: Pick<HealthCheckSettings, "unhealthyThreshold" | "healthyThreshold">,
    state: ServerState,
  ) {
    this.settings = settings;
    this.state = state;
  }

  /** Takes one result. Returns whether it changes the server's state. */
  take(success: boolean): boolean {
    const { healthy } = this.state;
    if (success === healthy) {
      this.against = 0;
      return false;
    }
    const { unhealthyThreshold, healthyThreshold } = this.settings;
    if (++this.against < (healthy ? unhealthyThreshold : healthyThreshold)) return false;
    this.against = 0;
    this.state.healthy = success;
    return true;
  }
}

/** What a check asks, and how. */
interface Target {
  readonly url: string;
  readonly settings: HealthCheckSettings;
  readonly makeClient: () => Client;
}

export class HealthChecks {
  private readonly say: (text: string) => void;
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly clients = new Set<Client>();
  private stopped = false;

  /** `say` takes a line about each server whose state changes. */
  constructor(say: (text: string) => void) {
    this.say = say;
  }

  /**
   * Begins to check the servers of all groups that ask for it. `trusts`: of each group, read by
   * whoever still might. `addressesOf`: what the workers connect to at the moment. The program's
   * bundle is at `bundlePath`.
   */
  async start(
    program: Facts,
    memory: readonly GroupMemory[],
    trusts: readonly (ServerTrust | undefined)[],
    addressesOf: (group: number, server: number) => ServerAddresses,
    bundlePath: string,
  ): Promise<void> {
    for (const [group, { servers, healthCheck }] of program.upstreams.entries()) {
      // What an earlier configuration's checks have found is nobody's business any more.
      if (healthCheck !== undefined) continue;
      for (const index of servers.keys())
        new ServerState(memory[group]!.servers[index]!).healthy = true;
    }
    if (program.upstreams.every((group) => group.healthCheck === undefined)) return;
    // Loaded only here: every worker runs the same bundle and has no use for it.
    const { buildConnector, Client } = await loadClient(bundlePath);
    if (this.stopped) return;
    program.upstreams.forEach(({ servers, healthCheck: settings }, group) => {
      if (settings === undefined) return;
      servers.forEach((server, index) => {
        const state = new ServerState(memory[group]!.servers[index]!);
        const verdict = new HealthVerdict(settings, state);
        const url = serverUrl(server);
        // Remembers sessions. A connect that is given up ends with its own time only.
        const connect = buildConnector({
          ...trusts[group],
          timeout: settings.timeoutSecs * 1000,
          lookup: knownNames(() => addressesOf(group, index)),
        });
        const makeClient = () => new Client(url, { pipelining: 0, connect });
        void this.keepChecking({ url, settings, makeClient }, verdict);
      });
    });
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const client of this.clients) void client.destroy();
  }

  private async keepChecking(target: Target, verdict: HealthVerdict): Promise<void> {
    const { url, settings } = target;
    const started = performance.now();
    const success = await this.check(target);
    if (this.stopped) return;
    if (verdict.take(success)) {
      const name = url.replace(/^\w+:\/\//, "");
      this.say(`Upstream ${name} is now ${success ? "healthy" : "unhealthy"}`);
    }
    const rest = Math.max(0, settings.intervalSecs * 1000 - (performance.now() - started));
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      void this.keepChecking(target, verdict);
    }, rest);
    this.timers.add(timer);
  }

  /**
   * A client for each check: what is asked is also whether the server accepts a connection, and a
   * client that is still connecting would let the next check wait for that.
   */
  private async check({ makeClient, settings }: Target): Promise<boolean> {
    const client = makeClient();
    this.clients.add(client);
    try {
      return await succeeds(client, settings);
    } finally {
      this.clients.delete(client);
      void client.destroy();
    }
  }
}

/**
 * Looks names up in what is known. A check that asked for itself would find servers ill whenever
 * the name server is, while workers go on with the addresses that they have.
 */
function knownNames(addresses: () => ServerAddresses): LookupFunction {
  return (host, { all }, done) => {
    const known = addresses().map((address) => ({ address, family: isIP(address) }));
    const [first] = known;
    process.nextTick(() => {
      if (first === undefined) done(new Error(`${host} has no address`), []);
      else if (all === true) done(null, known);
      else done(null, first.address, first.family);
    });
  };
}

/** One check: whether a status that counts came in time. Redirects are answers like others. */
async function succeeds(
  client: Client,
  { path, timeoutSecs, healthyStatuses }: HealthCheckSettings,
): Promise<boolean> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutSecs * 1000);
  try {
    const { statusCode, body } = await client.request({
      method: "GET",
      path,
      headers: { "user-agent": "zproxy" },
      signal: abort.signal,
    });
    await body.dump({ limit: BODY_BYTES_MAX }).catch(() => {});
    return healthyStatuses.includes(statusCode);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    abort.abort(); // what is left of a longer body is not waited for
  }
}
