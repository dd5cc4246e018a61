// A server that passes requests on to itself answers none of them.

import type { KeyPath } from "../../1-read/key-path.ts";
import { LOOPBACK, overlaps, parseRange } from "../values/address-range.ts";
import { type ListenEndpoint, parseListenAddress } from "../values/listen-address.ts";
import { parseProxyUrl } from "../values/proxy-url.ts";
import { listensOf, type RuleContext, targetsOf } from "./rule.ts";

interface Listener {
  readonly endpoint: ListenEndpoint;
  readonly path: KeyPath;
}

export function checkProxyLoops(context: RuleContext): void {
  const listeners = listenersOf(context);
  for (const { route, path } of targetsOf(context)) {
    checkUrl(context, listeners, route.url, [...path, "url"]);
  }
  for (const name of context.locator.keysOf(["upstreams"])) {
    context.config.upstreams?.[name]?.servers?.forEach((server, index) => {
      const path: KeyPath = ["upstreams", name, "servers", index];
      if (typeof server === "string") checkUrl(context, listeners, server, path);
      else checkUrl(context, listeners, server.url, [...path, "url"]);
    });
  }
}

function checkUrl(
  { locator, report }: RuleContext,
  listeners: readonly Listener[],
  text: string | undefined,
  path: KeyPath,
): void {
  const url = text === undefined ? undefined : parseProxyUrl(text);
  if (url?.ok !== true) return;
  const { host, port } = url.value;
  const self = listeners.find(({ endpoint }) => endpoint.port === port && isSame(endpoint, host));
  if (self === undefined) return;
  const labels = [{ span: locator.value(self.path), text: "it listens here" }];
  const params = { url: JSON.stringify(text) };
  report.add("server/proxies-to-itself", locator.value(path), params, { labels });
}

function listenersOf(context: RuleContext): Listener[] {
  return listensOf(context).flatMap(({ text, path }) => {
    const endpoint = parseListenAddress(text);
    return endpoint.ok ? [{ endpoint: endpoint.value, path }] : [];
  });
}

/** Whether a host is the address listened on, or means this machine when all are listened on. */
function isSame({ address }: ListenEndpoint, host: string): boolean {
  if (host === address) return true;
  const everywhere = address === "0.0.0.0" || address === "::";
  if (host === "localhost") return everywhere || isLoopback(address);
  return everywhere && isLoopback(host);
}

function isLoopback(text: string): boolean {
  const range = parseRange(text);
  return range !== undefined && LOOPBACK.some((loopback) => overlaps(loopback, range));
}
