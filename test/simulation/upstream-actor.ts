// Upstreams: read requests strictly, hold them against what the client has sent, answer as planned
// or misbehave as planned.

import type { Random } from "../lib/random.ts";
import type { CheckedRateLimiter } from "./checked-rate-limiter.ts";
import { type Exchange, patternOf, type RunHistory } from "./exchange.ts";
import { Violation } from "./faults.ts";
import { type BodyRule, type Head, HttpReader } from "./http-reader.ts";
import { answerBytes, type Piecing, sendPieces } from "./messages.ts";
import type { Schedule } from "./schedule.ts";
import type { Actor, Wire } from "./wire.ts";

const READ_BYTES = 1 << 20;
/** What clients call the server. */
const HOST = "a.test";
const IDLE_CLOSE_US = 3_000_000;

/** What upstreams share. */
export interface UpstreamSurroundings {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly history: RunHistory;
  readonly exchanges: ReadonlyMap<number, Exchange>;
  readonly limiter: CheckedRateLimiter;
  readonly piecing: Piecing;
  /** The chance that an idle connection is closed without a word. */
  readonly idleCloses: number;
  /** How long it may take until the proxy knows that a connection is closed. */
  readonly staleUs: number;
}

export class UpstreamActor implements Actor {
  private readonly around: UpstreamSurroundings;
  private readonly wire: Wire;
  readonly port: number;
  /** When the name of its server went on to other addresses. */
  private leftAt = Number.POSITIVE_INFINITY;
  private readonly reader: HttpReader;
  private exchange: Exchange | null = null;
  /** The rest of what comes is of no interest. */
  private deaf = false;
  private over = false;
  private answering = false;
  private requests = 0;

  constructor(around: UpstreamSurroundings, wire: Wire, port: number) {
    this.around = around;
    this.wire = wire;
    this.port = port;
    this.reader = new HttpReader({
      onHead: (head) => this.onHead(head),
      onMessage: (_head, body) => this.onRequest(body),
      onRaw: (bytes) => this.onTunnelBytes(bytes),
    });
  }

  get address(): string {
    return this.wire.address;
  }

  /** The name of its server has its address no more: it may finish what it has begun. */
  leave(): void {
    this.leftAt = Math.min(this.leftAt, this.around.schedule.now);
  }

  onReadable(wire: Wire): void {
    while (wire.readable) {
      const bytes = wire.read(READ_BYTES);
      if (!this.deaf) this.reader.feed(bytes);
    }
    if (!wire.atEnd || this.over) return;
    const { exchange } = this;
    if (exchange?.plan.kind === "tunnel" && this.answering) return; // its own half goes on
    // The proxy gives up, or an idle connection: the other half ends as well.
    this.over = true;
    wire.close();
  }

  onReset(): void {
    this.over = true;
  }

  private say(line: string): void {
    this.around.history.trace?.(`upstream ${this.port}: ${line}`);
  }

  private readonly send = (bytes: Uint8Array): void => this.wire.send(bytes);

