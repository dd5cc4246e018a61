// Hashes of 32 bits: FNV-1a over bytes and texts, and what spreads their bits.

const FNV_START = 0x811c9dc5 | 0;
const FNV_FACTOR = 0x01000193;

/** Of `bytes[start, end)`, another one for each `seed`; its low bits depend on all of them. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = FNV_START ^ seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_FACTOR);
  return hash ^ (hash >>> 15);
}

/** Of a text's UTF-16 code units. */
export function hashText(text: string): number {
  let hash = FNV_START;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_FACTOR);
  return hash;
}

/** A bijection of 32 bits under which neighbours land far apart (the finaliser of MurmurHash3). */
export function mixBits(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
