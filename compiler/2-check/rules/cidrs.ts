// Lists of addresses hold addresses and CIDR blocks that can be read in one way only.

import type { KeyPath } from "../../1-read/key-path.ts";
import { parseCidr } from "../values/cidr.ts";
import { type RuleContext, routesOf } from "./rule.ts";

export function checkCidrs(context: RuleContext): void {
  checkList(context, context.config.server?.trusted_proxies, ["server", "trusted_proxies"]);
  for (const { route, path } of routesOf(context)) {
    const security = [...path, "security"];
    checkList(context, route.security?.allowed_ips, [...security, "allowed_ips"]);
    checkList(context, route.security?.denied_ips, [...security, "denied_ips"]);
  }
}

function checkList(
  { locator, report }: RuleContext,
  list: readonly string[] | undefined,
  path: KeyPath,
): void {
  list?.forEach((text, index) => {
    const block = parseCidr(text);
    const span = locator.value([...path, index]);
    const value = JSON.stringify(text);
    if (!block.ok) {
      report.add("cidr/invalid", span, { value, reason: block.reason });
      return;
    }
    if (block.value.exact) return;
    const network = block.value.text;
    const fix = { label: `write ${network}`, span, text: JSON.stringify(network) };
    report.add("cidr/host-bits", span, { value, network }, { fix });
  });
}
