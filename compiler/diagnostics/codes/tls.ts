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
