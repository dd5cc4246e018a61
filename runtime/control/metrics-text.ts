// Metrics in the text format of Prometheus (version 0.0.4).

import {
  BATCH_BOUNDS,
  COUNT_ACCEPTED,
  COUNT_COMPLETIONS,
  COUNT_RATE_LIMITED,
  COUNT_REFUSED,
  COUNT_UPSTREAMS_OPENED,
  DURATION_BOUNDS_US,
  GAUGE_CLIENTS,
  GAUGE_UPSTREAMS,
  type MetricsReader,
  ROUTE_KEY_NONE,
} from "../data/metrics.ts";
import type { Facts } from "./bundle.ts";
import type { LoadedCertificate } from "./tls-keys.ts";
import { printTls } from "./tls-metrics.ts";
import type { GroupStatus } from "./upstream-status.ts";

/** What the main thread itself knows. */
export interface ServerFacts {
  readonly workers: number;
  readonly workerRestarts: number;
  readonly logDropped: number;
  readonly configHash: string;
  readonly version: string;
  readonly generation: number;
  readonly startedSecs: number;
  readonly residentBytes: number;
  readonly certificates: readonly LoadedCertificate[];
}

type Labels = Readonly<Record<string, string | number>>;

const MICROSECONDS = 1e6;

export class MetricsWriter {
  text = "";

  family(name: string, type: "counter" | "gauge" | "histogram", help: string): void {
    this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  sample(name: string, labels: Labels, value: number): void {
    const parts = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    this.text += `${name}${parts.length === 0 ? "" : `{${parts.join(",")}}`} ${value}\n`;
  }

  single(name: string, type: "counter" | "gauge", help: string, value: number): void {
    this.family(name, type, help);
    this.sample(name, {}, value);
  }

  /** `counts` has one number for each bound and one for what is above. */
  histogram(
    name: string,
    labels: Labels,
    bounds: readonly number[],
    counts: readonly number[],
    sum: number,
  ): void {
    let below = 0;
    for (const [index, bound] of bounds.entries()) {
      below += counts[index]!;
      this.sample(`${name}_bucket`, { ...labels, le: bound }, below);
    }
    const all = below + counts[bounds.length]!;
    this.sample(`${name}_bucket`, { ...labels, le: "+Inf" }, all);
    this.sample(`${name}_sum`, labels, sum);
    this.sample(`${name}_count`, labels, all);
  }
}

function escapeLabel(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

export function metricsText(
  program: Facts,
  metrics: MetricsReader,
  groups: readonly GroupStatus[],
  facts: ServerFacts,
): string {
  const out = new MetricsWriter();
  printRequests(out, program, metrics);
  printConnections(out, metrics);
  printTls(out, program, metrics, facts.certificates);
  printUpstreams(out, groups);
  printServer(out, metrics, facts);
  return out.text;
}

/** Routes that nobody has asked for yet are left out: there may be thousands. */
function printRequests(out: MetricsWriter, { routes }: Facts, metrics: MetricsReader): void {
  const keys = [ROUTE_KEY_NONE, ...routes.map(({ key }) => key)];
  const counted = keys
    .map((route) => ({ route, ...metrics.route(route) }))
    .filter(({ statuses }) => statuses.some((count) => count > 0));
  out.family("zproxy_requests_total", "counter", "Requests by route and class of status.");
  for (const { route, statuses } of counted)
    for (const [index, count] of statuses.entries())
      if (count > 0) out.sample("zproxy_requests_total", { route, class: `${index + 1}xx` }, count);
  out.family("zproxy_response_bytes_total", "counter", "Bytes sent to clients, heads included.");
  for (const { route, bytes } of counted)
    out.sample("zproxy_response_bytes_total", { route }, bytes);
  const name = "zproxy_request_duration_seconds";
  out.family(name, "histogram", "From a head's first byte until its answer is sent.");
  const bounds = DURATION_BOUNDS_US.map((bound) => bound / MICROSECONDS);
  for (const { route, durations, durationSumUs } of counted)
    out.histogram(name, { route }, bounds, durations, durationSumUs / MICROSECONDS);
}

function printConnections(out: MetricsWriter, metrics: MetricsReader): void {
  const rows = [
    ["zproxy_connections", "gauge", "Open client connections.", GAUGE_CLIENTS],
    ["zproxy_connections_accepted_total", "counter", "Client connections.", COUNT_ACCEPTED],
    [
      "zproxy_connections_refused_total",
      "counter",
      "Client connections over max_concurrent_connections.",
      COUNT_REFUSED,
    ],
    [
      "zproxy_upstream_connections",
      "gauge",
      "Open connections to upstreams, idle ones included.",
      GAUGE_UPSTREAMS,
    ],
    [
      "zproxy_upstream_connections_opened_total",
      "counter",
      "Connections to upstreams that were begun; other requests went out on pooled ones.",
      COUNT_UPSTREAMS_OPENED,
    ],
    [
      "zproxy_rate_limited_total",
      "counter",
      "Requests that were refused by a rate limit.",
      COUNT_RATE_LIMITED,
    ],
  ] as const;
  for (const [name, type, help, word] of rows) out.single(name, type, help, metrics.sum(word));
}

function printUpstreams(out: MetricsWriter, groups: readonly GroupStatus[]): void {
  const servers = groups.flatMap(({ name, servers: all }) =>
    all.map((server) => ({ labels: { upstream: name, server: server.url }, server })),
  );
  out.family("zproxy_upstream_healthy", "gauge", "Whether health checks find the server healthy.");
  for (const { labels, server } of servers)
    out.sample("zproxy_upstream_healthy", labels, server.healthy ? 1 : 0);
  out.family("zproxy_upstream_requests_in_flight", "gauge", "Requests that the server has.");
  for (const { labels, server } of servers)
    out.sample("zproxy_upstream_requests_in_flight", labels, server.inFlight);
}

function printServer(out: MetricsWriter, metrics: MetricsReader, facts: ServerFacts): void {
  const batch = "zproxy_ring_batch_completions";
  out.family(batch, "histogram", "Completions that a turn of a worker's loop has handled.");
  out.histogram(batch, {}, BATCH_BOUNDS, metrics.turns(), metrics.sum(COUNT_COMPLETIONS));
  const { logDropped, workerRestarts } = facts;
  out.single("zproxy_log_dropped_total", "counter", "Log records that were dropped.", logDropped);
  out.single("zproxy_workers", "gauge", "Worker threads that serve.", facts.workers);
  out.single("zproxy_worker_restarts_total", "counter", "Workers that died.", workerRestarts);
  out.single("zproxy_generation", "gauge", "Configurations loaded so far.", facts.generation);
  out.family("zproxy_config_info", "gauge", "The configuration that is served.");
  const { configHash, version } = facts;
  out.sample("zproxy_config_info", { hash: configHash, version }, 1);
  const started = "Start of the process, in seconds since 1970.";
  out.single("process_start_time_seconds", "gauge", started, facts.startedSecs);
  const resident = "Resident memory in bytes.";
  out.single("process_resident_memory_bytes", "gauge", resident, facts.residentBytes);
}
