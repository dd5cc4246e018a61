// TLS needs a certificate, and every certificate its key; whom to trust is asked of https servers.

import type { KeyPath } from "../../1-read/key-path.ts";
import { parseProxyUrl } from "../values/proxy-url.ts";
import { type PlacedTarget, type RuleContext, routeType, targetsOf } from "./rule.ts";

export function checkTls(context: RuleContext): void {
  const { config, locator, report, damaged } = context;
  if (config.tls === undefined) return;
  checkPair(context, ["tls"]);
  config.tls.certificates?.forEach((_, index) => {
    const path: KeyPath = ["tls", "certificates", index];
    checkPair(context, path);
    if (isEmptyPair(context, path) && !damaged(path)) {
      report.add("tls/no-certificate", locator.key(path), {});
    }
  });
  if (!isEmptyPair(context, ["tls"]) || damaged(["tls"])) return;
  if (config.tls.ktls_enabled === true) {
    const span = locator.key(["tls", "ktls_enabled"]);
    return report.add("tls/ktls-without-certificate", span, {});
  }
  report.add("tls/no-certificate", locator.key(["tls"]), {});
}

function checkPair({ locator, report, damaged }: RuleContext, path: KeyPath): void {
  const keys = ["cert_path", "key_path"] as const;
  const [present, ...others] = keys.filter((key) => locator.has([...path, key]));
  if (present === undefined || others.length > 0 || damaged(path)) return;
  const missing = present === "cert_path" ? "key_path" : "cert_path";
  report.add("tls/incomplete-pair", locator.key([...path, present]), { present, missing });
}

function isEmptyPair({ locator }: RuleContext, path: KeyPath): boolean {
  return !locator.has([...path, "cert_path"]) && !locator.has([...path, "key_path"]);
}

/** What a route says about trust means something where servers are verified. */
export function checkTrust(context: RuleContext): void {
  const { locator, report } = context;
  for (const placed of targetsOf(context)) {
    if (routeType(context, placed) !== "Proxy") continue;
    const { route, path } = placed;
    const keys = ["tls_ca_path", "tls_verify"] as const;
    const present = keys.filter((key) => locator.has([...path, key]));
    const plain = present.length > 0 && isPlain(context, placed);
    for (const key of present) {
      const off = key === "tls_ca_path" && route.tls_verify === false;
      if (!plain && !off) continue;
      const reason = plain ? "no server of the route uses https" : "tls_verify = false trusts all";
      report.add("tls/trust-without-effect", locator.key([...path, key]), { key, reason });
    }
  }
}

/** Whether every server of a route is known, and none of them is asked over TLS. */
function isPlain({ config }: RuleContext, { route }: PlacedTarget): boolean {
  const group = route.upstream === undefined ? undefined : config.upstreams?.[route.upstream];
  const servers = group?.servers?.map((it) => (typeof it === "string" ? it : it.url));
  const urls = servers ?? (route.url === undefined ? [] : [route.url]);
  return urls.length > 0 && urls.every((url) => url !== undefined && isPlainUrl(url));
}

function isPlainUrl(url: string): boolean {
  const parsed = parseProxyUrl(url);
  return parsed.ok && !parsed.value.tls;
}
