// A run's access log and metrics, held against what its clients and upstreams have seen: each
// request that was read is recorded once, and its record says what became of it.

import { RequestLines } from "zproxy/runtime/control/request-line.ts";
import type { Program } from "zproxy/runtime/data/api.ts";
import { LogRingReader, LogRingWriter, logRingMemory } from "zproxy/runtime/data/log-ring.ts";
import {
  COUNT_RATE_LIMITED,
  GAUGE_CLIENTS,
  GAUGE_UPSTREAMS,
  MetricsReader,
  metricsMemory,
  ROUTE_KEY_NONE,
  STATUS_CLASSES,
  WorkerMetrics,
} from "zproxy/runtime/data/metrics.ts";
import type { Exchange } from "./exchange.ts";
import { Violation } from "./faults.ts";

/** More than a run makes. */
const RECORDS_MAX = 1000;
/** What a head that can't be read, or does not come, is answered with; and a client too many. */
const UNREAD_STATUSES = [400, 408, 431, 503];

/** A line of the access log. */
interface RequestRecord {
  readonly client: string | null;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly duration_ms: number;
  readonly upstream?: string;
  readonly upstream_ms?: number;
  readonly route?: string;
  readonly broken?: boolean;
  readonly id: string;
}

/** What a client knows of its connection. */
export interface ClientAccount {
  readonly peer: string;
  readonly exchanges: readonly Exchange[];
  /** Bytes that it has read. */
  readonly received: number;
  /** It has got all of its answers, and nothing else. */
  readonly isContent: boolean;
}

export class ObservedRequests {
  readonly log: LogRingWriter | undefined;
  readonly metrics: WorkerMetrics | undefined;
  private readonly lines: RequestLines;
  private readonly logMemory = logRingMemory(RECORDS_MAX);
  private readonly routes: readonly string[];
  private readonly counts: SharedArrayBuffer;

  constructor(program: Program, observes: { readonly log: boolean; readonly metrics: boolean }) {
    this.lines = new RequestLines(program);
    this.routes = [ROUTE_KEY_NONE, ...program.routes.map(({ key }) => key)];
    this.counts = metricsMemory(this.routes.length);
    this.log = observes.log ? new LogRingWriter(this.logMemory, RECORDS_MAX, () => {}) : undefined;
    this.metrics = observes.metrics ? new WorkerMetrics(this.counts) : undefined;
  }

  /** At the end of a run. `limited`: requests that the rate limiter has refused. */
  expectAll(clients: readonly ClientAccount[], limited: number): void {
    const records = this.log === undefined ? null : this.read();
    if (records !== null) expectRecords(records, clients);
    if (this.metrics !== undefined) this.expectCounts(records, clients, limited);
  }

  private read(): RequestRecord[] {
    const reader = new LogRingReader(this.logMemory);
    const { words, doubles } = reader;
    const memory = { words, doubles, text: Buffer.from(this.logMemory) };
    const records: RequestRecord[] = [];
    for (let at = reader.peek(); at >= 0; at = reader.peek()) {
      records.push(JSON.parse(this.lines.print(memory, at)));
      reader.next();
    }
    if (reader.dropped > 0) throw new Violation(`${reader.dropped} records were dropped`);
    return records;
  }

  private expectCounts(
    records: readonly RequestRecord[] | null,
    clients: readonly ClientAccount[],
    limited: number,
  ): void {
    const reader = new MetricsReader([{ routes: this.routes, memories: [this.counts] }]);
    const open = reader.sum(GAUGE_CLIENTS) + reader.sum(GAUGE_UPSTREAMS);
    if (open !== 0) throw new Violation(`the metrics count ${open} open connections`);
    if (reader.sum(COUNT_RATE_LIMITED) !== limited)
      throw new Violation(
        `${limited} requests were limited, not ${reader.sum(COUNT_RATE_LIMITED)}`,
      );
    let sum = 0;
    for (const key of this.routes) {
      const { statuses, bytes } = reader.route(key);
      sum += statuses.reduce((total, count) => total + count, 0);
      if (records === null) continue;
      const own = records.filter(({ route = ROUTE_KEY_NONE }) => route === key);
      const expected = Array.from(
        { length: STATUS_CLASSES },
        (_, hundred) => own.filter(({ status }) => Math.floor(status / 100) === hundred + 1).length,
      );
      const expectedBytes = own.reduce((total, record) => total + record.bytes, 0);
      if (statuses.join() !== expected.join() || bytes !== expectedBytes)
        throw new Violation(
          `${key}: ${statuses} and ${bytes} bytes, not ${expected} and ${expectedBytes}`,
        );
    }
    const answered = clients.flatMap(({ exchanges }) => exchanges).filter(({ seen }) => seen > 0);
    if (sum < answered.length) throw new Violation(`${sum} of ${answered.length} answers counted`);
  }
}

