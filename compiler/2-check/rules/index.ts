// Every rule that the schema cannot express, one row each. The order does not matter: diagnostics
// are sorted by their place in the text.

import { checkAdmin } from "./admin.ts";
import { checkCidrs } from "./cidrs.ts";
import { checkClientLists } from "./client-lists.ts";
import { checkConditions } from "./conditions.ts";
import { checkHiddenWildcards } from "./hidden-wildcard.ts";
import { checkHosts } from "./hosts.ts";
import { checkListen } from "./listen.ts";
import { checkMethods } from "./methods.ts";
import { checkAnyRoute } from "./no-route.ts";
import { checkPrefixes } from "./prefixes.ts";
import { checkPrivileges, checkWorkers } from "./process.ts";
import { checkProxyLoops } from "./proxy-loop.ts";
import { checkRouteBackends } from "./route-backend.ts";
import { checkRouteLimits } from "./route-limits.ts";
import { checkRouteTests } from "./route-tests.ts";
import { checkRouteUpstreams, checkUnusedUpstreams } from "./route-upstream.ts";
import { checkRouteUrls } from "./route-url.ts";
import type { Rule } from "./rule.ts";
import { checkTls, checkTrust } from "./tls.ts";
import { checkUnreachable } from "./unreachable.ts";
import { checkHealthPaths, checkUpstreamServers } from "./upstream-servers.ts";
import { checkHealthTimes, checkWeights } from "./upstream-settings.ts";

export const rules: readonly Rule[] = [
  checkListen,
  checkAdmin,
  checkProxyLoops,
  checkWorkers,
  checkPrivileges,
  checkTls,
  checkTrust,
  checkUpstreamServers,
  checkHealthPaths,
  checkHealthTimes,
  checkWeights,
  checkHosts,
  checkPrefixes,
  checkUnreachable,
  checkHiddenWildcards,
  checkAnyRoute,
  checkRouteBackends,
  checkRouteUrls,
  checkRouteUpstreams,
  checkUnusedUpstreams,
  checkMethods,
  checkConditions,
  checkRouteLimits,
  checkCidrs,
  checkClientLists,
  checkRouteTests,
];
