// X-Forwarded-For, as proxies that are trusted have written it: each appends the address it was
// called from, so the list is read from its end.

import type { ClientAddress } from "./api.ts";
import { copyWithin, skipBlanks, trimBlanks } from "./bytes.ts";
import { FIELD_X_FORWARDED_FOR, type HeadFields } from "./http1-fields.ts";
import type { IpAddress } from "./ip-address.ts";

const COMMA = 0x2c;
const SPACE = 0x20;

/**
 * Moves `address`, that of a trusted peer, to the client: the right-most address that is not
 * trusted. Where all are, or where something that is no address comes first, it is the last one
 * that was read: nobody vouches for what stands before. Fields may repeat and hold lists with empty
 * members (RFC 9110 §5.6.1).
 */
export function followForwardedFor(
  bytes: Uint8Array,
  fields: HeadFields,
  isTrustedProxy: (address: ClientAddress) => boolean,
  address: IpAddress,
): void {
  for (let index = fields.count - 1; index >= 0; index--) {
    if (fields.kind[index] !== FIELD_X_FORWARDED_FOR) continue;
    const valueStart = fields.valueStart[index]!;
    let end = fields.valueEnd[index]!;
    while (end > valueStart) {
      let start = end;
      while (start > valueStart && bytes[start - 1] !== COMMA) start--;
      const memberStart = skipBlanks(bytes, start, end);
      end = trimBlanks(bytes, memberStart, end);
      if (memberStart < end) {
        if (!address.parse(bytes, memberStart, end) || !isTrustedProxy(address)) return;
      }
      end = start - 1;
    }
  }
}

/** Copies the values of all X-Forwarded-For fields to `to`, each with ", " behind it. */
export function copyForwardedFor(bytes: Uint8Array, fields: HeadFields, to: number): number {
  let at = to;
  for (let index = 0; index < fields.count; index++) {
    if (fields.kind[index] !== FIELD_X_FORWARDED_FOR) continue;
    const start = fields.valueStart[index]!;
    const end = fields.valueEnd[index]!;
    if (start === end) continue;
    at = copyWithin(bytes, at, start, end);
    bytes[at++] = COMMA;
    bytes[at++] = SPACE;
  }
  return at;
}
