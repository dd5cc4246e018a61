// Answers that zproxy gives without an upstream: files, whole and in parts, and refusals.

import type { ExchangePlan } from "./exchange.ts";
import { Violation } from "./faults.ts";
import type { Head } from "./http-reader.ts";

/** Asserts that the answer is the planned one. `excused`: the file may have been cut short. */
export function expectLocal(
  plan: ExchangePlan,
  { line, fields }: Head,
  body: Uint8Array,
  excused: boolean,
): void {
  const { body: expected, parts, status } = plan.local!;
  for (const [name, value] of Object.entries(plan.local!.fields)) {
    if (fields.get(name) !== value && !excused)
      throw new Violation(`${plan.target}: ${name} is ${fields.get(name)}, not ${value}`);
  }
  if (expected === null || plan.method === "HEAD") {
    if (plan.method === "HEAD" && body.length > 0) throw new Violation(`${line} to HEAD`);
    return;
  }
  if (parts.length > 1) {
    if (excused) return;
    expectParts(expected, parts, fields.get("content-type") ?? "", body);
    return;
  }
  const [start, end] = parts[0] ?? [0, expected.length];
  if (status === 206) {
    const range = `bytes ${start}-${end - 1}/${expected.length}`;
    const said = fields.get("content-range");
    if (said !== range && !excused) throw new Violation(`${plan.target}: ${said}, not ${range}`);
  }
  const part = expected.subarray(start, excused ? start + body.length : end);
  if (Buffer.compare(body, part) !== 0)
    throw new Violation(`${plan.target} is answered with other bytes, ${body.length} of them`);
}

/** multipart/byteranges (RFC 9110 §14.6). */
function expectParts(
  file: Uint8Array,
  parts: readonly (readonly [number, number])[],
  type: string,
  body: Uint8Array,
): void {
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(type)?.[1];
  if (boundary === undefined) throw new Violation(`several parts in ${type}`);
  let rest = Buffer.from(body);
  for (const [start, end] of parts) {
    const headEnd = rest.indexOf("\r\n\r\n");
    const head = rest.toString("latin1", 0, headEnd);
    const range = `Content-Range: bytes ${start}-${end - 1}/${file.length}`;
    if (headEnd < 0 || !head.startsWith(`\r\n--${boundary}\r\n`) || !head.includes(range))
      throw new Violation(`part ${range} begins with ${JSON.stringify(head)}`);
    const contentEnd = headEnd + 4 + end - start;
    if (!rest.subarray(headEnd + 4, contentEnd).equals(file.subarray(start, end)))
      throw new Violation(`part ${range} has other bytes`);
    rest = rest.subarray(contentEnd);
  }
  if (rest.toString("latin1") !== `\r\n--${boundary}--\r\n`)
    throw new Violation("several parts end in other bytes");
}
