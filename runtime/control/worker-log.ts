// What a worker itself has to say, as records of its ring.

import { RECORD_KIND, RECORD_LENGTH, SENTENCE_BYTES, SENTENCE_TEXT } from "../data/log-record.ts";
import { type LogRingWriter, recordLength } from "../data/log-ring.ts";

const SENTENCE_BYTES_MAX = 1024;

/** Writes a sentence of a KIND_*; dropped, like any record, when the ring is full. */
export function writeSentence(ring: LogRingWriter, kind: number, text: string): void {
  const bytes = new TextEncoder().encode(text).subarray(0, SENTENCE_BYTES_MAX);
  const length = recordLength(SENTENCE_TEXT * Int32Array.BYTES_PER_ELEMENT + bytes.length);
  const at = ring.reserve(length);
  if (at < 0) return;
  const { words } = ring;
  words[at + RECORD_LENGTH] = length;
  words[at + RECORD_KIND] = kind;
  words[at + SENTENCE_BYTES] = bytes.length;
  ring.bytes.set(bytes, (at + SENTENCE_TEXT) * Int32Array.BYTES_PER_ELEMENT);
  ring.publish(length);
}
