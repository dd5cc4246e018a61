// Max-Forwards: how many proxies an OPTIONS or TRACE may still pass (RFC 9110 §7.6.2). The field
// means nothing for other methods, whose heads are not searched for it.

import { ascii, bytesEqualNoCase } from "./bytes.ts";
import type { RequestHead } from "./http1-request.ts";
import { METHOD_OPTIONS, METHOD_TRACE } from "./method.ts";

const MAX_FORWARDS = ascii("max-forwards");

const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * Counts a request that is to go on as passed by us: 0, or the status that we answer it with, as
 * it must not go further. For what we are asked of ourselves, `OPTIONS *` is answered alike.
 */
export function countForward(head: RequestHead): number {
  const { bytes, fields, method } = head;
  if ((method & (METHOD_OPTIONS | METHOD_TRACE)) === 0) return 0;
  for (let index = 0; index < fields.count; index++) {
    const nameStart = fields.lineStart[index]!;
    if (!bytesEqualNoCase(bytes, nameStart, fields.nameEnd[index]!, MAX_FORWARDS)) continue;
    const isLast = !countDown(bytes, fields.valueStart[index]!, fields.valueEnd[index]!);
    if (isLast) return method === METHOD_OPTIONS ? 200 : 501;
  }
  return 0;
}

/**
 * Takes one from the number in `bytes[start, end)`, where it stands: a digit that is not needed any
 * more becomes a blank before the value. False: it is 0. What is no number stays as it is.
 */
function countDown(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! < ZERO || bytes[at]! > NINE) return true;
  let digit = end - 1;
  while (digit >= start && bytes[digit] === ZERO) digit--;
  if (digit < start) return start === end;
  bytes[digit]!--;
  for (let at = digit + 1; at < end; at++) bytes[at] = NINE;
  if (bytes[start] === ZERO && end - start > 1) bytes[start] = SPACE;
  return true;
}
