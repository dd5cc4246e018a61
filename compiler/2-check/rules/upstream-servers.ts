// Servers of a group are http or https URLs of host and port, each once; health checks ask for a
// path.

import type { UpstreamServer } from "../../../schema/config.generated.ts";
import type { KeyPath } from "../../1-read/key-path.ts";
import type { Draft } from "../draft.ts";
import { parseProxyUrl } from "../values/proxy-url.ts";
import { parsePath } from "../values/request-path.ts";
import { missingScheme } from "./missing-scheme.ts";
import type { RuleContext } from "./rule.ts";

export function checkUpstreamServers(context: RuleContext): void {
  for (const name of context.locator.keysOf(["upstreams"])) {
    const earlier = new Map<string, KeyPath>();
    context.config.upstreams?.[name]?.servers?.forEach((server, index) => {
      checkServer(context, name, server, index, earlier);
    });
  }
}

function checkServer(
  { locator, report }: RuleContext,
  name: string,
  server: Draft<UpstreamServer>,
  index: number,
  earlier: Map<string, KeyPath>,
): void {
  const item: KeyPath = ["upstreams", name, "servers", index];
  const path = typeof server === "string" ? item : [...item, "url"];
  const url = typeof server === "string" ? server : server.url;
  if (url === undefined) return;
  const span = locator.value(path);
  const parsed = parseProxyUrl(url);
  if (!parsed.ok) {
    const params = { name, url, reason: parsed.reason };
    return report.add("upstream/invalid-url", span, params, missingScheme(url, span));
  }
  const { tls, authority, path: urlPath } = parsed.value;
  if (urlPath !== "/") return report.add("upstream/server-path", span, { url, path: urlPath });
  const identity = `${tls ? "https" : "http"}://${authority}`;
  const first = earlier.get(identity);
  earlier.set(identity, first ?? path);
  if (first === undefined) return;
  const labels = [{ span: locator.value(first), text: "the first is here" }];
  report.add("upstream/duplicate-server", span, { url }, { labels });
}

export function checkHealthPaths({ config, locator, report }: RuleContext): void {
  for (const name of locator.keysOf(["upstreams"])) {
    const text = config.upstreams?.[name]?.health_check?.path;
    if (text === undefined) continue;
    // A query is of use here: the path goes to the server as it is.
    const path = parsePath(text.replace(/\?.*$/, ""));
    if (path.ok) continue;
    const span = locator.value(["upstreams", name, "health_check", "path"]);
    const value = JSON.stringify(text);
    report.add("upstream/invalid-health-path", span, { value, reason: path.reason });
  }
}
