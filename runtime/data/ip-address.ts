// IP addresses as numbers: what rules about clients compare. Text is read in the one form that
// everybody reads alike: IPv4 as four decimal numbers without leading zeros, IPv6 (RFC 4291 §2.2)
// without a zone.

import type { ClientAddress } from "./api.ts";
import { IPV6_GROUPS, readIpv4, readIpv6, scanIpv6 } from "./ip-literal.ts";

/** The sixth group of an IPv4-mapped address (RFC 4291 §2.5.5.2); the five before are zero. */
const MAPPED_GROUP = 5;

/** One address, overwritten by each `parse`. Words are signed, so that none needs a heap number. */
export class IpAddress implements ClientAddress {
  isIpv4 = false;
  word0 = 0;
  word1 = 0;
  word2 = 0;
  word3 = 0;
  private readonly groups = new Int32Array(IPV6_GROUPS);

  /**
   * Reads the address in `bytes[start, end)`; an IPv4-mapped one becomes the IPv4 address it holds.
   * False, and the value stays what it was, when the text is no address.
   */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    const { groups } = this;
    if (readIpv4(bytes, start, end, groups, 0)) {
      this.setIpv4((groups[0]! << 16) | groups[1]!);
      return true;
    }
    if (scanIpv6(bytes, start, end) !== end) return false;
    readIpv6(bytes, start, end, groups);
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
