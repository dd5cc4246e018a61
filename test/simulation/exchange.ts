// One request with its answer: what is planned, what has happened to it on the way, and so what a
// client may see. An exchange that nothing has happened to must be answered, byte for byte.

import { Random } from "../lib/random.ts";

// Routes with several targets: `/when/` has three servers, `/pages/` files and a server.
export const WHEN_PORT = 9005;
export const WHEN_API_PORT = 9006;
export const WHEN_CLIENT_PORT = 9007;
export const WHEN_CLIENT = "192.0.2.7";
export const PAGES_API_PORT = 9008;

const PATTERN_BYTES = 1 << 19;
const PATTERN = new Random(0x5eed).bytes(PATTERN_BYTES);

/** The body that belongs to a number: a part of one random text, so that no two are alike. */
export function patternOf(id: number, length: number): Uint8Array {
  const start = (id * 7919) % (PATTERN_BYTES - length);
  return PATTERN.subarray(start, start + length);
}

/** What an upstream does with a request. */
export interface AnswerPlan {
  readonly status: number;
  readonly framing: "length" | "chunked" | "close";
  readonly bodyBytes: number;
  /** 1xx heads before the answer. */
  readonly interim: number;
  /** Bytes of a field that only makes the head longer. */
  readonly padBytes: number;
  readonly minor: 0 | 1;
  /** Whether it waits for the request's body. */
  readonly early: boolean;
  readonly afterwards: "keep" | "close" | "announced-close";
  readonly fault: UpstreamFault;
  /** The share of the answer that goes out before a cut or a stall. */
  readonly cutAt: number;
  /** Whether a second delivery goes wrong too. */
  readonly faultRepeats: boolean;
}

export type UpstreamFault =
  | "none"
  | "reset-before"
  | "close-before"
  | "stall-before"
  | "cut-close"
  | "cut-reset"
  | "stall-inside"
  | "malformed";

/** What zproxy itself is to answer, or what a file is. */
export interface LocalAnswer {
  readonly status: number;
  /** Null: a text of zproxy's own. */
  readonly body: Uint8Array | null;
  /** Ranges asked for when there are several: first and behind the last. */
  readonly parts: readonly (readonly [number, number])[];
  /** Fields that the answer has, by names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface ExchangePlan {
  readonly id: number;
  readonly kind: "proxy" | "local" | "tunnel";
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  /** Further field lines, each with its CRLF. */
  readonly fields: string;
  /** What it says in X-Forwarded-For, its fields joined; "": nothing. */
  readonly forwardedFor: string;
  readonly bodyBytes: number;
  readonly framing: "none" | "length" | "chunked";
  readonly expectsContinue: boolean;
  readonly answer: AnswerPlan;
  readonly local: LocalAnswer | null;
  /** What both sides of a tunnel send. */
  readonly tunnelBytes: readonly [number, number];
}

export class Exchange {
  readonly plan: ExchangePlan;
  /** The address that it comes from, and whether that is a trusted proxy's. */
  readonly peer: string;
  readonly isTrusted: boolean;
  /** When the client began to send it. */
  startedAt = 0;
  /** Heads of it that upstreams have read. */
  deliveries = 0;
  /** An upstream broke off before its answer was there, or answered nonsense. */
  failed = false;
  /** An upstream broke off without a word, and the request may be made once more elsewhere. */
  dropped = false;
  /** An upstream broke off inside its answer, or may have. */
  cut = false;
  /** An upstream says nothing more. */
  stalled = false;
  /** Answers that an upstream has sent to the last byte. */
  sentWhole = 0;
  /** The status that the client has seen the whole answer to; 0: none. */
  seen = 0;
  /** The request's id, from an answer of zproxy's own; "": there was none. */
  ownId = "";
  /** The port of the upstream that the client has seen the answer of; 0: none. */
  relayedBy = 0;
  /** The port of the upstream that was asked last. */
  askedPort = 0;
  interimSent = 0;
  interimSeen = 0;
  /** Bytes that each side of the tunnel has sent and received. */
  tunnelSent: [number, number] = [0, 0];
  tunnelSeen: [number, number] = [0, 0];

