// Whether a changed setting lets more through. One row for each key that can; all others only
// change how the server works.

import type { UpstreamServer } from "../../schema/config.generated.ts";
import { parseRanges, subtract } from "../2-check/values/address-range.ts";
import { parseListenAddress } from "../2-check/values/listen-address.ts";
import { lowerUpstreamServer } from "../3-lower/lower-upstreams.ts";
import type { UpstreamServerIr } from "../ir/ir.ts";
import type { Mark } from "./change.ts";
import { encryptionMark } from "./target.ts";

type Rule = (old: unknown, young: unknown) => Mark;

const RULES: Readonly<Record<string, Rule>> = {
  max_chunked_body_size: largerIsWider,
  client_header_timeout_secs: largerIsWider,
  client_body_timeout_secs: largerIsWider,
  backend_connect_timeout_secs: largerIsWider,
  rate_limit_requests_per_min: (old, young) => largerIsWider(orNoLimit(old), orNoLimit(young)),
  max_concurrent_connections: (old, young) => largerIsWider(orNoLimit(old), orNoLimit(young)),
  trusted_proxies: (old, young) =>
    compare(trusts(old, young).length > 0, trusts(young, old).length > 0),
  listen: (old, young) => compare(opens(old, young).length > 0, opens(young, old).length > 0),
  servers: (old, young) => encryptionMark(serversOf(old), serversOf(young)),
  drop_privileges_user: absentIsWider,
  cert_path: absentIsWider,
  key_path: absentIsWider,
  // One authority's certificates are fewer than those of all that the system trusts.
  tls_ca_path: absentIsWider,
  tls_verify: (_, young) => (young === false ? "wider" : "narrower"),
  min_version: (old, young) => (String(young) < String(old) ? "wider" : "narrower"),
};

/** What is applied at start and at no other time: `changesForRestart` of the runtime. */
const AT_START: ReadonlySet<string> = new Set([
  "server.threads",
  "security.drop_privileges_user",
  "security.drop_privileges_group",
  "performance.io",
  "logging.file_path",
  "logging.channel_size",
  "logging.flush_interval_ms",
  "logging.max_log_size",
]);

/** `key`: the key path. */
export function takesRestart(key: string): boolean {
  return AT_START.has(key);
}

export function markOf(key: string, old: unknown, young: unknown): Mark {
  return Object.hasOwn(RULES, key) ? RULES[key]!(old, young) : "neutral";
}

/** More in one place and less in another is more. */
function compare(more: boolean, less: boolean): Mark {
  if (more) return "wider";
  return less ? "narrower" : "neutral";
}

function largerIsWider(old: unknown, young: unknown): Mark {
  return Number(young) > Number(old) ? "wider" : "narrower";
}

function absentIsWider(old: unknown, young: unknown): Mark {
  return compare(young === undefined, old === undefined);
}

/** A limit of which 0 is none. */
export function orNoLimit(value: unknown): number {
  return value === 0 ? Number.POSITIVE_INFINITY : Number(value);
}

/** Addresses that are trusted now and were not. */
export function trusts(old: unknown, young: unknown) {
  const set = (value: unknown) => parseRanges(asList(value).map(String));
  return subtract(set(young), set(old));
}

/** Addresses that are listened on now and were not, `0.0.0.0` being all of its family. */
export function opens(old: unknown, young: unknown): string[] {
  const before = asList(old).map(String);
  return asList(young)
    .map(String)
    .filter((text) => !before.some((other) => includes(other, text)));
}

function includes(outer: string, inner: string): boolean {
  const a = parseListenAddress(outer);
  const b = parseListenAddress(inner);
  if (!a.ok || !b.ok || a.value.port !== b.value.port) return outer === inner;
  const any = b.value.address.includes(":") ? "::" : "0.0.0.0";
  return a.value.address === b.value.address || a.value.address === any;
}

/** The servers of a group as they hold, its URLs being checked. */
export function serversOf(value: unknown): UpstreamServerIr[] {
  return asList(value).map((server) => lowerUpstreamServer(server as UpstreamServer));
}

export function asList(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
