// `admin.listen` is an address that can be bound, and better not everybody's.

import { parseListenAddress, printListenAddress } from "../values/listen-address.ts";
import type { RuleContext } from "./rule.ts";

export function checkAdmin({ config, locator, report }: RuleContext): void {
  const text = config.admin?.listen;
  if (typeof text !== "string") return;
  const endpoint = parseListenAddress(text);
  const span = locator.value(["admin", "listen"]);
  const value = JSON.stringify(text);
  if (!endpoint.ok)
    return report.add("admin/invalid-listen", span, { value, reason: endpoint.reason });
  const { address, port } = endpoint.value;
  const normal = printListenAddress(endpoint.value);
  const listen = config.server?.listen;
  const texts = typeof listen === "string" ? [listen] : (listen ?? []);
  const taken = texts.findIndex((other) => {
    const parsed = parseListenAddress(other);
    return parsed.ok && port !== 0 && printListenAddress(parsed.value) === normal;
  });
  if (taken >= 0) {
    const place = ["server", "listen", ...(typeof listen === "string" ? [] : [taken])];
    const labels = [{ span: locator.value(place), text: "requests come here" }];
    return report.add("admin/listen-taken", span, { value: normal }, { labels });
  }
  if (!address.startsWith("127.") && address !== "::1")
    report.add("admin/exposed", span, { value: normal });
}
