// Route matching driven by data, for configurations with too many routes to compare one by one:
// code for thousands of routes would pass the size that V8 optimises. The cost of a match follows
// the length of the request's host and path, not the number of routes.
//
// One hash runs over the host from its right end, so that its value at each dot is the hash of a
// domain suffix; another runs over the path from the left, started with the host's index, so that
// its value at each slash is the hash of a prefix. Both look into open-addressed tables, and a hit
// counts only when the bytes are the same:
//
//      api . example . com          / v1 / users / 42
//          <--------|-----|         |--->|------>|-->
//          a look-up at each dot    a look-up at each slash and at the end

import { ascii } from "./bytes.ts";

/** A line of the table. */
export interface RouteEntry {
  /** A host in normal form; "*.example.com" is every host below it at any depth, "*" every host. */
  readonly host: string;
  /** A path prefix in normal form without trailing slash; "" takes every path. */
  readonly prefix: string;
  /** What `match` returns for it, >= 0. */
  readonly route: number;
}

const NONE = -1;
const SLASH = 0x2f;
const DOT = 0x2e;

const HASH_START = 0x811c9dc5 | 0;
/** 2^32 divided by the golden ratio, odd: spreads host indexes and the low bits of a hash. */
const HASH_SPREAD = 0x9e3779b1 | 0;

/** A shift, a subtraction and an addition: look-ups spread the bits, once for each. */
function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/**
 * Maps a host and the longest matching prefix of a path to a route. Immutable once built; all its
 * memory is in typed arrays and `match` allocates nothing.
 */
export class RouteTable {
  /** Exact hosts, and domain suffixes with their leading dot (for wildcards). */
  private readonly hosts: HashIndex;
  /** Prefixes of all hosts. */
  private readonly prefixes: HashIndex;
  /** By key of `hosts`: the host's index. */
  private readonly hostOfKey: Int32Array;
  /** By key of `prefixes`: the route. */
  private readonly routeOfKey: Int32Array;
  /** By host: the route of its prefix "", or NONE. */
  private readonly rootOfHost: Int32Array;
  /** By host: the length of its longest prefix, where the walk along a path ends. */
  private readonly lengthMaxOfHost: Int32Array;
  /** By host: the lengths of its prefixes, bit `length % 32`: most slashes need no look-up. */
  private readonly lengthsOfHost: Int32Array;
  /** The host that "*" stands for, or NONE. */
  private readonly anyHost: number;
  /** The lengths of all domain suffixes, bit `length % 32`: most dots need no look-up. */
  private readonly suffixLengths: number;

  /** Throws for a text that is not ASCII, and for a host and prefix given twice. */
  constructor(entries: readonly RouteEntry[]) {
    const hostIndexes = new Map<string, number>();
    for (const { host } of entries) {
      if (!hostIndexes.has(host)) hostIndexes.set(host, hostIndexes.size);
    }
    const below = entries.filter(({ prefix }) => prefix !== "");
    const named = [...hostIndexes.keys()].filter((host) => host !== "*");
    this.rootOfHost = new Int32Array(hostIndexes.size).fill(NONE);
    this.lengthMaxOfHost = new Int32Array(hostIndexes.size);
    this.lengthsOfHost = new Int32Array(hostIndexes.size);
    this.anyHost = hostIndexes.get("*") ?? NONE;
    this.suffixLengths = named
      .filter((host) => host.startsWith("*."))
      .reduce((bits, host) => bits | (1 << (host.length - 1)), 0);
    this.hosts = new HashIndex(named.map((host) => hostKey(host)));
    this.hostOfKey = Int32Array.from(named, (host) => hostIndexes.get(host)!);
    this.prefixes = new HashIndex(
      below.map(({ host, prefix }) => prefixKey(hostIndexes.get(host)!, prefix)),
    );
    this.routeOfKey = Int32Array.from(below, ({ route }) => route);
    for (const { host, prefix, route } of entries) {
      const index = hostIndexes.get(host)!;
      this.lengthsOfHost[index] |= 1 << prefix.length;
      if (prefix === "") {
        if (this.rootOfHost[index] !== NONE) throw new Error(`route given twice: ${host} ""`);
        this.rootOfHost[index] = route;
      }
      if (prefix.length > this.lengthMaxOfHost[index]) this.lengthMaxOfHost[index] = prefix.length;
    }
  }

  /** A `MatchRoute`: the route of the best host pattern's longest prefix, or -1. */
  match(
    bytes: Uint8Array,
    hostStart: number,
    hostEnd: number,
    pathStart: number,
    pathEnd: number,
  ): number {
    const host = this.matchHost(bytes, hostStart, hostEnd);
    return host === NONE ? NONE : this.matchPath(bytes, pathStart, pathEnd, host);
  }

