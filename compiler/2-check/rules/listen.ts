// `server.listen` holds addresses that can be bound, each once.

import type { KeyPath } from "../../1-read/key-path.ts";
import { parseListenAddress, printListenAddress } from "../values/listen-address.ts";
import { listensOf, type RuleContext } from "./rule.ts";

export function checkListen(context: RuleContext): void {
  const { locator, report } = context;
  const earlier = new Map<string, KeyPath>();
  for (const { text, path } of listensOf(context)) {
    const endpoint = parseListenAddress(text);
    const span = locator.value(path);
    if (!endpoint.ok) {
      const value = JSON.stringify(text);
      report.add("server/invalid-listen", span, { value, reason: endpoint.reason });
      continue;
    }
    const normal = printListenAddress(endpoint.value);
    // Port 0 is another port each time.
    if (endpoint.value.port === 0) continue;
    const first = earlier.get(normal);
    earlier.set(normal, first ?? path);
    if (first === undefined) continue;
    const labels = [{ span: locator.value(first), text: "the first is here" }];
    report.add("server/duplicate-listen", span, { value: normal }, { labels });
  }
}
