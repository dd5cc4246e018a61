// Which parts of the runtime a configuration needs; the others are left out of its bundle.

import type { Ir, UpstreamIr } from "./ir.ts";

export interface Features {
  /** Some route passes requests on. */
  readonly proxyRoutes: boolean;
  /** Clients or servers are spoken to with TLS. */
  readonly tls: boolean;
  /** Some group of servers is checked. */
  readonly healthChecks: boolean;
  /** Requests are told to the log or to the metrics. */
  readonly observed: boolean;
}

export const NO_FEATURES: Features = {
  proxyRoutes: false,
  tls: false,
  healthChecks: false,
  observed: false,
};

export function featuresOf({ server, routes, upstreams }: Ir): Features {
  return {
    proxyRoutes: routes.some(({ target }) => target.kind === "proxy"),
    tls: server.tls !== undefined || upstreams.some(usesTls),
    healthChecks: upstreams.some(({ healthCheck }) => healthCheck !== undefined),
    observed: server.logging.accessLog || server.admin !== undefined,
  };
}

function usesTls({ servers }: UpstreamIr): boolean {
  return servers.some(({ tls }) => tls);
}
