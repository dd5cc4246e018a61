// Whether the server hears from its own machine alone, so that rules about other clients need a
// proxy that is believed.

import type { Span } from "../../diagnostics/span.ts";
import { LOOPBACK, meets, parseRange } from "../values/address-range.ts";
import { parseListenAddress } from "../values/listen-address.ts";
import { listensOf, type RuleContext } from "./rule.ts";

/** Whether every listener is on loopback, and no proxy in front is believed. */
export function hearsLocalClientsOnly(context: RuleContext): boolean {
  const { trusted_proxies = [] } = context.config.server ?? {};
  if (trusted_proxies.some((text) => text !== undefined && parseRange(text) !== undefined)) {
    return false;
  }
  const listens = listensOf(context);
  return (
    listens.length > 0 &&
    listens.every(({ text }) => {
      const endpoint = parseListenAddress(text);
      return endpoint.ok && isLocal(endpoint.value.address);
    })
  );
}

/** Whether a block has addresses of the loopback interface. */
export function isLocal(block: string): boolean {
  const range = parseRange(block);
  return range !== undefined && meets(LOOPBACK, range);
}

/** Says that no client has an address of the rules at a place. */
export function reportBehindProxy({ locator, report }: RuleContext, span: Span): void {
  const labels = [{ span: locator.key(["server", "listen"]), text: "loopback only" }];
  report.add("route/clients-behind-proxy", span, {}, { labels });
}
