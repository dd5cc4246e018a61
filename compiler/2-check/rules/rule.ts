// What a rule is given, and the walks that most rules need.

import type { KeyPath } from "../../1-read/key-path.ts";
import type { Locator } from "../../1-read/locator.ts";
import type { Report } from "../../diagnostics/report.ts";
import type { DraftConfig, DraftRoute, DraftTarget } from "../draft.ts";

export interface RuleContext {
  readonly config: DraftConfig;
  readonly locator: Locator;
  readonly report: Report;
  /**
   * True when the schema refused something at this path or below it: a rule about what is missing
   * there must be silent, because the mistake is already told.
   */
  readonly damaged: (path: KeyPath) => boolean;
}

/** Looks at the configuration and reports; rules do not depend on each other. */
export type Rule = (context: RuleContext) => void;

/** An address of `server.listen` as it is written, and where. */
export interface PlacedListen {
  readonly text: string;
  readonly path: KeyPath;
}

export function listensOf({ config }: RuleContext): PlacedListen[] {
  const listen = config.server?.listen;
  const path = ["server", "listen"];
  if (typeof listen === "string") return [{ text: listen, path }];
  const placed: PlacedListen[] = [];
  listen?.forEach((text, index) => void placed.push({ text, path: [...path, index] }));
  return placed;
}

export interface PlacedRoute {
  readonly route: DraftRoute;
  readonly path: KeyPath;
  /** `HOST:PATH`, or `HOST` for a host route: how messages call it. */
  readonly name: string;
}

const knownRoutes = new WeakMap<DraftConfig, readonly PlacedRoute[]>();

/** All routes in declared order, host routes first. */
export function routesOf(context: RuleContext): readonly PlacedRoute[] {
  // Every rule asks for them, and there may be ten thousand.
  const known = knownRoutes.get(context.config) ?? collectRoutes(context);
  knownRoutes.set(context.config, known);
  return known;
}

function collectRoutes({ config, locator }: RuleContext): readonly PlacedRoute[] {
  const routes: PlacedRoute[] = [];
  for (const host of locator.keysOf(["host_routes"])) {
    const route = config.host_routes?.[host];
    if (route !== undefined) routes.push({ route, path: ["host_routes", host], name: host });
  }
  for (const host of locator.keysOf(["path_routes"])) {
    for (const prefix of locator.keysOf(["path_routes", host])) {
      const route = config.path_routes?.[host]?.[prefix];
      const path = ["path_routes", host, prefix];
      if (route !== undefined) routes.push({ route, path, name: `${host}:${prefix}` });
    }
  }
  return routes;
}

/** A route or another target of one: what says where requests go. */
export interface PlacedTarget {
  readonly route: DraftRoute | DraftTarget;
  readonly path: KeyPath;
  readonly name: string;
}

/** Every route, each followed by its other targets. */
export function targetsOf(context: RuleContext): PlacedTarget[] {
  return routesOf(context).flatMap(targetsOfRoute);
}

function targetsOfRoute(placed: PlacedRoute): PlacedTarget[] {
  const targets: PlacedTarget[] = [placed];
  placed.route.when?.forEach((route, index) => {
    targets.push({ ...placed, route, path: [...placed.path, "when", index] });
  });
  return targets;
}

/** The types of all targets of a route; one that was refused is undefined. */
export function routeTypes(context: RuleContext, placed: PlacedRoute) {
  return targetsOfRoute(placed).map((target) => routeType(context, target));
}

/** `"Proxy"`, `"File"` (also when absent), or undefined when the type was refused. */
export function routeType({ damaged }: RuleContext, { route, path }: PlacedTarget) {
  return damaged([...path, "type"]) ? undefined : (route.type ?? "File");
}
