// The client's reading of a conformance run: bytes in, messages out, interim answers each on its
// own. The strict reader of answer.ts decides what an answer is.

import { type Answer, readAnswer } from "./answer.ts";
import type { MessageKind } from "./conformance-engine.ts";

export interface Message {
  readonly statusLine: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly trailers: readonly (readonly [string, string])[];
  readonly body: string;
}

export interface Reading {
  readonly messages: readonly Message[];
  /** Bytes behind the last message, as latin1. */
  readonly rest: string;
}

/** readAnswer wants a final answer behind interim ones; this one is never the server's. */
const FINAL = Buffer.from("HTTP/1.1 204 End\r\n\r\n");
const INTERIM = /^HTTP\/1\.1 1(?!01)/;

/**
 * Reads at most `kinds.length` messages. Throws where the bytes are not a strict HTTP/1.1 answer.
 */
export function readMessages(
  bytes: Uint8Array,
  kinds: readonly MessageKind[],
  ended: boolean,
): Reading {
  let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Message[] = [];
  for (const { toHead } of kinds) {
    const found = readMessage(rest, toHead ? "HEAD" : "GET", ended);
    if (found === undefined) break;
    messages.push(found.message);
    rest = rest.subarray(found.bytes);
  }
  return { messages, rest: rest.toString("latin1") };
}

function readMessage(
  bytes: Buffer,
  method: string,
  ended: boolean,
): { message: Message; bytes: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd >= 0 && INTERIM.test(bytes.toString("latin1", 0, 12))) {
    const head = bytes.subarray(0, headEnd + 4);
    const interim = readAnswer(Buffer.concat([head, FINAL]), method, ended)?.answer.interim[0];
    if (interim === undefined) throw new Error(`not an interim answer: ${head.toString("latin1")}`);
    const statusLine = head.toString("latin1", 0, head.indexOf("\r\n"));
    const message = { statusLine, fields: interim.headers, trailers: [], body: "" };
    return { message, bytes: head.length };
  }
  const found = readAnswer(bytes, method, ended);
  return found && { message: messageOf(found.answer), bytes: found.bytes };
}

function messageOf(answer: Answer): Message {
  const { status, reason, headers, trailers, body } = answer;
  const statusLine = `HTTP/1.1 ${status} ${reason}`;
  return { statusLine, fields: headers, trailers, body: body.toString("latin1") };
}