  private matchHost(bytes: Uint8Array, hostStart: number, hostEnd: number): number {
    let best = this.anyHost;
    const suffixLengths = this.suffixLengths;
    let hash = HASH_START;
    let at = hostEnd - 1;
    for (;;) {
      // Without a call in it, so that the engine keeps the array's address in a register.
      for (; at >= hostStart; at--) {
        const byte = bytes[at];
        hash = hashStep(hash, byte);
        if (byte === DOT) break;
      }
      // A wildcard asks for a label before its dot, so a dot in front is no boundary.
      if (at <= hostStart) break;
      if (((suffixLengths >>> (hostEnd - at)) & 1) !== 0) {
        const key = this.hosts.find(hash, bytes, at, hostEnd);
        if (key !== NONE) best = this.hostOfKey[key];
      }
      at--;
    }
    const key = this.hosts.find(hash, bytes, hostStart, hostEnd);
    // A suffix is stored with its dot; a host that begins with a dot must not pass for one.
    if (key === NONE || bytes[hostStart] === DOT) return best;
    return this.hostOfKey[key];
  }

  private matchPath(bytes: Uint8Array, pathStart: number, pathEnd: number, host: number): number {
    const lengthMax = this.lengthMaxOfHost[host];
    // One further than the longest prefix, because the byte after a prefix decides about it.
    const whole = pathEnd - pathStart <= lengthMax;
    const end = whole ? pathEnd : pathStart + lengthMax + 1;
    const lengths = this.lengthsOfHost[host];
    let best = this.rootOfHost[host];
    let hash = Math.imul(host, HASH_SPREAD) ^ HASH_START;
    let at = pathStart;
    while (at < end) {
      hash = hashStep(hash, bytes[at]);
      for (at++; at < end; at++) {
        const byte = bytes[at];
        if (byte === SLASH) break;
        hash = hashStep(hash, byte);
      }
      if (at < end && ((lengths >>> (at - pathStart)) & 1) !== 0) {
        const key = this.prefixes.find(hash, bytes, pathStart, at);
        if (key !== NONE) best = this.routeOfKey[key];
      }
    }
    if (whole && ((lengths >>> (end - pathStart)) & 1) !== 0) {
      const key = this.prefixes.find(hash, bytes, pathStart, pathEnd);
      if (key !== NONE) best = this.routeOfKey[key];
    }
    return best;
  }
}

/**
 * A text to be found again by its bytes. Equal texts of several hosts stay apart by their hashes
 * alone: each step of the hash is a bijection, so that equal texts with different starts differ.
 */
interface HashKey {
  readonly hash: number;
  readonly text: string;
}

function hostKey(host: string): HashKey {
  const text = host.startsWith("*.") ? host.slice(1) : host;
  const bytes = ascii(text);
  let hash = HASH_START;
  for (let at = bytes.length - 1; at >= 0; at--) hash = hashStep(hash, bytes[at]);
  return { hash, text };
}

function prefixKey(host: number, prefix: string): HashKey {
  let hash = Math.imul(host, HASH_SPREAD) ^ HASH_START;
  for (const byte of ascii(prefix)) hash = hashStep(hash, byte);
  return { hash, text: prefix };
}

/** An open-addressed index of byte texts. At most half full, so that a search ends soon. */
class HashIndex {
  /** Two words a slot: the key's hash, and its place in the list plus one (0: free). */
  private readonly slots: Int32Array;
  private readonly shift: number;
  /** All texts in a row; text `i` is `[textStarts[i], textStarts[i + 1])`. */
  private readonly texts: Uint8Array;
  private readonly textStarts: Int32Array;

  constructor(keys: readonly HashKey[]) {
    const slotCountLog2 = Math.ceil(Math.log2(keys.length * 2 + 2));
    this.slots = new Int32Array(2 << slotCountLog2);
    this.shift = 32 - slotCountLog2;
    this.texts = ascii(keys.map(({ text }) => text).join(""));
    this.textStarts = new Int32Array(keys.length + 1);
    for (const [index, { hash, text }] of keys.entries()) {
      const start = this.textStarts[index];
      const end = start + text.length;
      this.textStarts[index + 1] = end;
      if (this.find(hash, this.texts, start, end) !== NONE) {
        throw new Error(`route given twice: ${JSON.stringify(text)}`);
      }
      let at = this.slotOf(hash);
      while (this.slots[at + 1] !== 0) at = (at + 2) & (this.slots.length - 1);
      this.slots[at] = hash;
      this.slots[at + 1] = index + 1;
    }
  }

  /** The place in the list of the key that is `bytes[start, end)`, or NONE. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.slots;
    const mask = slots.length - 1;
    let at = this.slotOf(hash);
    // A free slot always comes: the table is at most half full.
    while (slots[at + 1] !== 0) {
      if (slots[at] === hash) {
        const index = slots[at + 1] - 1;
        if (this.isText(index, bytes, start, end)) return index;
      }
      at = (at + 2) & mask;
    }
    return NONE;
  }

  private slotOf(hash: number): number {
    return (Math.imul(hash, HASH_SPREAD) >>> this.shift) << 1;
  }

  private isText(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const textStart = this.textStarts[index];
    const length = end - start;
    if (this.textStarts[index + 1] - textStart !== length) return false;
    for (let at = 0; at < length; at++) {
      if (bytes[start + at] !== this.texts[textStart + at]) return false;
    }
    return true;
  }
}
