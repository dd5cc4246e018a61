// `server.listen` holds addresses that can be bound, each once.

import type { KeyPath } from "../../1-read/key-path.ts";
import { parseListenAddress, printListenAddress } from "../values/listen-address.ts";
import type { RuleContext } from "./rule.ts";

export function checkListen({ config, locator, report }: RuleContext): void {
  const listen = config.server?.listen;
  const path = ["server", "listen"];
  const earlier = new Map<string, KeyPath>();
  const checkOne = (text: string, place: KeyPath): void => {
    const endpoint = parseListenAddress(text);
    const span = locator.value(place);
    if (!endpoint.ok) {
      const value = JSON.stringify(text);
      return report.add("server/invalid-listen", span, { value, reason: endpoint.reason });
    }
    const normal = printListenAddress(endpoint.value);
    // Port 0 is another port each time.
    if (endpoint.value.port === 0) return;
    const first = earlier.get(normal);
    earlier.set(normal, first ?? place);
    if (first === undefined) return;
    const labels = [{ span: locator.value(first), text: "the first is here" }];
    report.add("server/duplicate-listen", span, { value: normal }, { labels });
  };
  if (typeof listen === "string") checkOne(listen, path);
  else listen?.forEach((text, index) => void checkOne(text, [...path, index]));
}
