// Settings of routes that no single request shows: limits of rate, time and chunked bodies, how
// servers are verified, how files are sent. Compared between the two routes that take the same
// requests, and the two targets, whatever their keys are: a route that moves keeps no limit.

import { TooManyCases } from "../2-check/condition/solve.ts";
import type { RouteIr, RouteLimitsIr, TargetIr } from "../ir/ir.ts";
import { cellsOf } from "./cells.ts";
import type { SettingChange } from "./change.ts";
import type { Region } from "./regions.ts";
import { settingChange } from "./settings.ts";
import { hasTls } from "./target.ts";

/** What requests show by themselves, and is compared with them. */
const SHOWN_BY_REQUESTS: ReadonlySet<string> = new Set<keyof RouteLimitsIr>([
  "maxRequestBodySize",
  "maxRequestHeaderSize",
]);

export function routeSettings(regions: readonly Region[]): SettingChange[] {
  const changes = new Map<string, SettingChange>();
  const pairs = new Set<string>();
  for (const { before, after } of regions) {
    if (before === undefined || after === undefined) continue;
    const pair = JSON.stringify([before.key, after.key]);
    if (pairs.has(pair)) continue;
    pairs.add(pair);
    for (const change of [...limitChanges(before, after), ...targetChanges(before, after)]) {
      changes.set(JSON.stringify([change.key, change.was]), change);
    }
  }
  return [...changes.values()];
}

function limitChanges(before: RouteIr, after: RouteIr): SettingChange[] {
  const old: ReadonlyMap<string, unknown> = new Map(Object.entries(before.limits));
  return Object.entries(after.limits).flatMap(([field, value]) => {
    if (SHOWN_BY_REQUESTS.has(field)) return [];
    const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const places = [`${before.key}.security`, `${after.key}.security`] as const;
    return settingChange(places, name, old.get(field), value);
  });
}

/** Where the conditions are too many, `changesBetween` says that it does not know. */
function targetChanges(before: RouteIr, after: RouteIr): SettingChange[] {
  try {
    return cellsOf(before, after).flatMap((cell) => {
      const old = heldBy(cell.before.target, cell.after.target);
      const young = heldBy(cell.after.target, cell.before.target);
      return Object.keys({ ...old, ...young }).flatMap((name) =>
        settingChange(cell.keys, name, old[name], young[name]),
      );
    });
  } catch (error) {
    if (!(error instanceof TooManyCases)) throw error;
    return [];
  }
}

/** The settings of a target that mean something beside the other one. */
function heldBy(target: TargetIr, other: TargetIr): Readonly<Record<string, unknown>> {
  if (target.kind === "file") return other.kind === "file" ? { mode: target.mode } : {};
  if (!hasTls(target) || !hasTls(other)) return {};
  const { tlsVerify, tlsCaPath } = target.upstream;
  return { tls_verify: tlsVerify, tls_ca_path: tlsCaPath };
}