  private onHead(head: Head): BodyRule {
    const { around } = this;
    if (this.answering) throw new Violation(`${head.line} before the answer to another request`);
    const [method = "", target = "", version] = head.line.split(" ");
    const id = Number(/(\d+)$/.exec(target)?.[1] ?? Number.NaN);
    const exchange = around.exchanges.get(id);
    if (exchange === undefined || version !== "HTTP/1.1")
      throw new Violation(`an upstream was asked ${JSON.stringify(head.line)}`);
    const { plan } = exchange;
    if (exchange.startedAt > this.leftAt)
      throw new Violation(`${head.line} was sent to an address that the name had no more`);
    this.requests++;
    exchange.deliveries++;
    exchange.askedPort = this.port;
    if (exchange.port !== undefined && exchange.port !== this.port)
      throw new Violation(`${head.line} reached port ${this.port}, not ${exchange.port}`);
    const twice = exchange.deliveries > 1 && !exchange.isIdempotent;
    // On a pooled connection that had gone stale, then on a fresh one, then on another server's.
    if (twice || exchange.deliveries > 3)
      throw new Violation(`${head.line} was delivered ${exchange.deliveries} times`);
    if (exchange.interimSeen > 0)
      throw new Violation(`${head.line} was delivered again behind the beginning of an answer`);
    if (plan.kind === "local" || method !== plan.method)
      throw new Violation(`${head.line} reached an upstream; it was ${plan.method}`);
    this.expectFields(head, exchange);
    const isLimited = plan.target.startsWith("/limited/") && exchange.deliveries === 1;
    if (isLimited && !around.limiter.seePassed(exchange.client))
      throw new Violation(`${head.line} was not counted for ${exchange.client}`);
    this.say(`asked ${head.line}`);
    this.exchange = exchange;
    this.answering = true;
    if (plan.kind === "tunnel") {
      this.openTunnel(exchange);
      return "raw";
    }
    for (let count = 0; count < plan.answer.interim; count++) {
      exchange.interimSent++;
      this.wire.send(Buffer.from("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
    }
    if (plan.expectsContinue && !plan.answer.early) {
      exchange.interimSent++;
      this.wire.send(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (plan.answer.early) {
      this.deaf = plan.answer.afterwards !== "keep";
      this.answer(exchange);
    }
    return "by-fields";
  }

  private expectFields(head: Head, exchange: Exchange): void {
    const { line, fields } = head;
    const { plan } = exchange;
    if (fields.get("via") !== "1.1 zproxy")
      throw new Violation(`${line}: Via ${fields.get("via")}`);
    const host = fields.get("host");
    const expected = plan.target.startsWith("/preserved/") ? HOST : `127.0.0.1:${this.port}`;
    if (host !== expected) throw new Violation(`${line}: Host ${host}`);
    this.expectForwarded(head, exchange);
    const pad = fields.get("x-pad")?.length ?? 0;
    if (pad !== (/x-pad: (\S*)/.exec(plan.fields)?.[1] ?? "").length)
      throw new Violation(`${line}: x-pad has ${pad} bytes`);
  }

  /** Strangers say nothing about others, trusted proxies do. */
  private expectForwarded({ line, fields }: Head, exchange: Exchange): void {
    const says = exchange.isTrusted && exchange.plan.forwardedFor !== "";
    const expected = {
      "x-forwarded-for": exchange.forwardedFor,
      "x-forwarded-proto": says ? "https" : "http",
      "x-forwarded-host": HOST,
      forwarded: says ? "for=_hidden" : undefined,
      x_forwarded_for: undefined,
    };
    for (const [name, value] of Object.entries(expected)) {
      if (fields.get(name) !== value)
        throw new Violation(`${line}: ${name} is ${fields.get(name)}, not ${value}`);
    }
  }

  private onRequest(body: Uint8Array): void {
    const exchange = this.exchange!;
    if (Buffer.compare(body, exchange.requestBody) !== 0)
      throw new Violation(`the body of request ${exchange.id} changed on the way`);
    if (!exchange.plan.answer.early) this.answer(exchange);
    else if (!this.answering) this.exchange = null;
  }

  private answer(exchange: Exchange): void {
    const { answer } = exchange.plan;
    const fault = exchange.deliveries === 1 || answer.faultRepeats ? answer.fault : "none";
    const { schedule, random, piecing } = this.around;
    schedule.after(random.below(piecing.pauseUs + 1), () => {
      if (this.over) return;
      if (fault === "none") this.answerWhole(exchange);
      else this.misbehave(exchange, fault);
    });
  }

  private answerWhole(exchange: Exchange): void {
    const { answer } = exchange.plan;
    const { schedule, random, piecing } = this.around;
    const bytes = answerBytes(exchange, random);
    // Its end may overtake it, when there is still something of the request to come.
    const endsHere = answer.framing === "close" && !exchange.isBodyless;
    const keeps = answer.afterwards === "keep" && !endsHere && answer.minor === 1;
    if (answer.early && !keeps) {
      exchange.cut = true;
      exchange.failed = true;
    }
    sendPieces(schedule, random, piecing, this.send, bytes, () => {
      if (this.over) return;
      exchange.sentWhole++;
      this.say(`has answered ${exchange.id}`);
      this.answering = false;
      if (keeps) {
        this.closeWhenIdle();
        return;
      }
      if (!endsHere) this.noteStale();
      this.over = true;
      this.wire.close();
    });
  }

  /** Now and then an idle connection is closed, whatever is on its way to it. */
  private closeWhenIdle(): void {
    const { schedule, random, idleCloses } = this.around;
    if (random.next() >= idleCloses * 2 ** 32) return;
    const { requests } = this;
    schedule.after(random.below(IDLE_CLOSE_US), () => {
      if (this.over || this.answering || this.requests !== requests) return;
      this.noteStale();
      this.over = true;
      if (random.below(2) === 0) this.wire.close();
      else {
        // It may overtake what is left of the answer.
        if (this.exchange !== null) this.exchange.cut = this.exchange.failed = true;
        this.wire.reset();
      }
    });
  }

  /** Requests that are on their way now, or soon, may find the connection closed. */
  private noteStale(): void {
    const { history, schedule, staleUs } = this.around;
    history.staleUntil = Math.max(history.staleUntil, schedule.now + staleUs);
  }

  private misbehave(exchange: Exchange, fault: string): void {
    const { schedule, random, piecing } = this.around;
    const { wire } = this;
    const { cutAt } = exchange.plan.answer;
    this.say(`${fault} at ${exchange.id}`);
    const before = fault === "reset-before" || fault === "close-before";
    if (fault.startsWith("stall")) exchange.stalled = true;
    else if (before && this.isRecoverable(exchange)) exchange.dropped = true;
    else exchange.failed = true;
    if (fault === "stall-before") return;
    if (before) {
      this.over = true;
      if (fault === "reset-before") wire.reset();
      else wire.close();
      return;
    }
    let bytes: Uint8Array = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd");
    if (fault !== "malformed") {
      const whole = answerBytes(exchange, random);
      bytes = whole.subarray(0, Math.floor((whole.length - 1) * cutAt));
      exchange.cut = true;
    }
    sendPieces(schedule, random, piecing, this.send, bytes, () => {
      if (this.over || fault === "stall-inside") return;
      this.over = true;
      if (fault === "cut-reset") wire.reset();
      else wire.close();
    });
  }

  /** Whether zproxy has to ask somebody else when this one says nothing and goes. */
  private isRecoverable(exchange: Exchange): boolean {
    return exchange.isRepeatable && exchange.deliveries === 1 && exchange.interimSent === 0;
  }

  // ── Tunnels ───────────────────────────────────────────────────────────────────────────────────

  private openTunnel(exchange: Exchange): void {
    const { schedule, random, piecing } = this.around;
    const head = Buffer.from(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: simulated\r\n\r\n",
    );
    const own = patternOf(exchange.id * 2, exchange.plan.tunnelBytes[1]);
    const bytes = Buffer.concat([head, own]);
    sendPieces(schedule, random, piecing, this.send, bytes, () => {
      exchange.tunnelSent[1] = own.length;
      this.answering = false;
      this.wire.end();
      if (this.wire.atEnd) this.onReadable(this.wire);
    });
  }

  private onTunnelBytes(bytes: Uint8Array): void {
    const exchange = this.exchange!;
    const before = exchange.tunnelSeen[0];
    const expected = patternOf(exchange.id * 2 + 1, exchange.plan.tunnelBytes[0]);
    exchange.tunnelSeen[0] += bytes.length;
    if (Buffer.compare(bytes, expected.subarray(before, exchange.tunnelSeen[0])) !== 0)
      throw new Violation(`tunnel ${exchange.id} brings the upstream other bytes`);
  }
}
