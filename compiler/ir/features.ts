// Which parts of the runtime a configuration needs; the others are left out of its bundle.

import type { Ir, RouteIr, TargetIr, UpstreamIr } from "./ir.ts";

export interface Features {
  /** Some route passes requests on. */
  readonly proxyRoutes: boolean;
  /** Some route serves files. */
  readonly fileRoutes: boolean;
  /** Some route limits how often a client may come. */
  readonly rateLimits: boolean;
  /** Clients or servers are spoken to with TLS. */
  readonly tls: boolean;
  /** Some group of servers is checked. */
  readonly healthChecks: boolean;
  /** Requests are told to the log or to the metrics. */
  readonly observed: boolean;
}

export const NO_FEATURES: Features = {
  proxyRoutes: false,
  fileRoutes: false,
  rateLimits: false,
  tls: false,
  healthChecks: false,
  observed: false,
};

export function featuresOf({ server, routes, upstreams }: Ir): Features {
  const targets = routes.flatMap(targetsOf);
  return {
    proxyRoutes: targets.some(({ kind }) => kind === "proxy"),
    fileRoutes: targets.some(({ kind }) => kind === "file"),
    rateLimits: routes.some(({ limits }) => limits.rateLimitRequestsPerMin > 0),
    tls: server.tls !== undefined || upstreams.some(usesTls),
    healthChecks: upstreams.some(({ healthCheck }) => healthCheck !== undefined),
    observed: server.logging.accessLog || server.admin !== undefined,
  };
}

/** What the bundler defines for the runtime; see runtime/data/build-flags.d.ts. */
export function flagsOf(features: Features): Record<string, string> {
  return {
    CHECKS: "false",
    PROXY_ROUTES: String(features.proxyRoutes),
    FILE_ROUTES: String(features.fileRoutes),
    RATE_LIMITS: String(features.rateLimits),
    OBSERVED: String(features.observed),
    TLS: String(features.tls),
  };
}

/** Code that stands for no configuration can do everything. */
export const ALL_FEATURES: Features = {
  proxyRoutes: true,
  fileRoutes: true,
  rateLimits: true,
  tls: true,
  healthChecks: true,
  observed: true,
};

/** Everything that a route may do with a request. */
export function targetsOf({ target, when }: RouteIr): TargetIr[] {
  return [target, ...when.map((other) => other.target)];
}

function usesTls({ servers }: UpstreamIr): boolean {
  return servers.some(({ tls }) => tls);
}
