// IP addresses in the one form everybody reads alike: four decimal numbers, or IPv6 without a zone.

import ipaddr from "ipaddr.js";
import { type Parsed, parsed, refused } from "./parsed.ts";

export interface IpAddress {
  readonly version: 4 | 6;
  /** Four or sixteen bytes in network order. */
  readonly bytes: readonly number[];
  /** The shortest form (RFC 5952), without brackets. */
  readonly text: string;
}

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** The shortest form of four or sixteen bytes. */
export function printIp(bytes: readonly number[]): string {
  return bytes.length === 4 ? bytes.join(".") : new ipaddr.IPv6([...bytes]).toRFC5952String();
}

/** Reads an address without brackets, prefix length or port. */
export function parseIp(text: string): Parsed<IpAddress> {
  if (text.includes(":")) return parseIpv6(text);
  if (!IPV4.test(text)) {
    const short = /^[\d.]+$/.test(text);
    return refused(short ? "an IPv4 address has four numbers" : "it is not an IP address");
  }
  const parts = text.split(".");
  if (parts.some((part) => part.length > 1 && part.startsWith("0"))) {
    return refused("a number with a leading zero is read as octal by some programs");
  }
  const bytes = parts.map(Number);
  if (bytes.some((byte) => byte > 255)) return refused("each number goes up to 255");
  return parsed({ version: 4, bytes, text });
}

function parseIpv6(text: string): Parsed<IpAddress> {
  if (text.includes("%")) return refused("a zone (the part after %) cannot be used");
  if (!ipaddr.IPv6.isValid(text) || !/^[0-9a-fA-F:.]+$/.test(text)) {
    return refused("it is not an IPv6 address");
  }
  const tailStart = text.lastIndexOf(":") + 1;
  const tail = text.slice(tailStart);
  let groups = text;
  if (tail.includes(".")) {
    const embedded = parseIp(tail);
    if (!embedded.ok) return embedded;
    // The library reads "::1.2.3.4" as if it were "::ffff:1.2.3.4", so the tail goes as groups.
    const [a = 0, b = 0, c = 0, d = 0] = embedded.value.bytes;
    groups = `${text.slice(0, tailStart)}${hex(a, b)}:${hex(c, d)}`;
  }
  const bytes = ipaddr.IPv6.parse(groups).toByteArray();
  return parsed({ version: 6, bytes, text: printIp(bytes) });
}

function hex(high: number, low: number): string {
  return (high * 256 + low).toString(16);
}
