// `url` of a Proxy route is a server that requests can be passed on to.

import { parseProxyUrl } from "../values/proxy-url.ts";
import { missingScheme } from "./missing-scheme.ts";
import { type RuleContext, targetsOf } from "./rule.ts";

export function checkRouteUrls(context: RuleContext): void {
  const { locator, report } = context;
  for (const { route, path, name } of targetsOf(context)) {
    if (route.url === undefined) continue;
    const url = parseProxyUrl(route.url);
    if (url.ok) continue;
    const params = { route: name, url: route.url, reason: url.reason };
    const span = locator.value([...path, "url"]);
    report.add("route/invalid-url", span, params, missingScheme(route.url, span));
  }
}
