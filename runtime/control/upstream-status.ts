// What is known of the upstream servers at this moment, for the metrics and for people.

import { ServerState } from "../data/server-state.ts";
import { type GroupMemory, serverUrl } from "./balance-memory.ts";
import type { Facts } from "./bundle.ts";
import type { ServerAddresses } from "./messages.ts";

export interface ServerStatus {
  readonly url: string;
  readonly weight: number;
  readonly healthy: boolean;
  /** Requests of all workers. */
  readonly inFlight: number;
  readonly addresses: ServerAddresses;
}

export interface GroupStatus {
  readonly name: string;
  readonly algorithm: string;
  readonly checked: boolean;
  readonly servers: readonly ServerStatus[];
}

/** A group whose name another one has, too, says so: every name stands for one group. */
export function upstreamStatus(
  { upstreams }: Facts,
  memory: readonly GroupMemory[],
  addresses: readonly (readonly ServerAddresses[])[],
): GroupStatus[] {
  const seen = new Map<string, number>();
  return upstreams.map(({ name, algorithm, servers, healthCheck }, group) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return {
      name: count === 1 ? name : `${name} (${count})`,
      algorithm,
      checked: healthCheck !== undefined,
      servers: servers.map((server, index) => {
        const { healthy, inFlight } = new ServerState(memory[group]!.servers[index]!);
        const { weight } = server;
        return {
          url: serverUrl(server),
          weight,
          healthy,
          inFlight,
          addresses: addresses[group]![index]!,
        };
      }),
    };
  });
}
