// What a worker itself has to say, as records of its ring.

import {
  KIND_WARNING,
  RECORD_KIND,
  RECORD_LENGTH,
  WARNING_BYTES,
  WARNING_TEXT,
} from "../data/log-record.ts";
import { type LogRingWriter, recordLength } from "../data/log-ring.ts";

const WARNING_BYTES_MAX = 1024;

/** Writes a warning; dropped, like any record, when the ring is full. */
export function writeWarning(ring: LogRingWriter, text: string): void {
  const bytes = new TextEncoder().encode(text).subarray(0, WARNING_BYTES_MAX);
  const length = recordLength(WARNING_TEXT * Int32Array.BYTES_PER_ELEMENT + bytes.length);
  const at = ring.reserve(length);
  if (at < 0) return;
  const { words } = ring;
  words[at + RECORD_LENGTH] = length;
  words[at + RECORD_KIND] = KIND_WARNING;
  words[at + WARNING_BYTES] = bytes.length;
  ring.bytes.set(bytes, (at + WARNING_TEXT) * Int32Array.BYTES_PER_ELEMENT);
  ring.publish(length);
}