  constructor(plan: ExchangePlan, peer: string, isTrusted: boolean) {
    this.plan = plan;
    this.peer = peer;
    this.isTrusted = isTrusted;
  }

  /** What upstreams are told in X-Forwarded-For. */
  get forwardedFor(): string {
    const { forwardedFor } = this.plan;
    return this.isTrusted && forwardedFor !== "" ? `${forwardedFor}, ${this.peer}` : this.peer;
  }

  /** Whom the request is from: the last address that a trusted proxy names, if it is one. */
  get client(): string {
    const last = /(\d+\.\d+\.\d+\.\d+)$/.exec(this.plan.forwardedFor)?.[1];
    return this.isTrusted && last !== undefined ? last : this.peer;
  }

  /** The port of the one server that must get it; undefined: its route has one target. */
  get port(): number | undefined {
    const { target, fields, method } = this.plan;
    const says = fields.includes("X-Api: ");
    if (target.startsWith("/pages/")) return PAGES_API_PORT;
    if (!target.startsWith("/when/")) return undefined;
    if (says) return WHEN_API_PORT;
    return this.client === WHEN_CLIENT && method !== "PUT" ? WHEN_CLIENT_PORT : WHEN_PORT;
  }

  get id(): number {
    return this.plan.id;
  }

  get requestBody(): Uint8Array {
    return patternOf(this.id * 2 + 1, this.plan.bodyBytes);
  }

  get answerBody(): Uint8Array {
    return patternOf(this.id * 2, this.plan.answer.bodyBytes);
  }

  /** Whether the answer to it has no body. */
  get isBodyless(): boolean {
    const { method, answer } = this.plan;
    return method === "HEAD" || answer.status === 204 || answer.status === 304;
  }

  /** It may be made twice, and all of it is kept: a stale connection costs it nothing. */
  get isRepeatable(): boolean {
    const { bodyBytes, framing } = this.plan;
    return this.isIdempotent && bodyBytes === 0 && framing !== "chunked";
  }

  /** The connection ends with its answer, as the client wants. */
  get isLast(): boolean {
    const { minor, fields } = this.plan;
    return minor === 0 || fields.includes("Connection: close");
  }

  get isIdempotent(): boolean {
    return this.plan.method !== "POST" && this.plan.method !== "PATCH";
  }
}

/** What has happened to a run as a whole. */
export class RunHistory {
  /** Why any exchange may fail: a fault of the kernel, scarce memory. Null: none may. */
  excuse: string | null = null;
  /** Upstreams have refused connections, or let them hang. */
  refused = false;
  unreachable = false;
  /** The name of some server has one address, so that there may be no other one to ask. */
  alone = false;
  /**
   * Upstreams have ended connections without a word: until then a request may be lost on one, in
   * virtual microseconds.
   */
  staleUntil = -1;
  /** The worker has been told to drain. */
  draining = false;
  /** What happened, for the reader of a failure. */
  readonly log: string[] = [];
  trace: ((line: string) => void) | null = null;
}

/** Whether zproxy may answer the exchange with this error of its own. */
export function allowsError(exchange: Exchange, history: RunHistory, status: number): boolean {
  if (history.excuse !== null && [408, 416, 500, 502, 503, 504].includes(status)) return true;
  const stale = exchange.startedAt <= history.staleUntil && !exchange.isRepeatable;
  switch (status) {
    case 502:
      // There was no other left.
      if (exchange.dropped && (history.unreachable || history.alone)) return true;
      return exchange.failed || history.refused || stale;
    case 504:
      return exchange.stalled || history.unreachable;
    default:
      return false;
  }
}

/** Whether the connection may end inside the answer. */
export function allowsCut(exchange: Exchange, history: RunHistory): boolean {
  return history.excuse !== null || exchange.cut;
}
