// The bytes that actors send, and how they are cut into pieces.

import type { Random } from "../lib/random.ts";
import type { Exchange } from "./exchange.ts";
import type { Schedule } from "./schedule.ts";

/** Sizes of pieces and the pauses between them. */
export interface Piecing {
  /** 0: everything in one piece. */
  readonly bytesMax: number;
  readonly pauseUs: number;
}

const PIECES_MAX = 80;

/** Sends `bytes` in pieces, then calls `then`, whether or not anybody still listens. */
export function sendPieces(
  schedule: Schedule,
  random: Random,
  { bytesMax, pauseUs }: Piecing,
  send: (bytes: Uint8Array) => void,
  bytes: Uint8Array,
  then: () => void,
): void {
  const pieceMax = Math.max(bytesMax, Math.ceil(bytes.length / PIECES_MAX));
  let at = 0;
  const next = (): void => {
    const end = bytesMax === 0 ? bytes.length : at + random.between(1, pieceMax);
    send(bytes.subarray(at, end));
    at = end;
    if (at >= bytes.length) then();
    else schedule.after(random.below(pauseUs + 1), next);
  };
  next();
}

export function answerBytes(exchange: Exchange, random: Random): Uint8Array {
  const { answer, method } = exchange.plan;
  const { framing, status, padBytes, minor, afterwards } = answer;
  const lines = [`HTTP/1.${minor} ${status} Fine`, `X-Id: ${exchange.id}`];
  if (padBytes > 0) lines.push(`X-Pad: ${"p".repeat(padBytes)}`);
  if (afterwards === "announced-close") lines.push("Connection: close");
  const hasFraming = status !== 204 && status !== 304;
  if (hasFraming && framing === "length") lines.push(`Content-Length: ${answer.bodyBytes}`);
  if (hasFraming && framing === "chunked") lines.push("Transfer-Encoding: chunked");
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  if (method === "HEAD" || !hasFraming) return head;
  const body = exchange.answerBody;
  return Buffer.concat([head, ...(framing === "chunked" ? chunked(body, random) : [body])]);
}

export function requestBytes(exchange: Exchange, random: Random): { head: Buffer; body: Buffer } {
  const { method, target, minor, fields, framing, bodyBytes, expectsContinue } = exchange.plan;
  const lines = [`${method} ${target} HTTP/1.${minor}`, "Host: a.test"];
  if (framing === "length") lines.push(`Content-Length: ${bodyBytes}`);
  if (framing === "chunked") lines.push("Transfer-Encoding: chunked");
  if (expectsContinue) lines.push("Expect: 100-continue");
  const head = Buffer.from(`${lines.join("\r\n")}\r\n${fields}\r\n`);
  const body = exchange.requestBody;
  const parts = framing === "chunked" ? chunked(body, random) : [body];
  return { head, body: framing === "none" ? Buffer.alloc(0) : Buffer.concat(parts) };
}

/** Chunks of random sizes, now and then with a trailer behind them. */
function chunked(body: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const sizeMax = random.pick([7, 100, 5000, 100_000]);
  const sizeMin = Math.ceil(body.length / 100) + 1;
  for (let at = 0; at < body.length; ) {
    const part = body.subarray(at, at + random.between(1, Math.max(sizeMax, sizeMin)));
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n"));
    at += part.length;
  }
  const trailer = random.below(4) === 0 ? "X-Trailer: yes\r\n" : "";
  parts.push(Buffer.from(`0\r\n${trailer}\r\n`));
  return parts;
}
