// Heads as they go on to the other side: the request's to the upstream, the response's to the
// client. Field lines that pass are copied in runs, the others are left out, ours are added.

import { ascii, copyWithin, writeBytes } from "./bytes.ts";
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
const HTTP_11_LINE_END = ascii(" HTTP/1.1\r\n");
const HTTP_11 = ascii("HTTP/1.1");
const LINE_END = ascii("\r\n");
const HOST = ascii("Host: ");
const FORWARDED_FOR = ascii("X-Forwarded-For: ");
const FORWARDED_PROTO_HTTP = ascii("X-Forwarded-Proto: http\r\n");
const FORWARDED_PROTO_HTTPS = ascii("X-Forwarded-Proto: https\r\n");
const FORWARDED_HOST = ascii("X-Forwarded-Host: ");
const VIA = ascii("Via: 1.1 zproxy\r\n");
const CHUNKED = ascii("Transfer-Encoding: chunked\r\n");
const CONNECTION_UPGRADE = ascii("Connection: upgrade\r\n");

/** What `writeRequestHead` adds at most, beside the route's and server's own texts. */
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
  const { bytes, fields } = head;
  let at = copyWithin(bytes, to, head.methodStart, head.methodEnd);
  bytes[at++] = 0x20;
  if (head.isServerWide) bytes[at++] = ASTERISK;
  else at = writePath(head, route, at);
  at = writeBytes(bytes, at, HTTP_11_LINE_END);
  if (keepsHost(head, route)) {
    at = writeBytes(bytes, at, HOST);
    at = copyWithin(bytes, at, head.authorityStart, head.authorityEnd);
    at = writeBytes(bytes, at, LINE_END);
  } else {
    at = writeBytes(bytes, at, server.hostLine);
  }
  if (fields.has(FIELD_CONNECTION)) fields.dropNamedByConnection(bytes);
  let leftOut = REQUEST_LEFT_OUT;
  if (head.isForwarded) leftOut &= ~FORWARDED_KEPT;
  if (head.wantsUpgrade) {
    at = copyFields(bytes, fields, leftOut & ~(1 << FIELD_UPGRADE), at);
    at = writeBytes(bytes, at, CONNECTION_UPGRADE);
  } else {
    at = copyFields(bytes, fields, leftOut, at);
  }
  at = writeBytes(bytes, at, FORWARDED_FOR);
  if (head.isForwarded) at = copyForwardedFor(bytes, fields, at);
  for (let index = 0; index < addressLength; index++) bytes[at++] = address[addressStart + index]!;
  at = writeBytes(bytes, at, LINE_END);
  at = writeForwarded(head, at);
  at = writeBytes(bytes, at, VIA);
  return writeBytes(bytes, at, LINE_END);
}

/** Whether the upstream is told the client's own `Host`; one of HTTP/1.0 may have none. */
export function keepsHost({ authorityStart, authorityEnd }: RequestHead, route: Route): boolean {
  return route.preserveHost && authorityEnd > authorityStart;
}

/** The request's path and query as its route's upstream knows them. */
function writePath(head: RequestHead, route: Route, to: number): number {
  const { bytes, path, queryStart, queryEnd } = head;
  let at = writeBytes(bytes, to, route.basePath);
  const restStart = path.start + route.prefixBytes;
  if (restStart < path.end) at = copyWithin(bytes, at, restStart, path.end);
  else bytes[at++] = SLASH;
  return copyWithin(bytes, at, queryStart, queryEnd);
}

/** How and under which name we were asked, unless a trusted proxy has said how it was. */
function writeForwarded(head: RequestHead, to: number): number {
  const { bytes, fields, authorityStart, authorityEnd } = head;
  let at = to;
  if (!head.isForwarded || !fields.has(FIELD_X_FORWARDED_PROTO))
    at = writeBytes(bytes, at, head.isSecure ? FORWARDED_PROTO_HTTPS : FORWARDED_PROTO_HTTP);
  if (head.isForwarded && fields.has(FIELD_X_FORWARDED_HOST)) return at;
  if (authorityEnd === authorityStart) return at;
  at = writeBytes(bytes, at, FORWARDED_HOST);
  at = copyWithin(bytes, at, authorityStart, authorityEnd);
  return writeBytes(bytes, at, LINE_END);
}

/** What `writeResponseHead` adds at most: Date, Via, Transfer-Encoding, Connection. */
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
  const { bytes, fields } = head;
  let at = writeBytes(bytes, to, HTTP_11);
  at = writeStatus(head, at);
  if (fields.has(FIELD_CONNECTION)) fields.dropNamedByConnection(bytes);
  at = copyFields(bytes, fields, responseLeftOut(head, delivery), at);
  if (head.status === 101) at = writeBytes(bytes, at, CONNECTION_UPGRADE);
  if (head.status < 200) return writeBytes(bytes, at, LINE_END);
  if (!fields.has(FIELD_DATE)) at = replies.writeDate(at);
  at = writeBytes(bytes, at, VIA);
  if (delivery.addChunks) at = writeBytes(bytes, at, CHUNKED);
  if (!delivery.keepAlive) at = writeBytes(bytes, at, CONNECTION_CLOSE);
  else if (delivery.minorVersion === 0) at = writeBytes(bytes, at, CONNECTION_KEEP_ALIVE);
  return writeBytes(bytes, at, LINE_END);
}

const STATUS_BYTES = 4;

/** Writes " 200 OK CRLF". The space before a reason that is missing is added (RFC 9112 §4). */
function writeStatus(head: ResponseHead, to: number): number {
  const { bytes, statusStart, statusEnd } = head;
  const digitsEnd = statusStart + STATUS_BYTES;
  let at = copyWithin(bytes, to, statusStart, digitsEnd);
  if (bytes[digitsEnd] !== 0x20) bytes[at++] = 0x20;
  return copyWithin(bytes, at, digitsEnd, statusEnd);
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
function copyFields(bytes: Uint8Array, fields: HeadFields, leftOut: number, to: number): number {
  const { count, kind, lineStart } = fields;
  let at = to;
  let runStart = -1;
  for (let index = 0; index < count; index++) {
    if (((leftOut >>> kind[index]!) & 1) === 0) {
      if (runStart < 0) runStart = lineStart[index]!;
    } else if (runStart >= 0) {
      at = copyWithin(bytes, at, runStart, lineStart[index]!);
      runStart = -1;
    }
  }
  return runStart < 0 ? at : copyWithin(bytes, at, runStart, lineStart[count]!);
}
