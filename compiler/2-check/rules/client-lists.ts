// What lists of client addresses come to together: entries that change nothing, and rules that let
// nobody in.

import type { KeyPath } from "../../1-read/key-path.ts";
import {
  type AddressRange,
  coveredEntries,
  EVERY_ADDRESS,
  EVERY_IPV4,
  EVERY_IPV6,
  holds,
  includes,
  meets,
  parseRange,
  unite,
} from "../values/address-range.ts";
import { hearsLocalClientsOnly, isLocal, reportBehindProxy } from "./local-clients.ts";
import { type PlacedRoute, type RuleContext, routesOf } from "./rule.ts";

interface Entry {
  readonly text: string;
  readonly path: KeyPath;
  readonly range: AddressRange;
}

export function checkClientLists(context: RuleContext): void {
  const trusted = entriesOf(context.config.server?.trusted_proxies, ["server", "trusted_proxies"]);
  reportCovered(context, trusted);
  for (const { path, range, text } of trusted) {
    if (!holds(range, EVERY_IPV4) && !holds(range, EVERY_IPV6)) continue;
    const span = context.locator.value(path);
    context.report.add("server/trusts-everyone", span, { value: JSON.stringify(text) });
  }
  const local = hearsLocalClientsOnly(context);
  for (const placed of routesOf(context)) checkRoute(context, placed, local);
}

function checkRoute(context: RuleContext, { route, path }: PlacedRoute, local: boolean): void {
  const allowed = entriesOf(route.security?.allowed_ips, [...path, "security", "allowed_ips"]);
  const denied = entriesOf(route.security?.denied_ips, [...path, "security", "denied_ips"]);
  reportCovered(context, allowed);
  reportCovered(context, denied);
  const all = [...allowed, ...denied];
  if (local && all.length > 0 && !all.some(({ text }) => isLocal(text))) {
    reportBehindProxy(context, context.locator.key(all[0]!.path.slice(0, -1)));
  }
  const refused = unite(denied.map(({ range }) => range));
  const useless = allowed.filter(({ range }) => includes(refused, range));
  const everyone = EVERY_ADDRESS.every((range) => includes(refused, range));
  if (allowed.length > 0 ? useless.length === allowed.length : everyone) {
    return reportNobody(context, path, allowed.length > 0);
  }
  for (const entry of useless) reportNeverMatches(context, entry, "every address of it is denied");
  if (allowed.length === 0) return;
  const admitted = unite(allowed.map(({ range }) => range));
  const outside = denied.filter(({ range }) => !meets(admitted, range));
  for (const entry of outside) reportNeverMatches(context, entry, "none of it is in allowed_ips");
}

function entriesOf(list: readonly string[] | undefined, path: KeyPath): Entry[] {
  const entries: Entry[] = [];
  list?.forEach((text, index) => {
    const range = parseRange(text);
    if (range !== undefined) entries.push({ text, path: [...path, index], range });
  });
  return entries;
}

/** Of two that are the same, the second is the one too many. */
function reportCovered({ locator, report }: RuleContext, entries: readonly Entry[]): void {
  for (const { entry, outer } of coveredEntries(entries)) {
    const params = { value: JSON.stringify(entry.text), outer: JSON.stringify(outer.text) };
    const labels = [{ span: locator.value(outer.path), text: "this covers it" }];
    report.add("cidr/covered", locator.value(entry.path), params, { labels });
  }
}

function reportNeverMatches(
  { locator, report }: RuleContext,
  { text, path }: Entry,
  reason: string,
): void {
  report.add("cidr/never-matches", locator.value(path), { value: JSON.stringify(text), reason });
}

function reportNobody({ locator, report }: RuleContext, path: KeyPath, listed: boolean): void {
  const allowed = locator.key([...path, "security", "allowed_ips"]);
  const labels = listed ? [{ span: allowed, text: "all of these are denied" }] : [];
  report.add("route/no-client", locator.key([...path, "security", "denied_ips"]), {}, { labels });
}
