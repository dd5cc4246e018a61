// What the scanners of heads find, in the words of the references, so that the two can be compared.

import {
  type HeadFields,
  SCAN_BAD,
  SCAN_BAD_VERSION,
  SCAN_INCOMPLETE,
  SCAN_TOO_MANY_FIELDS,
} from "zproxy/runtime/data/http1-fields.ts";
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  RequestHead,
} from "zproxy/runtime/data/http1-request.ts";
import { ResponseHead } from "zproxy/runtime/data/http1-response.ts";
import type { PoisonedBytes } from "./poisoned-bytes.ts";
import type { ReferenceField } from "./reference-head.ts";
import type { ReferenceRequest } from "./reference-request.ts";
import type { ReferenceResponse } from "./reference-response.ts";

/** Scratch that a request's scan asks for, beside the length of the head. */
export const SCRATCH_BYTES = 256;

const REASONS = new Map([
  [SCAN_INCOMPLETE, "incomplete"],
  [SCAN_BAD, "bad"],
  [SCAN_TOO_MANY_FIELDS, "too many"],
  [SCAN_BAD_VERSION, "version"],
]);
const FRAMINGS = new Map([
  [BODY_NONE, "none"],
  [BODY_LENGTH, "length"],
  [BODY_CHUNKED, "chunked"],
  [BODY_UNTIL_CLOSE, "close"],
]);

/** The reference's word for a result below zero. */
function reasonName(reason: number): string {
  return REASONS.get(reason) ?? `unknown reason ${reason}`;
}

/** The scanned field lines; offsets count from the start of the input. */
function scannedFields(memory: PoisonedBytes, fields: HeadFields): ReferenceField[] {
  return Array.from({ length: fields.count }, (_, index) => ({
    name: memory.text(fields.lineStart[index]!, fields.nameEnd[index]!),
    value: memory.text(fields.valueStart[index]!, fields.valueEnd[index]!),
    lineStart: fields.lineStart[index]! - memory.start,
    valueStart: fields.valueStart[index]! - memory.start,
  }));
}

/**
 * Scans a request head; asserts that nothing outside of the scratch was written. `head` may have
 * scanned others before.
 */
export function scannedRequest(
  memory: PoisonedBytes,
  head = new RequestHead(memory.bytes),
): ReferenceRequest | string {
  head.setBytes(memory.bytes);
  const end = head.scan(memory.start, memory.end, memory.scratch);
  memory.expectUntouched();
  if (end < 0) return reasonName(end);
  return {
    end: end - memory.start,
    method: memory.text(head.methodStart, head.methodEnd),
    target: memory.text(head.targetStart, head.targetEnd),
    minorVersion: head.minorVersion,
    fields: scannedFields(memory, head.fields),
    framing: FRAMINGS.get(head.bodyMode) as ReferenceRequest["framing"],
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
    wantsUpgrade: head.wantsUpgrade,
    host: memory.text(head.host.start, head.host.end),
    authority: memory.text(head.authorityStart, head.authorityEnd),
    path: memory.text(head.path.start, head.path.end),
    query: memory.text(head.queryStart, head.queryEnd),
    isAsterisk: head.isAsterisk,
    refusal: head.refusal(false),
  };
}

/** Scans a response head; asserts that nothing was written. */
export function scannedResponse(
  memory: PoisonedBytes,
  toHead: boolean,
  head = new ResponseHead(memory.bytes),
): ReferenceResponse | string {
  head.setBytes(memory.bytes);
  const end = head.scan(memory.start, memory.end, toHead);
  memory.expectUntouched();
  if (end < 0) return reasonName(end);
  return {
    end: end - memory.start,
    status: head.status,
    reason: memory.text(head.statusStart + " 200".length, head.statusEnd - 2).slice(1),
    minorVersion: head.minorVersion,
    fields: scannedFields(memory, head.fields),
    framing: FRAMINGS.get(head.bodyMode) as ReferenceResponse["framing"],
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
  };
}
