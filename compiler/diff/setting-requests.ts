// Which requests a changed setting is about, in words. A limit of time or rate needs more than one
// request to show itself, so there is no witness; but it can be said where the border was and is.

import { printSet } from "./address-set.ts";
import { asList, opens, orNoLimit, trusts } from "./setting-marks.ts";

type Describe = (old: unknown, young: unknown) => string;

const DESCRIPTIONS: Readonly<Record<string, Describe>> = {
  max_chunked_body_size: (old, young) => `chunked bodies of ${between(old, young)} bytes`,
  client_header_timeout_secs: (old, young) => `heads that take ${between(old, young)} seconds`,
  client_body_timeout_secs: (old, young) => `bodies that pause for ${between(old, young)} seconds`,
  backend_connect_timeout_secs: (old, young) =>
    `servers that take ${between(old, young)} seconds to connect to`,
  rate_limit_requests_per_min: (old, young) =>
    `clients with ${between(orNoLimit(old), orNoLimit(young))} requests a minute`,
  max_concurrent_connections: (old, young) =>
    `connections when there are ${between(orNoLimit(old), orNoLimit(young))} already`,
  shutdown_timeout_secs: (old, young) =>
    `requests that go on for ${between(orNoLimit(old), orNoLimit(young))} seconds after a stop`,
  trusted_proxies: (old, young) => {
    const more = printSet(trusts(old, young));
    const less = printSet(trusts(young, old));
    const parts = [
      more && `from ${more}, now believed`,
      less && `from ${less}, no longer believed`,
    ];
    return sentence("X-Forwarded-For", parts);
  },
  listen: (old, young) => {
    const more = opens(old, young).join(", ");
    const less = opens(young, old).join(", ");
    const parts = [more && `to ${more}, now taken`, less && `to ${less}, no longer taken`];
    return sentence("connections", parts);
  },
  min_version: () => "clients that speak TLS 1.2 at most",
  tls_verify: () => "servers whose certificate is not trusted",
  tls_ca_path: () => "servers whose certificate another authority has signed",
  algorithm: () => "which server of the group takes a request",
  servers: describeShares,
  interval_secs: () => "how soon a server that fails is passed over, and one that recovers is used",
  timeout_secs: () => "servers that answer checks slowly",
  healthy_statuses: () => "servers that answer checks with other statuses",
  unhealthy_threshold: () => "how soon a server that fails is passed over",
  healthy_threshold: () => "how soon a server that recovers is used again",
  health_check: () => "whether servers that do not answer are passed over",
};

/** Undefined where a setting is about the server's work, and no request is treated differently. */
export function requestsOf(key: string, old: unknown, young: unknown): string | undefined {
  if (!Object.hasOwn(DESCRIPTIONS, key)) return undefined;
  return DESCRIPTIONS[key]!(old, young) || undefined;
}

/** Empty when there is nothing to say. */
function sentence(subject: string, parts: readonly string[]): string {
  const said = parts.filter((part) => part !== "");
  return said.length === 0 ? "" : `${subject} ${said.join("; ")}`;
}

function between(old: unknown, young: unknown): string {
  const from = Math.min(Number(old), Number(young));
  const to = Math.max(Number(old), Number(young));
  return to === Number.POSITIVE_INFINITY ? `more than ${from}` : `more than ${from} up to ${to}`;
}

interface WeightedServer {
  readonly url: string;
  readonly weight?: number;
}

/** Servers that come, go, or have another share of the group's requests. */
function describeShares(old: unknown, young: unknown): string {
  const before = sharesOf(old);
  const after = sharesOf(young);
  const urls = [...new Set([...before.keys(), ...after.keys()])];
  const parts = urls.flatMap((url) => {
    const from = before.get(url) ?? 0;
    const to = after.get(url) ?? 0;
    return from === to ? [] : [`${url} ${percent(from)} becomes ${percent(to)}`];
  });
  return parts.length === 0 ? "" : `shares: ${parts.join(", ")}`;
}

function sharesOf(servers: unknown): Map<string, number> {
  const list = asList(servers).map((it) =>
    typeof it === "string" ? { url: it } : (it as WeightedServer),
  );
  const weightOf = ({ weight = 1 }: WeightedServer): number => weight;
  const total = list.reduce((sum, server) => sum + weightOf(server), 0);
  const shares = new Map<string, number>();
  for (const server of list) {
    shares.set(server.url, (shares.get(server.url) ?? 0) + weightOf(server) / total);
  }
  return shares;
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
