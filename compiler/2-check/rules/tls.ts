// TLS needs a certificate, and every certificate its key.

import type { KeyPath } from "../../1-read/key-path.ts";
import type { RuleContext } from "./rule.ts";

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
