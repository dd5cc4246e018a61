// Which routes, rules and limits the tests of a configuration reach. A rule is reached when it
// decided: the block that denied or allowed a client, the method that passed, the refusal of all
// others; a limit on sizes when it refused.

import { OWN_TARGET } from "../2-check/rules/conditions.ts";
import type { Ir, RouteIr, RouteLimitsIr } from "../ir/ir.ts";
import { type Check, type Decision, decidingBlock } from "./decision.ts";

export interface CoveredItem {
  /** How the configuration calls it. */
  readonly name: string;
  readonly reached: boolean;
}

export interface Coverage {
  readonly routes: readonly CoveredItem[];
  readonly rules: readonly CoveredItem[];
  /** Those that a route sets itself. */
  readonly limits: readonly CoveredItem[];
}

export function coverageOf(ir: Ir, decisions: readonly Decision[]): Coverage {
  const byRoute = new Map<string | undefined, Decision[]>();
  for (const decision of decisions) {
    const list = byRoute.get(decision.route);
    if (list === undefined) byRoute.set(decision.route, [decision]);
    else list.push(decision);
  }
  const reachedBy = ({ key }: RouteIr): Decision[] => byRoute.get(key) ?? [];
  return {
    routes: ir.routes.map((route) => ({ name: route.key, reached: reachedBy(route).length > 0 })),
    rules: ir.routes.flatMap((route) => rulesOf(route, reachedBy(route))),
    limits: ir.routes.flatMap((route) => limitsOf(route, ir.limits, reachedBy(route))),
  };
}

function rulesOf(route: RouteIr, decisions: readonly Decision[]): CoveredItem[] {
  const asked = decisions.filter(({ checks }) => checks.some(({ name }) => name === "client"));
  const deciding = new Set(asked.map((it) => decidingBlock(route, it.clientWords)));
  const blocks = [
    ...route.deniedClients.map((block) => ({ block, list: "denied_ips" })),
    ...route.allowedClients.map((block) => ({ block, list: "allowed_ips" })),
  ].map(({ block, list }) => ({
    name: `${route.key}.security.${list} ${block.text}`,
    reached: deciding.has(block),
  }));
  return [...blocks, ...methodRules(route, decisions), ...targetRules(route, decisions)];
}

/** Each condition that took a request, and the route's own target behind all of them. */
function targetRules({ key, when }: RouteIr, decisions: readonly Decision[]): CoveredItem[] {
  if (when.length === 0) return [];
  const took = new Set(decisions.map((decision) => decision.when));
  return [
    ...when.map((other) => ({ name: other.key, reached: took.has(other.name) })),
    { name: `${key}.when, none of them`, reached: took.has(OWN_TARGET) },
  ];
}

function methodRules(route: RouteIr, decisions: readonly Decision[]): CoveredItem[] {
  if (route.allowedMethods.length === 0) return [];
  const asked = decisions.flatMap(({ request, checks }) => {
    const check = checks.find(({ name }) => name === "method");
    return check === undefined ? [] : [{ method: request.split(" ")[0], status: check.status }];
  });
  const key = `${route.key}.security.allowed_methods`;
  return [
    ...route.allowedMethods.map(({ text }) => ({
      name: `${key} ${text}`,
      reached: asked.some(({ method, status }) => status === 0 && method === text),
    })),
    { name: `${key}, another method`, reached: asked.some(({ status }) => status !== 0) },
  ];
}

interface LimitReach {
  readonly name: keyof RouteLimitsIr;
  readonly key: string;
  /** Whether a request meets it, as far as requests without a server can. */
  readonly meets: (decision: Decision) => boolean;
}

const LIMITS: readonly LimitReach[] = [
  {
    name: "maxRequestHeaderSize",
    key: "max_request_header_size, a larger head",
    meets: ({ checks }) => isRefused(checks, "header size"),
  },
  {
    name: "maxRequestBodySize",
    key: "max_request_body_size, a larger body",
    meets: ({ checks }) => isRefused(checks, "body size"),
  },
  {
    name: "maxChunkedBodySize",
    key: "max_chunked_body_size, a chunked body",
    meets: ({ chunked, checks }) => chunked && checks.some(({ name }) => name === "body size"),
  },
  {
    name: "rateLimitRequestsPerMin",
    key: "rate_limit_requests_per_min",
    meets: ({ checks }) => checks.some(({ name }) => name === "rate"),
  },
];

function isRefused(checks: readonly Check[], name: string): boolean {
  return checks.some((check) => check.name === name && check.status !== 0);
}

function limitsOf(
  { key, limits }: RouteIr,
  usual: RouteLimitsIr,
  decisions: readonly Decision[],
): CoveredItem[] {
  return LIMITS.filter(({ name }) => limits[name] !== usual[name]).map((limit) => ({
    name: `${key}.security.${limit.key}`,
    reached: decisions.some(limit.meets),
  }));
}

/** What is not reached, by name, below the counts. */
export function printCoverage({ routes, rules, limits }: Coverage): string {
  const others = Object.entries({ rules, limits }).filter(([, items]) => items.length > 0);
  return [["routes", routes] as const, ...others]
    .map(([title, items]) => section(title, items))
    .join("");
}

function section(title: string, items: readonly CoveredItem[]): string {
  const missed = items.filter(({ reached }) => !reached);
  const count = `${items.length - missed.length} of ${items.length} ${title} reached`;
  return `${[count, ...missed.map(({ name }) => `  - ${name}`)].join("\n")}\n`;
}
