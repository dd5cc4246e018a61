// `admin.listen` is an address that can be bound, and better not everybody's.

import { parseListenAddress, printListenAddress } from "../values/listen-address.ts";
import { listensOf, type RuleContext } from "./rule.ts";

export function checkAdmin(context: RuleContext): void {
  const { config, locator, report } = context;
  const text = config.admin?.listen;
  if (typeof text !== "string") return;
  const endpoint = parseListenAddress(text);
  const span = locator.value(["admin", "listen"]);
  const value = JSON.stringify(text);
  if (!endpoint.ok)
    return report.add("admin/invalid-listen", span, { value, reason: endpoint.reason });
  const { address, port } = endpoint.value;
  const normal = printListenAddress(endpoint.value);
  const taken = listensOf(context).find((other) => {
    const parsed = parseListenAddress(other.text);
    return parsed.ok && port !== 0 && printListenAddress(parsed.value) === normal;
  });
  if (taken !== undefined) {
    const labels = [{ span: locator.value(taken.path), text: "requests come here" }];
    return report.add("admin/listen-taken", span, { value: normal }, { labels });
  }
  if (!address.startsWith("127.") && address !== "::1")
    report.add("admin/exposed", span, { value: normal });
}
