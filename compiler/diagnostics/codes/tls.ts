// Codes about [tls].

import { entry } from "../code-entry.ts";

export const tlsCodes = {
  "tls/incomplete-pair": entry<{ present: string; missing: string }>({
    severity: "error",
    message: ({ present, missing }) => `${present} needs ${missing} beside it`,
    hint: ({ missing }) => `add ${missing}`,
    meaning:
      "A certificate cannot be used without its private key, nor a key without its certificate.",
    example: '[tls]\ncert_path = "/etc/zproxy/cert.pem"',
    remedy: 'Name both files: add `key_path = "/etc/zproxy/key.pem"`.',
    corrected:
      "[tls]\n" + 'cert_path = "/etc/zproxy/cert.pem"\n' + 'key_path = "/etc/zproxy/key.pem"',
  }),
  "tls/no-certificate": entry({
    severity: "error",
    message: () => "tls has no certificate",
    hint: () => "add cert_path and key_path, or remove [tls] for plain HTTP",
    meaning:
      "A `[tls]` section switches TLS on, which needs a certificate and its key. Further " +
      "certificates do not replace the first.",
    example: '[tls]\nmin_version = "1.3"',
    remedy: "Add `cert_path` and `key_path`, or remove the section.",
    corrected:
      "[tls]\n" +
      'min_version = "1.3"\n' +
      'cert_path = "/etc/zproxy/cert.pem"\n' +
      'key_path = "/etc/zproxy/key.pem"',
  }),
  "tls/trust-without-effect": entry<{ key: string; reason: string }>({
    severity: "warning",
    message: ({ key, reason }) => `${key} does nothing: ${reason}`,
    hint: ({ key }) => `remove ${key}, or what keeps it from having an effect`,
    meaning:
      "`tls_ca_path` names the authorities that servers are verified with. `tls_verify = false` " +
      "switches that off, and whoever answers is believed; and a server whose URL begins with " +
      "`http://` has no certificate at all.",
    example:
      '[path_routes."example.com"."/"]\ntype = "Proxy"\nurl = "https://10.0.0.5"\n' +
      'tls_ca_path = "/etc/zproxy/ca.pem"\ntls_verify = false',
    remedy: "Remove `tls_verify = false`, or `tls_ca_path` if nothing is to be verified.",
    corrected:
      '[path_routes."example.com"."/"]\ntype = "Proxy"\nurl = "https://10.0.0.5"\n' +
      'tls_ca_path = "/etc/zproxy/ca.pem"',
  }),
  "tls/ktls-without-certificate": entry({
    severity: "error",
    message: () => "ktls_enabled does nothing without a certificate",
    hint: () => "add cert_path and key_path, or remove ktls_enabled",
    meaning:
      "The kernel can only take over TLS connections, and without a certificate there are none.",
    example: "[tls]\nktls_enabled = true",
    remedy: "Add `cert_path` and `key_path`.",
    corrected:
      "[tls]\n" +
      "ktls_enabled = true\n" +
      'cert_path = "/etc/zproxy/cert.pem"\n' +
      'key_path = "/etc/zproxy/key.pem"',
  }),
};
