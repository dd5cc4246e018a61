// Metrics about TLS, for programs that use it.

import {
  COUNT_HANDSHAKE_FAILURES,
  COUNT_HANDSHAKES,
  COUNT_KTLS,
  COUNT_KTLS_FALLBACKS,
  COUNT_UPSTREAM_HANDSHAKE_FAILURES,
  COUNT_UPSTREAM_HANDSHAKES,
  HANDSHAKE_FAILURES,
  KTLS_FALLBACKS,
  type MetricsReader,
} from "../data/metrics.ts";
import type { Facts } from "./bundle.ts";
import type { MetricsWriter } from "./metrics-text.ts";
import type { LoadedCertificate } from "./tls-keys.ts";

/** Peers and directions in the order of their words from COUNT_KTLS on. */
const KTLS_LABELS = ["client", "upstream"].flatMap((peer) =>
  ["tx", "rx"].map((direction) => ({ peer, direction })),
);

export function printTls(
  out: MetricsWriter,
  { server, upstreams }: Facts,
  metrics: MetricsReader,
  certificates: readonly LoadedCertificate[],
): void {
  const asks = upstreams.some(({ servers }) => servers.some(({ tls }) => tls));
  if (server.tls === undefined && !asks) return;
  const done = "zproxy_tls_handshakes_total";
  out.family(done, "counter", "TLS handshakes that were completed.");
  out.sample(done, { peer: "client" }, metrics.sum(COUNT_HANDSHAKES));
  out.sample(done, { peer: "upstream" }, metrics.sum(COUNT_UPSTREAM_HANDSHAKES));
  const failed = "zproxy_tls_handshakes_failed_total";
  out.family(failed, "counter", "TLS handshakes with clients that failed, by cause.");
  for (const [index, cause] of HANDSHAKE_FAILURES.entries())
    out.sample(failed, { cause }, metrics.sum(COUNT_HANDSHAKE_FAILURES + index));
  out.single(
    "zproxy_upstream_tls_handshakes_failed_total",
    "counter",
    "TLS handshakes with upstreams that failed.",
    metrics.sum(COUNT_UPSTREAM_HANDSHAKE_FAILURES),
  );
  const expiry = "zproxy_tls_certificate_not_after_seconds";
  out.family(expiry, "gauge", "When a certificate's chain expires, in seconds since 1970.");
  for (const { path, notAfterSecs } of certificates) out.sample(expiry, { path }, notAfterSecs);
  if (server.tls?.ktls !== undefined) printKernel(out, metrics);
}

function printKernel(out: MetricsWriter, metrics: MetricsReader): void {
  const taken = "zproxy_ktls_connections_total";
  out.family(taken, "counter", "Connections that the kernel encrypts, or decrypts.");
  for (const [index, labels] of KTLS_LABELS.entries())
    out.sample(taken, labels, metrics.sum(COUNT_KTLS + index));
  const fallbacks = "zproxy_ktls_fallbacks_total";
  out.family(fallbacks, "counter", "Connections that the kernel has not taken, by cause.");
  for (const [index, cause] of KTLS_FALLBACKS.entries())
    out.sample(fallbacks, { cause }, metrics.sum(COUNT_KTLS_FALLBACKS + index));
}
