// IP addresses as numbers: what rules about clients compare. Text is read in the one form that
// everybody reads alike: IPv4 as four decimal numbers without leading zeros, IPv6 (RFC 4291 §2.2)
// without a zone.

import type { ClientAddress } from "./api.ts";
import { HEX_VALUE } from "./http1-classes.ts";
import { scanIpv6 } from "./ip-literal.ts";

const COLON = 0x3a;
const DOT = 0x2e;
const GROUPS = 8;
/** The sixth group of an IPv4-mapped address (RFC 4291 §2.5.5.2); the five before are zero. */
const MAPPED_GROUP = 5;

/** One address, overwritten by each `parse`. Words are signed, so that none needs a heap number. */
export class IpAddress implements ClientAddress {
  isIpv4 = false;
  word0 = 0;
  word1 = 0;
  word2 = 0;
  word3 = 0;
  private readonly groups = new Int32Array(GROUPS);

  /**
   * Reads the address in `bytes[start, end)`; an IPv4-mapped one becomes the IPv4 address it holds.
   * False, and the value stays what it was, when the text is no address.
   */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.parseIpv4(bytes, start, end, 0)) return this.parseIpv6(bytes, start, end);
    const { groups } = this;
    this.setIpv4((groups[0]! << 16) | groups[1]!);
    return true;
  }

  /** Four octets into two groups. False when something else stands there. */
  private parseIpv4(bytes: Uint8Array, start: number, end: number, group: number): boolean {
    let at = start;
    let value = 0;
    for (let octet = 0; octet < 4; octet++) {
      if (octet > 0 && (at >= end || bytes[at++] !== DOT)) return false;
      const first = at;
      let number = 0;
      while (at < end && at - first < 3 && bytes[at]! >= 0x30 && bytes[at]! <= 0x39)
        number = number * 10 + bytes[at++]! - 0x30;
      if (at === first || number > 255) return false;
      if (bytes[first] === 0x30 && at - first > 1) return false;
      value = (value << 8) | number;
    }
    this.groups[group] = value >>> 16;
    this.groups[group + 1] = value & 0xffff;
    return at === end;
  }

  private parseIpv6(bytes: Uint8Array, start: number, end: number): boolean {
    if (scanIpv6(bytes, start, end) !== end) return false;
    const { groups } = this;
    groups.fill(0);
    let at = start;
    let count = 0;
    let gap = -1;
    while (at < end) {
      if (bytes[at] === COLON) {
        if (bytes[at + 1] === COLON && at + 1 < end) {
          gap = count;
          at++;
        }
        at++;
        continue;
      }
      const first = at;
      let value = 0;
      while (at < end && HEX_VALUE[bytes[at]!] !== 255)
        value = (value << 4) | HEX_VALUE[bytes[at++]!]!;
      if (at < end && bytes[at] === DOT) {
        this.parseIpv4(bytes, first, end, count);
        count += 2;
        break;
      }
      groups[count++] = value;
    }
    if (gap >= 0) {
      groups.copyWithin(gap + GROUPS - count, gap, count);
      groups.fill(0, gap, gap + GROUPS - count);
    }
    this.setGroups();
    return true;
  }

  private setGroups(): void {
    const { groups } = this;
    const word3 = (groups[6]! << 16) | groups[7]!;
    let mapped = groups[MAPPED_GROUP] === 0xffff;
    for (let at = 0; at < MAPPED_GROUP; at++) if (groups[at] !== 0) mapped = false;
    if (mapped) {
      this.setIpv4(word3);
      return;
    }
    this.isIpv4 = false;
    this.word0 = (groups[0]! << 16) | groups[1]!;
    this.word1 = (groups[2]! << 16) | groups[3]!;
    this.word2 = (groups[4]! << 16) | groups[5]!;
    this.word3 = word3;
  }

  private setIpv4(word: number): void {
    this.isIpv4 = true;
    this.word0 = 0;
    this.word1 = 0;
    this.word2 = 0;
    this.word3 = word;
  }
}
