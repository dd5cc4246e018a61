// Sets of client addresses with too many blocks to compare one by one: the ends of all blocks in
// order, with what holds from each on. An address's first bits say where to begin, and a search by
// halves finds its range: the tree of compares that code would be, without its size, since V8 never
// optimises a function of thousands of compares.
//
//      0.0.0.0      10.0.0.0       10.0.0.13      10.0.0.14      11.0.0.0
//      |   out      |   in         |   out        |   in         |   out

import type { ClientAddress } from "./api.ts";
import { ascii } from "./bytes.ts";
import { IpAddress } from "./ip-address.ts";

/** What an entry that is taken out of the set begins with. */
const NOT = "not ";
const IPV4_WORDS = 1;
const IPV6_WORDS = 4;
const FIRST_BITS_MAX = 16;

/** An address in unsigned words of 32 bits: one, or four. */
type Words = readonly number[];

interface Block {
  readonly isOut: boolean;
  readonly start: Words;
  /** The first address behind it; undefined: there is none. */
  readonly after: Words | undefined;
}

/** Immutable once built; `has` allocates nothing. */
export class AddressSet {
  private readonly ipv4: Ranges;
  private readonly ipv6: Ranges;

  /**
   * Addresses and blocks, `"10.0.0.0/8"`, and those that are out of it, `"not 10.0.0.13"`, whatever
   * else holds them. When all are of the second kind, every other address is in. Throws for a text
   * that is neither.
   */
  constructor(entries: readonly string[]) {
    const otherwise = entries.every((entry) => entry.startsWith(NOT));
    const blocks = entries.map(parseBlock);
    const ofVersion = (words: number) => blocks.filter(({ start }) => start.length === words);
    this.ipv4 = new Ranges(IPV4_WORDS, ofVersion(IPV4_WORDS), otherwise);
    this.ipv6 = new Ranges(IPV6_WORDS, ofVersion(IPV6_WORDS), otherwise);
  }

  has({ isIpv4, word0, word1, word2, word3 }: ClientAddress): boolean {
    return isIpv4 ? this.ipv4.hasWord(word3) : this.ipv6.hasWords(word0, word1, word2, word3);
  }
}

function parseBlock(entry: string): Block {
  const isOut = entry.startsWith(NOT);
  const [text = "", bits] = (isOut ? entry.slice(NOT.length) : entry).split("/");
  const address = new IpAddress();
  const bytes = ascii(text);
  if (!address.parse(bytes, 0, bytes.length)) throw new Error(`not an address: ${entry}`);
  const { isIpv4, word0, word1, word2, word3 } = address;
  const words = isIpv4 ? [word3] : [word0, word1, word2, word3];
  const prefixBits = bits === undefined ? words.length * 32 : Number(bits);
  const start = words.map((word, index) => (word & ~hostBits(prefixBits, index)) >>> 0);
  const last = start.map((word, index) => (word | hostBits(prefixBits, index)) >>> 0);
  return { isOut, start, after: next(last) };
}

/** The bits of a word that differ within a block. */
function hostBits(prefixBits: number, index: number): number {
  const bits = Math.max(0, Math.min(32, prefixBits - index * 32));
  return bits === 32 ? 0 : 0xffffffff >>> bits;
}

function next(words: Words): Words | undefined {
  const at = words.findLastIndex((word) => word !== 0xffffffff);
  if (at < 0) return undefined;
  return words.map((word, index) => (index < at ? word : index === at ? word + 1 : 0));
}

/** All addresses of one version, cut into ranges that are in or out. */
class Ranges {
  /** The first address of each range, `wordCount` words each, as `ordered` has them. */
  private readonly starts: Int32Array;
  private readonly isIn: Uint8Array;
  /**
   * By the first bits of an address: the range of the first address with them, and one entry more.
   * About as many as there are ranges, so that most searches end where they begin.
   */
  private readonly first: Int32Array;
  private readonly firstShift: number;

  constructor(wordCount: number, blocks: readonly Block[], otherwise: boolean) {
    const { starts, isIn } = cut(wordCount, blocks, otherwise);
    this.starts = Int32Array.from(starts.flat(), ordered);
    this.isIn = Uint8Array.from(isIn, Number);
    const bits = Math.min(FIRST_BITS_MAX, Math.max(1, Math.ceil(Math.log2(starts.length))));
    this.firstShift = 32 - bits;
    this.first = new Int32Array((1 << bits) + 1).fill(starts.length - 1);
    let range = starts.length - 1;
    for (let at = (1 << bits) - 1; at >= 0; at--) {
      const address = [at * 2 ** this.firstShift, 0, 0, 0];
      while (compareWords(starts[range]!, address) > 0) range--;
      this.first[at] = range;
    }
  }

  hasWord(word: number): boolean {
    const { starts, first } = this;
    const wanted = ordered(word);
    const place = word >>> this.firstShift;
    // The range begins at or behind `low`, and before `high`.
    let low = first[place]!;
    let high = first[place + 1]! + 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= wanted) low = middle;
      else high = middle;
    }
    return this.isIn[low] === 1;
  }

  hasWords(word0: number, word1: number, word2: number, word3: number): boolean {
    const { starts, first } = this;
    const place = word0 >>> this.firstShift;
    let low = first[place]!;
    let high = first[place + 1]! + 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const at = middle << 2;
      let order = compare(starts[at]!, word0);
      if (order === 0) order = compare(starts[at + 1]!, word1);
      if (order === 0) order = compare(starts[at + 2]!, word2);
      if (order === 0) order = compare(starts[at + 3]!, word3);
      if (order <= 0) low = middle;
      else high = middle;
    }
    return this.isIn[low] === 1;
  }
}

/** The first address of each range, and whether its addresses are in. */
function cut(wordCount: number, blocks: readonly Block[], otherwise: boolean) {
  // Blocks may lie in each other, so they are counted.
  const ends = blocks.flatMap(({ isOut, start, after }) => [
    { words: start, isOut, step: 1 },
    ...(after === undefined ? [] : [{ words: after, isOut, step: -1 }]),
  ]);
  ends.sort((a, b) => compareWords(a.words, b.words));
  const starts: Words[] = [new Array<number>(wordCount).fill(0)];
  const isIn: boolean[] = [otherwise];
  let inside = 0;
  let outside = 0;
  for (const { words, isOut, step } of ends) {
    if (isOut) outside += step;
    else inside += step;
    if (compareWords(starts.at(-1)!, words) !== 0) starts.push(words);
    isIn[starts.length - 1] = outside === 0 && (inside > 0 || otherwise);
  }
  return { starts, isIn };
}

/** The top bit turned over: the order of signed words is the order of addresses. */
function ordered(word: number): number {
  return word ^ 0x80000000;
}

function compare(start: number, word: number): number {
  const wanted = ordered(word);
  return start < wanted ? -1 : start > wanted ? 1 : 0;
}

/** The words that both have. */
function compareWords(a: Words, b: Words): number {
  const at = a.findIndex((word, index) => word !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
