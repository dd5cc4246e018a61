// Heads as they go on to the other side: the request's to the upstream, the response's to the
// client. Field lines that pass are copied in runs, the others are left out, ours are added.

import { writeBytes } from "./bytes.ts";
import { copyForwardedFor } from "./forwarded-for.ts";
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DATE,
  FIELD_DROPPED,
  FIELD_FORWARDED,
  FIELD_HOST,
  FIELD_LOOKALIKE,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  FIELD_X_FORWARDED_FOR,
  FIELD_X_FORWARDED_HOST,
  FIELD_X_FORWARDED_PROTO,
  type HeadFields,
} from "./http1-fields.ts";
import type { RequestHead } from "./http1-request.ts";
import type { ResponseHead } from "./http1-response.ts";
import { CONNECTION_CLOSE, CONNECTION_KEEP_ALIVE, type ReplyWriter } from "./reply.ts";
import type { Route } from "./route.ts";
import type { Server } from "./upstream-server.ts";
import { copyWords, Text } from "./words.ts";

const HOP_BY_HOP =
  (1 << FIELD_DROPPED) | (1 << FIELD_CONNECTION) | (1 << FIELD_UPGRADE) | (1 << FIELD_TE);
const REQUEST_LEFT_OUT =
  HOP_BY_HOP |
  (1 << FIELD_HOST) |
  (1 << FIELD_FORWARDED) |
  (1 << FIELD_LOOKALIKE) |
  (1 << FIELD_X_FORWARDED_FOR) |
  (1 << FIELD_X_FORWARDED_PROTO) |
  (1 << FIELD_X_FORWARDED_HOST);
/** Of these, what a trusted proxy has said stays. */
const FORWARDED_KEPT =
  (1 << FIELD_FORWARDED) | (1 << FIELD_X_FORWARDED_PROTO) | (1 << FIELD_X_FORWARDED_HOST);
const FRAMING = (1 << FIELD_CONTENT_LENGTH) | (1 << FIELD_TRANSFER_ENCODING);

const ASTERISK = 0x2a;
const SLASH = 0x2f;
const VERSION_HOST = new Text(" HTTP/1.1\r\nHost: ");
const HTTP_11 = new Text("HTTP/1.1");
const LINE_END = new Text("\r\n");
const FORWARDED_FOR = new Text("X-Forwarded-For: ");
const FORWARDED_PROTO_HTTP = new Text("X-Forwarded-Proto: http\r\n");
const FORWARDED_PROTO_HTTPS = new Text("X-Forwarded-Proto: https\r\n");
const FORWARDED_HOST = new Text("X-Forwarded-Host: ");
const VIA = new Text("Via: 1.1 zproxy\r\n");
const VIA_END = new Text("Via: 1.1 zproxy\r\n\r\n");
const CHUNKED = new Text("Transfer-Encoding: chunked\r\n");
const CONNECTION_UPGRADE = new Text("Connection: upgrade\r\n");

/** What `writeRequestHead` adds at most, beside the texts of route and server; with WORD_SLACK. */
export const REQUEST_HEAD_GROWTH = 256;

/**
 * Writes the head for the upstream at `to` and returns its end. Needs the received head's bytes
 * twice (the authority is repeated) plus REQUEST_HEAD_GROWTH and the texts of route and server.
 */
export function writeRequestHead(
  head: RequestHead,
  route: Route,
  server: Server,
  address: Uint8Array,
  addressStart: number,
  addressLength: number,
  to: number,
): number {
  const { bytes, view, fields } = head;
  let at = copyWords(bytes, view, to, head.methodStart, head.methodEnd);
  bytes[at++] = 0x20;
  if (head.isServerWide) bytes[at++] = ASTERISK;
  else at = writePath(head, route, at);
  if (keepsHost(head, route)) {
    at = VERSION_HOST.write(view, at);
    at = copyWords(bytes, view, at, head.authorityStart, head.authorityEnd);
    at = LINE_END.write(view, at);
  } else {
    at = server.versionHost.write(view, at);
  }
  if (fields.has(FIELD_CONNECTION)) fields.dropNamedByConnection(bytes);
  let leftOut = REQUEST_LEFT_OUT;
  if (head.isForwarded) leftOut &= ~FORWARDED_KEPT;
  if (head.wantsUpgrade) {
    at = copyFields(bytes, view, fields, leftOut & ~(1 << FIELD_UPGRADE), at);
    at = CONNECTION_UPGRADE.write(view, at);
  } else {
    at = copyFields(bytes, view, fields, leftOut, at);
  }
  at = FORWARDED_FOR.write(view, at);
  if (head.isForwarded) at = copyForwardedFor(bytes, fields, at);
  for (let index = 0; index < addressLength; index++) bytes[at++] = address[addressStart + index]!;
  at = LINE_END.write(view, at);
  at = writeForwarded(head, at);
  return VIA_END.write(view, at);
}

/** Whether the upstream is told the client's own `Host`; one of HTTP/1.0 may have none. */
export function keepsHost({ authorityStart, authorityEnd }: RequestHead, route: Route): boolean {
  return route.preserveHost && authorityEnd > authorityStart;
}

