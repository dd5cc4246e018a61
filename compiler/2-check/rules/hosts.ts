// Keys of hosts are host names without a port, and no host is written in two spellings.

import { printKey } from "../../1-read/key-path.ts";
import { asciiHost, parseHostPattern, splitPort } from "../values/host-name.ts";
import type { RuleContext } from "./rule.ts";

const SECTIONS = ["host_routes", "path_routes"] as const;

export function checkHosts(context: RuleContext): void {
  for (const section of SECTIONS) {
    const earlier = new Map<string, string>();
    for (const host of context.locator.keysOf([section])) {
      const normal = checkHost(context, section, host);
      const first = normal === undefined ? undefined : earlier.get(normal);
      if (normal !== undefined) earlier.set(normal, first ?? host);
      if (first !== undefined) reportDuplicate(context, section, host, first);
    }
  }
}

/** Reports a key that is no host; returns the normal form of one that is. */
function checkHost(
  { config, locator, report }: RuleContext,
  section: (typeof SECTIONS)[number],
  host: string,
): string | undefined {
  const path = [section, host];
  // When the value was refused, the key may be something else, such as a misplaced setting.
  if (config[section]?.[host] === undefined) return undefined;
  const span = locator.key(path);
  const { name, port } = splitPort(host);
  if (port !== undefined && !parseHostPattern(host).ok) {
    const fix = { label: "remove the port", span, text: printKey(name) };
    report.add("route/port-in-host", span, { host, name }, { fix });
    return undefined;
  }
  const pattern = parseHostPattern(host);
  if (pattern.ok) return pattern.value;
  const params = { host: JSON.stringify(host), reason: pattern.reason };
  const ascii = asciiHost(host);
  if (ascii === undefined) report.add("route/invalid-host", span, params);
  else {
    const hint = `write ${printKey(ascii)}`;
    const fix = { label: hint, span, text: printKey(ascii) };
    report.add("route/invalid-host", span, params, { hint, fix });
  }
  return undefined;
}

function reportDuplicate(
  { locator, report }: RuleContext,
  section: string,
  host: string,
  earlier: string,
): void {
  const labels = [{ span: locator.key([section, earlier]), text: "the first is here" }];
  const params = { host: printKey(host), earlier: printKey(earlier) };
  report.add("route/duplicate-host", locator.key([section, host]), params, { labels });
}
