// Clients: send requests in pieces, read answers as fast or slowly as planned, break off as
// planned, and hold every byte of an answer against the request it belongs to.

import type { Random } from "../lib/random.ts";
import type { CheckedRateLimiter } from "./checked-rate-limiter.ts";
import { allowsCut, allowsError, type Exchange, patternOf, type RunHistory } from "./exchange.ts";
import { Violation } from "./faults.ts";
import { type BodyRule, type Head, HttpReader } from "./http-reader.ts";
import { expectLocal } from "./local-answers.ts";
import { type Piecing, requestBytes, sendPieces } from "./messages.ts";
import type { ClientAccount } from "./observed-requests.ts";
import type { Schedule } from "./schedule.ts";
import type { Actor, Wire } from "./wire.ts";

/** What a client does beside asking and reading. */
export interface ClientPlan {
  /** Sends on without waiting for answers. */
  readonly pipelines: boolean;
  readonly sending: Piecing;
  /** Reads so many bytes at most, then waits. 0: everything at once. */
  readonly readBytesMax: number;
  readonly readPauseUs: number;
  readonly fault: ClientFault;
  /** When the fault strikes: after so many microseconds. */
  readonly faultAfterUs: number;
  /** What becomes of the connection behind the last answer. */
  readonly afterwards: "stay" | "end-early" | "close" | "reset";
}

export type ClientFault = "none" | "reset" | "end-inside" | "stop-sending" | "stop-reading";

const READ_BYTES = 1 << 20;
const OWN_TEXT = /^(\d{3}) [A-Za-z -]+, request ([0-9a-f]{16})\n$/;

export class ClientActor implements Actor {
  private readonly schedule: Schedule;
  private readonly random: Random;
  private readonly history: RunHistory;
  private readonly plan: ClientPlan;
  private readonly wire: Wire;
  private readonly exchanges: readonly Exchange[];
  private readonly limiter: CheckedRateLimiter;
  private readonly onDone: () => void;
  private readonly reader: HttpReader;
  private sent = 0;
  private sending = false;
  private answered = 0;
  /** Requests that the server had when it was told to drain. */
  private dueAtStop = 0;
  private received = 0;
  private reading = false;
  /** The client has misbehaved: what is not answered yet may stay so. */
  private broke = false;
  /** The server has said that it will close, or the client that it sends no more. */
  private closing = false;
  private ended = false;
  private inTunnel = false;
  done = false;

  constructor(
    schedule: Schedule,
    random: Random,
    history: RunHistory,
    plan: ClientPlan,
    wire: Wire,
    exchanges: readonly Exchange[],
    limiter: CheckedRateLimiter,
    onDone: () => void,
  ) {
    this.schedule = schedule;
    this.random = random;
    this.history = history;
    this.plan = plan;
    this.wire = wire;
    this.exchanges = exchanges;
    this.limiter = limiter;
    this.onDone = onDone;
    this.reader = new HttpReader({
      onHead: (head) => this.onHead(head),
      onMessage: (head, body) => this.onMessage(head, body),
      onRaw: (bytes) => this.onTunnelBytes(bytes),
    });
  }

  start(): void {
    const { fault, faultAfterUs } = this.plan;
    this.sendNext();
    if (fault !== "none") this.schedule.after(faultAfterUs, () => this.misbehave());
  }

  /** For the reader of a failure. */
  get state(): string {
    const { answered, sent, exchanges, plan, broke, closing, done } = this;
    const next = exchanges[answered]?.plan;
    const waiting = next === undefined ? "" : ` ${next.method} ${next.target}`;
    const marks = `${broke ? " broke" : ""}${closing ? " closing" : ""}${done ? " done" : ""}`;
    const short = (_key: string, value: unknown): unknown => {
      if (value instanceof Uint8Array) return `${value.length} bytes`;
      return typeof value === "string" ? value.replace(/(.)\1{30,}/g, "$1…") : value;
    };
    const answer = next === undefined ? "" : `\n    ${JSON.stringify(next, short)}`;
    return `${answered}/${sent}/${exchanges.length} ${plan.fault}${marks}${waiting}${answer}`;
  }

  /** For who holds the log against it. */
  get account(): ClientAccount {
    const { wire, exchanges, received, answered } = this;
    const isWhole = !exchanges.some((exchange) => this.mayBeCut(exchange));
    const isContent = isWhole && !this.inTunnel && answered === exchanges.length;
    return { peer: wire.address, exchanges, received, isContent };
  }

