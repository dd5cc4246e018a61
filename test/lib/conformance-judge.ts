// Holds what a run brought against what its case says.

import assert from "node:assert/strict";
import type { ExpectedMessage } from "./conformance-cases.ts";
import type { MessageKind, Observation } from "./conformance-engine.ts";
import { type Message, readMessages } from "./conformance-messages.ts";

export interface Expectation {
  readonly messages: readonly ExpectedMessage[];
  readonly requests: readonly string[];
  readonly ending: "stays" | "closes";
  /** The client ended its side, so that the server may or may not know when it answers. */
  readonly clientEnds: boolean;
}

/** Throws an AssertionError with what differs. */
export function judge(observation: Observation, expected: Expectation): void {
  const kinds = expected.messages.map(({ toHead }) => ({ toHead }));
  const ended = observation.ending !== "open";
  const got = readOrDescribe(observation.client, kinds, ended);
  const cut = expected.messages.at(-1)?.cut ?? "never";
  const whole = cut === "always" || (cut === "maybe" && got.messages.length < kinds.length);
  const messages = whole ? expected.messages.slice(0, -1) : expected.messages;
  const requests = observation.requests.map(unfold);
  assert.deepEqual(
    {
      messages: got.messages.map((message, at) => plainMessage(message, messages[at], expected)),
      ending: ended ? "closes" : "stays",
      rest: whole ? "" : got.rest,
      requests,
    },
    {
      messages: messages.map((message) => plainExpected(message, expected)),
      ending: expected.ending,
      rest: "",
      requests: expected.requests.map(unfold),
    },
  );
  // A reset could take the answer away before the client has read it (RFC 9112 section 9.6).
  if (!whole) assert.notEqual(observation.ending, "reset", "the connection ends with a reset");
}

/** One element a line reads better in a difference than one long string. */
function unfold(text: string): string[] {
  return text.split(/(?<=\n)/);
}

function readOrDescribe(bytes: Uint8Array, kinds: readonly MessageKind[], ended: boolean) {
  try {
    return readMessages(bytes, kinds, ended);
  } catch (error) {
    const rest = `${(error as Error).message} in ${Buffer.from(bytes).toString("latin1")}`;
    return { messages: [], rest };
  }
}

interface PlainMessage {
  readonly statusLine: string;
  readonly fields: readonly string[];
  readonly trailers: readonly string[];
  readonly body: string;
}

/** What varies from run to run is checked and then written alike. */
function plainMessage(
  message: Message,
  expected: ExpectedMessage | undefined,
  expectation: Expectation,
): PlainMessage {
  const anyValue = new Set(
    expected?.fields.filter(([, value]) => value === "*").map(([name]) => name),
  );
  const body = message.body.replace(/, request [0-9a-f]{16}\n$/, ", request {id}\n");
  const fields = message.fields.map(([name, value]): [string, string] => {
    if (anyValue.has(name)) return [name, "*"];
    const dated = expected?.fields.some(([other]) => other === "date") ?? false;
    return name === "date" && !dated && isRecentDate(value) ? [name, "{date}"] : [name, value];
  });
  return plain(message.statusLine, fields, message.trailers, body, expectation);
}

function isRecentDate(value: string): boolean {
  return new Date(value).toUTCString() === value && Math.abs(Date.now() - Date.parse(value)) < 6e5;
}

function plainExpected(expected: ExpectedMessage, expectation: Expectation): PlainMessage {
  const { statusLine, fields, trailers, body } = expected;
  if (statusLine === undefined) return plainError(expected, expectation);
  if (statusLine.startsWith("HTTP/1.1 1")) {
    return plain(statusLine, fields, trailers, body, expectation);
  }
  const dated = fields.some(([name]) => name === "date");
  const own = fields.some(([name, value]) => name === "server-is" && value === "zproxy");
  const added: [string, string][] = [];
  if (!dated) added.push(["date", "{date}"]);
  if (!own) added.push(["via", "1.1 zproxy"]);
  const all = [...fields.filter(([name]) => name !== "server-is"), ...added];
  return plain(statusLine, all, trailers, body, expectation);
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};
const REQUEST_ID_BYTES = 16;

/** zproxy's own error answer: a line of text with the status and a request id. */
function plainError(expected: ExpectedMessage, expectation: Expectation): PlainMessage {
  const { errorStatus, fields, trailers, toHead } = expected;
  const reason = REASONS[errorStatus];
  assert.ok(reason !== undefined, `no error of zproxy's own has the status ${errorStatus}`);
  const text = `${errorStatus} ${reason}, request `;
  const all: [string, string][] = [
    ...fields.map(([name, value]): [string, string] => [name, value]),
    ["content-type", "text/plain"],
    ["content-length", String(text.length + REQUEST_ID_BYTES + 1)],
    ["date", "{date}"],
  ];
  const body = toHead ? "" : `${text}{id}\n`;
  return plain(`HTTP/1.1 ${errorStatus} ${reason}`, all, trailers, body, expectation);
}

/** Fields of different names have no order (RFC 9110 section 5.3); of the same name they have. */
function plain(
  statusLine: string,
  fields: readonly (readonly [string, string])[],
  trailers: readonly (readonly [string, string])[],
  body: string,
  { clientEnds }: Expectation,
): PlainMessage {
  const kept = fields.filter(([name, value]) => {
    return !(clientEnds && name === "connection" && value === "close");
  });
  const byName = kept.toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  const lines = byName.map(([name, value]) => `${name}: ${value}`);
  return { statusLine, fields: lines, trailers: trailers.map((pair) => pair.join(": ")), body };
}