/** The request's path and query as its route's upstream knows them. */
function writePath(head: RequestHead, route: Route, to: number): number {
  const { bytes, view, path, queryStart, queryEnd } = head;
  let at = writeBytes(bytes, to, route.basePath);
  const restStart = path.start + route.prefixBytes;
  if (restStart < path.end) at = copyWords(bytes, view, at, restStart, path.end);
  else bytes[at++] = SLASH;
  return copyWords(bytes, view, at, queryStart, queryEnd);
}

/** How and under which name we were asked, unless a trusted proxy has said how it was. */
function writeForwarded(head: RequestHead, to: number): number {
  const { bytes, view, fields, authorityStart, authorityEnd } = head;
  let at = to;
  if (!head.isForwarded || !fields.has(FIELD_X_FORWARDED_PROTO))
    at = (head.isSecure ? FORWARDED_PROTO_HTTPS : FORWARDED_PROTO_HTTP).write(view, at);
  if (head.isForwarded && fields.has(FIELD_X_FORWARDED_HOST)) return at;
  if (authorityEnd === authorityStart) return at;
  at = FORWARDED_HOST.write(view, at);
  at = copyWords(bytes, view, at, authorityStart, authorityEnd);
  return LINE_END.write(view, at);
}

/** What `writeResponseHead` adds at most: Date, Via, Transfer-Encoding, Connection, WORD_SLACK. */
export const RESPONSE_HEAD_GROWTH = 160;

/** How the answer goes to the client. */
export interface ResponseDelivery {
  readonly addChunks: boolean;
  readonly removeChunks: boolean;
  readonly keepAlive: boolean;
  /** The client's: 0 is told about a connection that stays. */
  readonly minorVersion: number;
}

/** Writes the head for the client at `to` (not where it was received) and returns its end. */
export function writeResponseHead(
  head: ResponseHead,
  delivery: ResponseDelivery,
  replies: ReplyWriter,
  to: number,
): number {
  const { bytes, view, fields } = head;
  let at = HTTP_11.write(view, to);
  at = writeStatus(head, at);
  if (fields.has(FIELD_CONNECTION)) fields.dropNamedByConnection(bytes);
  at = copyFields(bytes, view, fields, responseLeftOut(head, delivery), at);
  if (head.status === 101) at = CONNECTION_UPGRADE.write(view, at);
  if (head.status < 200) return LINE_END.write(view, at);
  if (!fields.has(FIELD_DATE)) at = replies.writeDate(at);
  at = VIA.write(view, at);
  if (delivery.addChunks) at = CHUNKED.write(view, at);
  if (!delivery.keepAlive) at = writeBytes(bytes, at, CONNECTION_CLOSE);
  else if (delivery.minorVersion === 0) at = writeBytes(bytes, at, CONNECTION_KEEP_ALIVE);
  return LINE_END.write(view, at);
}

const STATUS_BYTES = 4;

/** Writes " 200 OK CRLF". The space before a reason that is missing is added (RFC 9112 §4). */
function writeStatus(head: ResponseHead, to: number): number {
  const { bytes, view, statusStart, statusEnd } = head;
  const digitsEnd = statusStart + STATUS_BYTES;
  if (bytes[digitsEnd] === 0x20) return copyWords(bytes, view, to, statusStart, statusEnd);
  const at = copyWords(bytes, view, to, statusStart, digitsEnd);
  bytes[at] = 0x20;
  return copyWords(bytes, view, at + 1, digitsEnd, statusEnd);
}

/**
 * The kinds of field lines that do not go to the client. Framing stays away from answers that have
 * none (RFC 9112 §6.1, RFC 9110 §8.6), codings from clients that know none.
 */
function responseLeftOut(head: ResponseHead, delivery: ResponseDelivery): number {
  if (head.status === 101) return (HOP_BY_HOP & ~(1 << FIELD_UPGRADE)) | FRAMING;
  if (head.status < 200 || head.status === 204) return HOP_BY_HOP | FRAMING;
  if (delivery.removeChunks || delivery.minorVersion === 0)
    return HOP_BY_HOP | (1 << FIELD_TRANSFER_ENCODING);
  return HOP_BY_HOP;
}

/** Copies the field lines whose kind is not in the bit set `leftOut`, neighbours together. */
function copyFields(
  bytes: Uint8Array,
  view: DataView,
  fields: HeadFields,
  leftOut: number,
  to: number,
): number {
  const { count, kind, lineStart } = fields;
  let at = to;
  let runStart = -1;
  for (let index = 0; index < count; index++) {
    if (((leftOut >>> kind[index]!) & 1) === 0) {
      if (runStart < 0) runStart = lineStart[index]!;
    } else if (runStart >= 0) {
      at = copyWords(bytes, view, at, runStart, lineStart[index]!);
      runStart = -1;
    }
  }
  return runStart < 0 ? at : copyWords(bytes, view, at, runStart, lineStart[count]!);
}