  /** The worker is told to drain: a request that it has by then is answered, if it knows us. */
  noteStop(): void {
    if (this.answered > 0 && !this.sending && this.wire.hasArrived) this.dueAtStop = this.sent;
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────

  private sendNext(): void {
    const exchange = this.exchanges[this.sent];
    if (exchange === undefined || this.sending || this.stopsSending) return;
    // Behind a request that may be the last nobody may send on before its answer is there.
    const mayPipeline = this.plan.pipelines && this.exchanges[this.sent - 1]?.isLast !== true;
    if (!mayPipeline && this.answered < this.sent) return;
    this.sent++;
    this.sending = true;
    exchange.startedAt = this.schedule.now;
    const { schedule, random, plan } = this;
    const { head, body } = requestBytes(exchange, random);
    this.history.trace?.(`${this.name}: ${exchange.plan.method} ${exchange.plan.target}`);
    if (exchange.plan.expectsContinue && body.length > 0) {
      sendPieces(schedule, random, plan.sending, this.send, head, () => {
        // Sent without 100 (Continue) too: nobody has to wait for it for ever.
        schedule.after(500_000, () => this.sendBody(body));
      });
      return;
    }
    this.sendBody(Buffer.concat([head, body]));
  }

  private get stopsSending(): boolean {
    return this.ended || this.done || (this.broke && this.plan.fault === "stop-sending");
  }

  private sendBody(bytes: Uint8Array): void {
    const { schedule, random, plan } = this;
    sendPieces(schedule, random, plan.sending, this.send, bytes, () => {
      this.sending = false;
      if (this.stopsSending) return;
      if (this.sent === this.exchanges.length) this.sentAll();
      this.sendNext();
    });
  }

  private readonly send = (bytes: Uint8Array): void => {
    if (!this.stopsSending) this.wire.send(bytes);
  };

  private sentAll(): void {
    const last = this.exchanges.at(-1)!;
    if (last.plan.kind === "tunnel") return;
    if (this.plan.afterwards !== "end-early") return;
    this.ended = true;
    this.wire.end();
  }

  private misbehave(): void {
    if (this.done) return;
    this.history.log.push(`${this.wire.address}: ${this.plan.fault}`);
    this.broke = true;
    // A tunnel may stand still for ever, so nothing would come of a client that just stops.
    const last = this.exchanges.at(-1)!.plan.kind;
    if (this.plan.fault === "reset" || (last === "tunnel" && this.plan.fault !== "end-inside")) {
      this.wire.reset();
      this.finish();
    } else if (this.plan.fault === "end-inside") {
      this.ended = true;
      this.wire.end();
    }
  }

  // ── Reading ───────────────────────────────────────────────────────────────────────────────────

  onReadable(wire: Wire): void {
    if (this.reading) return;
    if (this.broke && this.plan.fault === "stop-reading") {
      if (wire.serverEnded) this.finish();
      return;
    }
    const { readBytesMax, readPauseUs } = this.plan;
    while (wire.readable && !this.done) {
      let left = readBytesMax === 0 ? READ_BYTES : readBytesMax;
      while (left > 0 && wire.readable && !this.done) {
        const bytes = wire.read(left);
        left -= bytes.length;
        this.received += bytes.length;
        this.reader.feed(bytes);
      }
      if (readBytesMax === 0 || readPauseUs === 0) continue;
      this.reading = true;
      this.schedule.after(this.random.below(readPauseUs) + 1, () => {
        this.reading = false;
        this.onReadable(wire);
      });
      return;
    }
    // One that is refused at the limit is told so before it asks: with a text, though it be a HEAD.
    const ended = this.done && !this.broke && this.history.excuse !== "limit";
    if (ended && wire.readable && this.answered === this.exchanges.length)
      throw new Violation(`${this.name}: bytes behind the last answer`);
    if (wire.atEnd && !this.done) this.onEnd();
  }

  onReset(): void {
    if (this.done) return;
    // What had arrived before the reset can still be read.
    while (this.wire.readable) {
      const bytes = this.wire.read(READ_BYTES);
      this.received += bytes.length;
      this.reader.feed(bytes);
    }
    if (this.done) return;
    if (this.inTunnel) this.expectTunnelEnd(true);
    else if (!this.unanswered.some((exchange) => this.mayBeCut(exchange))) this.expectEnd();
    this.finish();
  }

  /** A reset that one of them has brought about may overtake the answers to others. */
  private get unanswered(): readonly Exchange[] {
    return this.exchanges.slice(this.answered, this.sent);
  }

  private get current(): Exchange | undefined {
    return this.exchanges[this.answered];
  }

  private onEnd(): void {
    this.reader.finish();
    if (this.done) return;
    if (this.inTunnel) this.expectTunnelEnd(false);
    else this.expectEnd();
    this.wire.close();
    this.finish();
  }

  /** Whether the connection may end here, in or before the answer to the current request. */
  private expectEnd(): void {
    const { current, history, reader, closing, broke } = this;
    if (broke || history.excuse !== null) return;
    if (current === undefined) {
      if (reader.isPartial) throw new Violation(`${this.name}: bytes behind the last answer`);
      return;
    }
    if (this.mayBeCut(current)) return; // a reset may have taken all of it away
    if (reader.isPartial) throw new Violation(`${this.name}: the answer to ${current.id} is cut`);
    const wasDue = this.answered < this.dueAtStop;
    if (closing || (history.draining && this.answered === this.sent - 1 && !wasDue)) return;
    if (history.draining && this.plan.pipelines) return;
    if (this.answered === this.sent) return; // idle for too long
    throw new Violation(`${this.name}: request ${current.id} is not answered`);
  }

  private mayBeCut(exchange: Exchange): boolean {
    return this.broke || allowsCut(exchange, this.history);
  }

  private get name(): string {
    return `client ${this.wire.address}`;
  }

  private onHead({ line, fields }: Head): BodyRule {
    const match = /^HTTP\/1\.1 (\d{3}) /.exec(line);
    if (match === null) throw new Violation(`${this.name} sees ${JSON.stringify(line)}`);
    const status = Number(match[1]);
    const { current } = this;
    if (current === undefined || this.answered >= this.sent)
      throw new Violation(`${this.name} sees ${line} without having asked`);
    if (status === 101) {
      if (current.plan.kind !== "tunnel") throw new Violation(`${this.name} sees ${line}`);
      this.inTunnel = true;
      current.seen = status;
      current.relayedBy = current.askedPort;
      this.sendTunnel(current);
      return "raw";
    }
    if (status < 200) return "none";
    if (current.plan.method === "HEAD" || status === 204 || status === 304) return "none";
    if (fields.has("content-length") || fields.has("transfer-encoding")) return "by-fields";
    if (current.plan.minor === 1) throw new Violation(`${this.name} sees ${line} without length`);
    return "until-close";
  }

  private onMessage(head: Head, body: Uint8Array): void {
    const current = this.current!;
    const { fields, line } = head;
    const status = Number(line.slice(9, 12));
    this.history.trace?.(`${this.name}: ${line} to ${current.id}`);
    if (status < 200) {
      current.interimSeen++;
      if (current.interimSeen > current.interimSent || current.plan.minor === 0)
        throw new Violation(`${this.name} sees ${line} that nobody has sent`);
      return;
    }
    current.seen = status;
    current.ownId = OWN_TEXT.exec(Buffer.from(body).toString("latin1"))?.[2] ?? "";
    if (fields.has("x-id")) current.relayedBy = current.askedPort;
    const { broke } = this;
    if (fields.has("x-id")) this.expectAnswer(current, status, head, body);
    else if (status === 429) this.expectLimited(current, fields, body);
    else if (current.plan.local !== null && status === current.plan.local.status)
      expectLocal(current.plan, head, body, this.history.excuse !== null);
    else this.expectError(current, status, body);
    this.noteClose(current, head);
    if (this.done || broke !== this.broke) return;
    this.answered++;
    if (this.answered === this.exchanges.length) this.onAllAnswered();
    else this.sendNext();
  }

  private expectAnswer(current: Exchange, status: number, head: Head, body: Uint8Array): void {
    const { fields, line } = head;
    const { plan } = current;
    if (fields.get("x-id") !== String(current.id))
      throw new Violation(`${this.name} sees the answer to ${fields.get("x-id")} at ${current.id}`);
    if (status !== plan.answer.status) throw new Violation(`${this.name} sees ${line}`);
    if (!fields.has("date") || fields.get("via") !== "1.1 zproxy")
      throw new Violation(`${this.name} sees no Date or no Via`);
    const pad = fields.get("x-pad")?.length ?? 0;
    if (pad !== plan.answer.padBytes) throw new Violation(`${this.name} sees ${pad} of x-pad`);
    const expected = current.isBodyless ? Buffer.alloc(0) : current.answerBody;
    // HTTP/1.0 knows no end of such a body but the connection's, so a cut can't be told from it.
    const open = !fields.has("content-length") && plan.minor === 0 && this.mayBeCut(current);
    if (Buffer.compare(body, open ? expected.subarray(0, body.length) : expected) !== 0)
      throw new Violation(`${this.name} sees another body of ${current.id}: ${body.length} bytes`);
    const isWhole = current.sentWhole > 0 || plan.answer.fault !== "none" || body.length === 0;
    if (!isWhole && !open && plan.answer.framing !== "length")
      throw new Violation(`${this.name} sees the end of ${current.id} before it was sent`);
  }

  private expectLimited(current: Exchange, fields: Head["fields"], body: Uint8Array): void {
    const wait = fields.get("retry-after");
    if (!current.plan.target.startsWith("/limited") || current.deliveries > 0)
      throw new Violation(`${this.name} sees 429 as answer to ${current.id}`);
    if (!this.limiter.seeRefusal(current.client, Number(wait)))
      throw new Violation(`${this.name} is told to wait for ${wait} s by nobody`);
    this.expectOwnText(current, 429, body);
  }

  private expectOwnText(current: Exchange, status: number, body: Uint8Array): void {
    const text = Buffer.from(body).toString("latin1");
    const isOwn = current.plan.method === "HEAD" ? text === "" : OWN_TEXT.test(text);
    if (!isOwn) throw new Violation(`${this.name} sees a ${status} that is nobody's: ${text}`);
  }

  private expectError(current: Exchange, status: number, body: Uint8Array): void {
    // A file that was cut short has other validators.
    if (current.plan.local !== null && this.history.excuse !== null && status < 417) return;
    this.expectOwnText(current, status, body);
    if (this.broke) return;
    if (!allowsError(current, this.history, status))
      throw new Violation(`${this.name} sees a ${status} as answer to ${current.id}`);
  }

  /** The server may announce its close only where it has a reason. */
  private noteClose(current: Exchange, { fields, line }: Head): void {
    const says = fields.get("connection") ?? "";
    const closes = says.includes("close") || (current.plan.minor === 0 && says !== "keep-alive");
    if (!closes) return;
    this.closing = true;
    const { plan } = current;
    const early = plan.answer.early || plan.framing !== "none" || plan.local?.status === 400;
    const hasReason = this.ended || this.broke || current.isLast || this.history.draining;
    if (hasReason || early || this.history.excuse !== null) return;
    throw new Violation(`${this.name}: ${line} to ${current.id} announces a close without reason`);
  }

  private onAllAnswered(): void {
    const { afterwards } = this.plan;
    if (afterwards === "close" || this.closing) this.wire.close();
    else if (afterwards === "reset") this.wire.reset();
    this.finish();
  }

  private finish(): void {
    if (this.done) return;
    this.done = true;
    this.onDone();
  }

  // ── Tunnels ───────────────────────────────────────────────────────────────────────────────────

  private sendTunnel(exchange: Exchange): void {
    const bytes = patternOf(exchange.id * 2 + 1, exchange.plan.tunnelBytes[0]);
    const { schedule, random, plan } = this;
    sendPieces(schedule, random, plan.sending, this.send, bytes, () => {
      exchange.tunnelSent[0] = bytes.length;
      if (!this.done) this.wire.end();
    });
  }

  private onTunnelBytes(bytes: Uint8Array): void {
    const exchange = this.current!;
    const before = exchange.tunnelSeen[1];
    const expected = patternOf(exchange.id * 2, exchange.plan.tunnelBytes[1]);
    exchange.tunnelSeen[1] += bytes.length;
    if (Buffer.compare(bytes, expected.subarray(before, exchange.tunnelSeen[1])) !== 0)
      throw new Violation(`tunnel ${exchange.id} brings the client other bytes`);
  }

  /** Both sides of a tunnel get everything, unless something broke. */
  private expectTunnelEnd(reset: boolean): void {
    const exchange = this.current!;
    if (this.broke || this.history.excuse !== null || this.history.draining) return;
    const whole = exchange.tunnelSeen[1] === exchange.plan.tunnelBytes[1];
    if (whole && !reset) return;
    throw new Violation(`tunnel ${exchange.id} ends after ${exchange.tunnelSeen[1]} bytes`);
  }
}
