// A checked configuration, turned into the IR: defaults filled in, references resolved, orders
// decided. Nothing here can fail; what could was refused by the checks before.

import type { Config } from "../../schema/config.generated.ts";
import type { Ir } from "../ir/ir.ts";
import { defaultLimits, lowerRoutes, placeRoutes } from "./lower-routes.ts";
import { lowerServer } from "./lower-server.ts";
import { lowerUpstreams } from "./lower-upstreams.ts";

/** Lowers a config that has passed every check; asserts where one that has not would go wrong. */
export function lower(config: Config): Ir {
  const placed = placeRoutes(config);
  const targets = placed.flatMap(({ route }) => [route, ...(route.when ?? [])]);
  const proxied = targets.filter(({ type }) => type === "Proxy");
  const upstreams = lowerUpstreams(config, proxied);
  return {
    server: lowerServer(config),
    upstreams: upstreams.all,
    limits: defaultLimits(),
    ...lowerRoutes(placed, upstreams),
  };
}