function expectRecords(records: readonly RequestRecord[], clients: readonly ClientAccount[]): void {
  if (new Set(records.map(({ id }) => id)).size !== records.length)
    throw new Violation("two records have one id");
  const unread = records.filter(({ method }) => method === "");
  const byExchange = new Map<number, RequestRecord>();
  const peers = clients.map(({ peer }) => peer);
  for (const record of records) {
    if (record.method === "") {
      const isKnown = record.client === null || peers.includes(record.client);
      if (isKnown && UNREAD_STATUSES.includes(record.status)) continue;
      throw new Violation(`nobody's record: ${JSON.stringify(record)}`);
    }
    const id = Number(/x(\d+)$/.exec(record.path)?.[1]);
    if (byExchange.has(id)) throw new Violation(`request ${id} is recorded twice`);
    byExchange.set(id, record);
  }
  for (const { exchanges, received, isContent } of clients) {
    let bytes = 0;
    for (const exchange of exchanges) {
      const own = byExchange.get(exchange.id);
      byExchange.delete(exchange.id);
      if (own !== undefined) expectRecord(own, exchange);
      const record = own ?? unread.find((it) => isUnread(it, exchange));
      if (record === undefined) {
        if (exchange.deliveries === 0 && exchange.seen === 0) continue;
        throw new Violation(`request ${exchange.id} is not recorded`);
      }
      bytes += record.bytes;
      if (exchange.seen !== 0 && exchange.seen !== record.status)
        throw new Violation(
          `request ${exchange.id}: ${exchange.seen} is recorded as ${record.status}`,
        );
    }
    if (isContent && bytes !== received)
      throw new Violation(`${received} bytes of ${exchanges[0]!.peer} are recorded as ${bytes}`);
  }
  for (const [id] of byExchange) throw new Violation(`a record of request ${id}, which is none`);
}

/** One that could not be read is known by its answer's id, which a client that sent HEAD skips. */
function isUnread({ id, client, status }: RequestRecord, { ownId, peer, seen }: Exchange): boolean {
  return status === seen && (ownId === "" ? client === peer : id === ownId);
}

function expectRecord(record: RequestRecord, exchange: Exchange): void {
  const { plan, seen } = exchange;
  const isKnown = record.client !== null || seen !== 0;
  const expected: Readonly<Record<string, unknown>> = {
    method: plan.method,
    host: "a.test",
    path: plan.target,
    ...(isKnown ? { client: exchange.client } : {}),
    ...(exchange.ownId === "" ? {} : { id: exchange.ownId }),
    ...(exchange.relayedBy > 0 ? { upstream: `http://127.0.0.1:${exchange.relayedBy}` } : {}),
    ...(plan.kind === "local" ? { upstream: undefined } : {}),
    // HTTP/1.0 takes the end of the connection for that of the answer.
    ...(seen !== 0 && plan.minor === 1 ? { broken: undefined } : {}),
  };
  for (const [name, value] of Object.entries(expected)) {
    const said = record[name as keyof RequestRecord];
    if (said !== value)
      throw new Violation(`request ${exchange.id}: ${name} is recorded as ${said}, not ${value}`);
  }
  const prefix = /^\/[^/?]*\/?/.exec(plan.target)![0];
  const route = record.route ?? "";
  const isOwn =
    prefix === "/nowhere" ? route === "" : route.includes(`."*".${JSON.stringify(prefix)}`);
  if (!isOwn) throw new Violation(`${plan.target} is recorded as of route ${route}`);
  const { duration_ms, upstream, upstream_ms = 0 } = record;
  const hasTimes = duration_ms >= upstream_ms && upstream_ms >= 0;
  if (!hasTimes || (upstream === undefined) !== (record.upstream_ms === undefined))
    throw new Violation(
      `request ${exchange.id}: ${upstream_ms} of ${duration_ms} ms by ${upstream}`,
    );
}
